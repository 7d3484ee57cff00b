// What all optimizers of one element type share: parameters in groups, their buffers, and loops over them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/kernels/table.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/autograd/tape/tensor.hpp>
#include <xgrad/optim/any_optimizer.hpp>

namespace xgrad::optim {

namespace detail {

[[noreturn]] void two_steps(const char* optimizer);

}  // namespace detail

/// The base of all optimizers, by which one is chosen when the program runs:
/// `std::unique_ptr<optim::Optimizer<float>>`. Parameters without a gradient are left alone by step(), and
/// their own step counts with them. One of your own derives from it, names its buffers, and has a step() that
/// calls each(); one whose groups have options derives from OptimizerWith.
template <Real T>
class Optimizer : public AnyOptimizer {
 public:
  using AnyOptimizer::step;
  /// A step whose loss and gradients `closure` computes: it clears the gradients, goes backward, and returns
  /// the loss, which is also what this returns. LBFGS calls it several times.
  Tensor<T> step(const std::function<Tensor<T>()>& closure) { return step_with(closure); }

  void zero_grad() override;

  /// Those of all groups, in the order in which they were given.
  const std::vector<Tensor<T>>& parameters() const { return parameters_; }

  std::vector<NamedState> state() const override;
  void check_state(const std::vector<NamedState>& state) const override;
  void load_state(const std::vector<NamedState>& state) override;

 protected:
  /// Of one group. Throws ValueError for no parameters, one that can have no gradient, or one that is given
  /// twice, and as set_lr() does.
  Optimizer(const char* name, std::vector<Tensor<T>> parameters, double lr);
  /// Of none yet.
  explicit Optimizer(const char* name) : AnyOptimizer(name) {}

  /// One more group, and its number. Throws as the constructor does, having changed nothing, but takes an
  /// empty list.
  std::size_t add_parameters(std::vector<Tensor<T>> parameters, double lr);
  /// Takes back the groups from that number on, for an error on the way.
  void remove_groups(std::size_t from) noexcept;
  /// Throws ValueError where no group has a parameter.
  void require_parameters() const;

  /// The options given, with the learning rate as it is now.
  auto current(auto options, std::size_t group = 0) const {
    options.lr = this->lr(group);
    return options;
  }

  /// One tensor, full of `value`, for each parameter of all groups that there are.
  void add_buffers(const char* name, double value = 0);
  /// For each parameter of one group, the newest. With `wanted = false` its parameters have none of that
  /// name; an optimizer names its buffers in the same order for every group.
  void add_buffers(const char* name, std::size_t group, bool wanted, double value = 0);

  /// f(parameter, gradient, step count from 1, k) for each parameter k, of all groups, that has a gradient,
  /// under no_grad. Throws GraphError inside the function of a Replay, and while another thread is in a step.
  void each(auto f) {
    const no_grad scope;
    each_group([&](std::size_t group) {
      each_gradient(group, [&](AnyTensor& gradient, std::int64_t step, std::size_t k) {
        const Tensor<T> typed(std::move(gradient));
        f(std::as_const(parameters_[k]), typed, step, k);
      });
    });
  }

  /// The group that parameter k is in.
  std::size_t group_of(std::size_t k) const {
    std::size_t group = 0;
    while (k >= this->groups_[group].end) ++group;
    return group;
  }

  /// Parameter k's part of the buffers of that number, in the order of add_buffers.
  const Tensor<T>& buffer(std::size_t number, std::size_t k) const { return buffers_[number].of[k]; }

  /// f(group) for every group: what a step() is made of that calls update().
  void each_group(auto f) {
    const xgrad::detail::ProfiledOp timed(this->name());
    const OneStep alone(*this);
    if (xgrad::detail::in_replay())
      xgrad::detail::refuse_in_replay(
          this->name(), "step() would count its steps once, not in every run; call it after each");
    for (std::size_t group = 0; group < this->groups_.size(); ++group) f(group);
  }

