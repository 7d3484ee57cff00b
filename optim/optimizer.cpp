// What all optimizers share.
#include <xgrad/optim/optimizer.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>

namespace xgrad::optim {

template <Real T>
Optimizer<T>::Optimizer(const char* name, std::vector<Tensor<T>> parameters, double lr)
    : name_(name), parameters_(std::move(parameters)), steps_(parameters_.size()) {
  set_lr(lr);
  if (parameters_.empty())
    throw ValueError(
        fmt::format("{}: no parameters; pass those of a module that has some, nn::parameters(module)", name));
  for (std::size_t k = 0; k < parameters_.size(); ++k) {
    const Tensor<T>& p = parameters_[k];
    if (!p.defined())
      throw ValueError(fmt::format("{}: parameter {} is undefined (default constructed)", name, k));
    if (!p.node() || !p.is_leaf())
      throw ValueError(fmt::format(
          "{}: parameter {} of shape {} {}", name, k, xgrad::to_string(p.shape()),
          p.node() ? fmt::format("is the result of '{}', not a leaf; optimize what it was computed from",
                                 p.op_name())
                   : std::string("takes no gradient; call set_requires_grad() on it first")));
  }
  detail::check_given_once(name, parameters_);
}

template <Real T>
void Optimizer<T>::set_lr(double lr) {
  detail::check_option(name_, "lr", lr);
  lr_ = lr;
}

template <Real T>
void Optimizer<T>::zero_grad() {
  for (std::size_t k = 0; k < parameters_.size(); ++k) leaf(k).set_grad({});
}

template <Real T>
void Optimizer<T>::add_buffers(const char* name) {
  buffer_names_.push_back(name);
  auto& list = buffers_.emplace_back();
  for (const Tensor<T>& p : parameters_) list.push_back(zeros<T>(p.shape()));
}

template <Real T>
std::vector<NamedState> Optimizer<T>::state() const {
  Tensor<double> steps = zeros<double>({static_cast<std::int64_t>(steps_.size())});
  std::ranges::copy(steps_, steps.mutable_values().begin());
  std::vector<NamedState> result{{"step", steps}};
  for (std::size_t b = 0; b < buffers_.size(); ++b)
    for (std::size_t k = 0; k < parameters_.size(); ++k)
      result.push_back({fmt::format("{}.{}", buffer_names_[b], k), buffers_[b][k]});
  return result;
}

template <Real T>
void Optimizer<T>::load_state(const std::vector<NamedState>& state) {
  const auto own = this->state();
  if (state.size() != own.size())
    throw FormatError(
        fmt::format("{}: a state of {} tensors where this optimizer has {}; it belongs to other options or "
                    "other parameters; nothing was changed",
                    name_, state.size(), own.size()));
  for (std::size_t i = 0; i < own.size(); ++i) {
    const AnyTensor &given = state[i].tensor, &expected = own[i].tensor;
    if (state[i].name != own[i].name || !given.defined() || given.shape() != expected.shape() ||
        given.dtype() != expected.dtype())
      throw FormatError(
          fmt::format("{}: the state holds '{}' {} where '{}' {} is expected; nothing was changed", name_,
                      state[i].name, given.defined() ? xgrad::to_string(given.shape()) : "undefined",
                      own[i].name, xgrad::to_string(expected.shape())));
  }
  for (std::size_t i = 1; i < own.size(); ++i) Tensor<T>(own[i].tensor).assign(Tensor<T>(state[i].tensor));
  const auto steps = Tensor<double>(state[0].tensor).values();
  std::ranges::transform(steps, steps_.begin(), [](double n) { return std::llround(n); });
}

namespace detail {

void two_steps(const char* optimizer) {
  throw GraphError(fmt::format(
      "{}: two threads are in step() at a time; add up the gradients of all threads, and have one of "
      "them make the step while the others wait",
      optimizer));
}

void check_option(const char* optimizer, const char* option, double value, double low, double high) {
  if (!(value >= low && value < high))
    throw ValueError(
        high < 1e300
            ? fmt::format("{}: {} is {}; it lies in [{}, {})", optimizer, option, value, low, high)
            : fmt::format("{}: {} is {}; it is finite and at least {}", optimizer, option, value, low));
}

template <Real T>
void check_given_once(const char* name, const std::vector<Tensor<T>>& parameters) {
  for (const Tensor<T>& p : parameters) {
    const auto* const node = p.node();
    if (!node) continue;
    for (const Tensor<T>* q = parameters.data(); q != &p; ++q)
      if (q->node() == node && node->is_leaf())
        throw ValueError(fmt::format("{}: parameter {} of shape {} is given twice; give each once", name,
                                     &p - parameters.data(), xgrad::to_string(p.shape())));
  }
}

}  // namespace detail

#define XGRAD_INSTANTIATE(T)   \
  template class Optimizer<T>; \
  template void detail::check_given_once(const char*, const std::vector<Tensor<T>>&);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
