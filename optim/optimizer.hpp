// What all optimizers share: the parameters, their state, and how it is saved.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/kernels/table.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::optim {

namespace detail {

[[noreturn]] void two_steps(const char* optimizer);

}  // namespace detail

/// A tensor of an optimizer's state under its name, such as "exp_avg.0" for parameter 0.
struct NamedState {
  std::string name;
  AnyTensor tensor;
};

/// The part of an optimizer that is the same for all. Parameters without a gradient are left alone by step(),
/// and their own step counts with them. One of your own derives from it, names its buffers, and has a step()
/// that calls each().
template <Real T>
class Optimizer {
 public:
  /// Clears the gradients of all parameters.
  void zero_grad();

  const std::vector<Tensor<T>>& parameters() const { return parameters_; }

  double lr() const { return lr_; }
  /// Throws ValueError for a negative or infinite one.
  void set_lr(double lr);

  /// The state as it is now, sharing memory with the optimizer; empty before the first step where there is
  /// none.
  std::vector<NamedState> state() const;
  /// Copies a state that state() of an equal optimizer gave. Throws FormatError, having changed nothing,
  /// where names or shapes differ.
  void load_state(const std::vector<NamedState>& state);

 protected:
  /// Throws ValueError for no parameters, one that can have no gradient, or one that is given twice, and as
  /// set_lr() does.
  Optimizer(const char* name, std::vector<Tensor<T>> parameters, double lr);
  ~Optimizer() = default;
  Optimizer(Optimizer&&) = default;  // and no copies: they would share the state
  Optimizer& operator=(Optimizer&&) = default;

  /// The options given, with the learning rate as it is now.
  auto current(auto options) const {
    options.lr = lr_;
    return options;
  }

  /// One zero tensor for each parameter.
  void add_buffers(const char* name);

  /// f(parameter, gradient, step count from 1, k) for each parameter k that has a gradient, under no_grad.
  /// Throws GraphError inside the function of a Replay, and while another thread is in a step.
  void each(auto f) {
    const no_grad scope;
    each_gradient([&](AnyTensor& gradient, std::int64_t step, std::size_t k) {
      const Tensor<T> typed(std::move(gradient));
      f(std::as_const(parameters_[k]), typed, step, k);
    });
  }

  /// Parameter k's part of the buffers of that number, in the order of add_buffers.
  const Tensor<T>& buffer(std::size_t number, std::size_t k) const { return buffers_[number][k]; }

  /// For the formulas of optim/formulas.hpp: runs one for each parameter that has a gradient, over it and its
  /// buffers. `numbers(step count)` are the formula's.
  void update(const kernels::InPlaceFormula& formula, auto numbers) {
    each_gradient([&](AnyTensor& gradient, std::int64_t step, std::size_t k) {
      std::array<void*, 5> operands;
      void** next = operands.data();
      *next++ = gradient.mutable_bytes();
      const auto write = [&](Tensor<T>& x) {
        x.storage()->raise_version();
        *next++ = x.mutable_bytes();
      };
      write(parameters_[k]);
      for (auto& list : buffers_) write(list[k]);
      kernels::on(gradient.device())
          .in_place(formula, dtype_of<T>, gradient.elements(), operands.data(), numbers(step).data());
    });
  }

 private:
  void each_gradient(auto f) {
    const xgrad::detail::ProfiledOp timed(name_);
    const OneStep alone(*this);
    if (xgrad::detail::in_replay())
      xgrad::detail::refuse_in_replay(
          name_, "step() would count its steps once, not in every run; call it after each");
    for (std::size_t k = 0; k < parameters_.size(); ++k) {
      AnyTensor gradient = leaf(k).grad();
      if (gradient.defined()) f(gradient, ++steps_[k], k);
    }
  }

  // Two steps at a time would mix what they read and write.
  struct OneStep {
    explicit OneStep(Optimizer& optimizer) : of(optimizer) {
      if (std::atomic_ref(of.stepping_).exchange(true, std::memory_order_acquire))
        detail::two_steps(of.name_);
    }
    OneStep(const OneStep&) = delete;
    ~OneStep() { std::atomic_ref(of.stepping_).store(false, std::memory_order_release); }
    Optimizer& of;
  };

  // All parameters have one.
  xgrad::detail::Leaf& leaf(std::size_t k) {
    return static_cast<xgrad::detail::Leaf&>(*parameters_[k].node());
  }

  const char* name_;
  bool stepping_ = false;
  double lr_;
  std::vector<Tensor<T>> parameters_;
  std::vector<std::int64_t> steps_;
  std::vector<const char*> buffer_names_;
  std::vector<std::vector<Tensor<T>>> buffers_;
};

namespace detail {

// Throws ValueError naming the optimizer and the option unless low <= value and value < high.
void check_option(const char* optimizer, const char* option, double value, double low = 0,
                  double high = 1e300);

// Throws ValueError naming the caller and the parameter that is in the list twice.
template <Real T>
void check_given_once(const char* name, const std::vector<Tensor<T>>& parameters);

}  // namespace detail

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace xgrad::optim