  /// For the formulas of optim/formulas.hpp: runs one for each parameter of the group that has a gradient,
  /// over it and its buffers. `numbers(step count)` points to the formula's.
  void update(std::size_t group, const kernels::InPlaceFormula& formula, auto numbers) {
    each_gradient(group, [&](AnyTensor& gradient, std::int64_t step, std::size_t k) {
      std::array<void*, 5> operands;
      void** next = operands.data();
      *next++ = gradient.mutable_bytes();
      const auto write = [&](Tensor<T>& x) {
        x.storage()->raise_version();
        *next++ = x.mutable_bytes();
      };
      write(parameters_[k]);
      for (Buffers& list : buffers_)
        if (list.of[k].defined()) write(list.of[k]);
      kernels::on(gradient.device())
          .in_place(formula, dtype_of<T>, gradient.elements(), operands.data(), numbers(step));
    });
  }

  virtual Tensor<T> step_with(const std::function<Tensor<T>()>& closure);

 private:
  void each_gradient(std::size_t group, auto f) {
    const auto [begin, end, lr] = this->groups_[group];
    for (std::size_t k = begin; k < end; ++k) {
      AnyTensor gradient = leaf(k).grad();
      if (gradient.defined()) f(gradient, ++steps_[k], k);
    }
  }

  struct Buffers {
    const char* name;
    std::vector<Tensor<T>> of;  // undefined for a parameter that has none of the name
  };

  // Two steps at a time would mix what they read and write.
  struct OneStep {
    explicit OneStep(Optimizer& optimizer) : of(optimizer) {
      if (std::atomic_ref(of.stepping_).exchange(true, std::memory_order_acquire))
        detail::two_steps(of.name());
    }
    OneStep(const OneStep&) = delete;
    ~OneStep() { std::atomic_ref(of.stepping_).store(false, std::memory_order_release); }
    Optimizer& of;
  };

  // All parameters have one.
  xgrad::detail::Leaf& leaf(std::size_t k) {
    return static_cast<xgrad::detail::Leaf&>(*parameters_[k].node());
  }

  bool stepping_ = false;
  std::vector<Tensor<T>> parameters_;
  std::vector<std::int64_t> steps_;
  std::vector<Buffers> buffers_;
};

/// Parameters that an optimizer treats alike, by options of their own: the learning rate, and all others.
template <Real T, class Options>
struct ParamGroup {
  std::vector<Tensor<T>> parameters;
  Options options = {};
};

/// The base of optimizers whose groups have options, a struct of them with an `lr`.
template <Real T, class Options>
class OptimizerWith : public Optimizer<T> {
 public:
  using Group = ParamGroup<T, Options>;

  /// One more group, at any time: its parameters begin at step 1. Throws ValueError as the constructor does,
  /// having changed nothing; an empty list is allowed.
  void add_group(std::vector<Tensor<T>> parameters, Options options = {}) {
    xgrad::detail::or_error(this->name(), [&] {
      check(options);
      const std::size_t group = this->groups();
      try {
        options_.push_back(options);
        this->add_parameters(std::move(parameters), options.lr);
        add_buffers_to(group);
      } catch (...) {
        options_.erase(options_.begin() + static_cast<std::ptrdiff_t>(group), options_.end());
        this->remove_groups(group);
        throw;
      }
    });
  }

  /// The options of a group, with the learning rate as it is now.
  Options options(std::size_t group = 0) const {
    this->checked(group);
    return this->current(options_[group], group);
  }

 protected:
  explicit OptimizerWith(const char* name) : Optimizer<T>(name) {}

  /// The last thing that a constructor does, for it calls the two functions below.
  void add_groups(std::vector<Group> groups) {
    for (Group& group : groups) add_group(std::move(group.parameters), std::move(group.options));
    this->require_parameters();
  }

  /// Throws ValueError, by check_option(), for options that make no sense.
  virtual void check(const Options&) const {}
  /// Calls add_buffers() for what the parameters of a new group need.
  virtual void add_buffers_to(std::size_t) {}

  /// The options as they were given, but for the momentum, which may have changed.
  Options& given(std::size_t group) { return options_[group]; }

 private:
  std::vector<Options> options_;
};

namespace detail {

// Throws ValueError naming the caller and the parameter that is in the list twice.
template <Real T>
void check_given_once(const char* name, const std::vector<Tensor<T>>& parameters);

}  // namespace detail

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace xgrad::optim
