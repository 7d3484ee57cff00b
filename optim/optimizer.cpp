// What all optimizers of one element type share.
#include <xgrad/optim/optimizer.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>

namespace xgrad::optim {

namespace {

// "exp_avg.0", and not "step".
bool is_buffer(const NamedState& state) { return state.name.find('.') != std::string::npos; }

}  // namespace

template <Real T>
Optimizer<T>::Optimizer(const char* name, std::vector<Tensor<T>> parameters, double lr) : Optimizer(name) {
  add_parameters(std::move(parameters), lr);
  require_parameters();
}

template <Real T>
void Optimizer<T>::require_parameters() const {
  if (parameters_.empty())
    throw ValueError(fmt::format(
        "{}: no parameters; pass those of a module that has some, nn::parameters(module)", this->name()));
}

template <Real T>
std::size_t Optimizer<T>::add_parameters(std::vector<Tensor<T>> parameters, double lr) {
  const char* const name = this->name();
  detail::check_option(name, "lr", lr);
  std::vector<Tensor<T>> all = parameters_;
  for (Tensor<T>& p : parameters) {
    const std::size_t k = all.size();
    if (!p.defined())
      throw ValueError(fmt::format("{}: parameter {} is undefined (default constructed)", name, k));
    if (!p.node() || !p.is_leaf())
      throw ValueError(fmt::format(
          "{}: parameter {} of shape {} {}", name, k, xgrad::to_string(p.shape()),
          p.node() ? fmt::format("is the result of '{}', not a leaf; optimize what it was computed from",
                                 p.op_name())
                   : std::string("takes no gradient; call set_requires_grad() on it first")));
    all.push_back(std::move(p));
  }
  detail::check_given_once(name, all);
  this->groups_.push_back({parameters_.size(), all.size(), lr});
  parameters_ = std::move(all);
  steps_.resize(parameters_.size());
  for (Buffers& list : buffers_) list.of.resize(parameters_.size());
  return this->groups_.size() - 1;
}

template <Real T>
void Optimizer<T>::remove_groups(std::size_t from) noexcept {
  if (from >= this->groups_.size()) return;
  const auto shorten = [n = this->groups_[from].begin](auto& list) {
    if (list.size() > n) list.erase(list.begin() + static_cast<std::ptrdiff_t>(n), list.end());
  };
  shorten(parameters_);
  shorten(steps_);
  for (Buffers& list : buffers_) shorten(list.of);
  this->groups_.erase(this->groups_.begin() + static_cast<std::ptrdiff_t>(from), this->groups_.end());
}

template <Real T>
void Optimizer<T>::zero_grad() {
  for (std::size_t k = 0; k < parameters_.size(); ++k) leaf(k).set_grad({});
}

template <Real T>
void Optimizer<T>::add_buffers(const char* name, double value) {
  for (std::size_t group = 0; group < this->groups_.size(); ++group) add_buffers(name, group, true, value);
}

template <Real T>
void Optimizer<T>::add_buffers(const char* name, std::size_t group, bool wanted, double value) {
  auto list = std::ranges::find(buffers_, std::string_view(name), &Buffers::name);
  if (list == buffers_.end()) {
    buffers_.push_back({name, std::vector<Tensor<T>>(parameters_.size())});
    list = buffers_.end() - 1;
  }
  const auto [begin, end, lr] = this->groups_[group];
  for (std::size_t k = begin; wanted && k < end; ++k) list->of[k] = full<T>(parameters_[k].shape(), value);
}

template <Real T>
Tensor<T> Optimizer<T>::step_with(const std::function<Tensor<T>()>& closure) {
  Tensor<T> loss = closure();
  this->step();
  return loss;
}

template <Real T>
std::vector<NamedState> Optimizer<T>::state() const {
  std::vector<NamedState> result{{"step", detail::tensor_of({steps_.begin(), steps_.end()})}};
  for (const Buffers& list : buffers_)
    for (std::size_t k = 0; k < parameters_.size(); ++k)
      if (list.of[k].defined()) result.push_back({fmt::format("{}.{}", list.name, k), list.of[k]});
  std::vector<double> rates, momenta;
  for (std::size_t group = 0; group < this->groups(); ++group) {
    rates.push_back(this->lr(group));
    momenta.push_back(this->momentum(group));
  }
  result.push_back({"lr", detail::tensor_of(rates)});
  result.push_back({"momentum", detail::tensor_of(momenta)});
  return result;
}

template <Real T>
void Optimizer<T>::check_state(const std::vector<NamedState>& state) const {
  const auto own = Optimizer::state();
  if (state.size() != own.size())
    throw FormatError(
        fmt::format("{}: a state of {} tensors where this optimizer has {}; it belongs to other options or "
                    "other parameters; nothing was changed",
                    this->name(), state.size(), own.size()));
  for (const NamedState& expected : own) {
    const AnyTensor& given = detail::state_named(this->name(), state, expected.name, expected.tensor);
    if (is_buffer(expected)) continue;
    const double high = expected.name == "momentum" ? 1 : 1e300;
    for (const double x : Tensor<double>(given).values())
      if (!(x >= 0 && x < high))
        throw FormatError(fmt::format("{}: the state holds '{}' = {}, which cannot be; nothing was changed",
                                      this->name(), expected.name, x));
  }
}

template <Real T>
void Optimizer<T>::load_state(const std::vector<NamedState>& state) {
  Optimizer::check_state(state);
  for (const NamedState& own : Optimizer::state()) {
    const AnyTensor& given = detail::state_named(this->name(), state, own.name, own.tensor);
    if (is_buffer(own)) {
      Tensor<T>(own.tensor).assign(Tensor<T>(given));
      continue;
    }
    const auto numbers = Tensor<double>(given).values();
    if (own.name == "step")
      std::ranges::transform(numbers, steps_.begin(), [](double n) { return std::llround(n); });
    for (std::size_t group = 0; group < this->groups(); ++group) {
      if (own.name == "lr") this->groups_[group].lr = numbers[group];
      double* const place = own.name == "momentum" ? this->momentum_place(group) : nullptr;
      if (place) *place = numbers[group];
    }
  }
}

namespace detail {

void two_steps(const char* optimizer) {
  throw GraphError(fmt::format(
      "{}: two threads are in step() at a time; add up the gradients of all threads, and have one of "
      "them make the step while the others wait",
      optimizer));
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
