// Averages of parameters over the steps of a training.
#include <xgrad/optim/average.hpp>

#include <array>
#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/table.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/optim/formulas.hpp>
#include <xgrad/optim/optimizer.hpp>

namespace xgrad::optim {

template <Real T>
AveragedParameters<T>::AveragedParameters(const char* name, std::vector<Tensor<T>> parameters,
                                          std::function<double(std::int64_t)> weight)
    : name_(name), parameters_(std::move(parameters)), weight_(std::move(weight)) {
  for (std::size_t k = 0; k < parameters_.size(); ++k)
    if (!parameters_[k].defined())
      throw ValueError(fmt::format("{}: parameter {} is undefined (default constructed)", name, k));
  detail::check_given_once(name, parameters_);
  for (const Tensor<T>& p : parameters_) averages_.emplace_back(xgrad::detail::copy_of(p));
}

template <Real T>
void AveragedParameters<T>::update() {
  const xgrad::detail::ProfiledOp timed(name_);
  if (xgrad::detail::in_replay())
    xgrad::detail::refuse_in_replay(name_, "update() would count once, not in every run; call it after each");
  const double weight = count_ == 0 ? 1 : weight_(count_);
  for (std::size_t k = 0; k < averages_.size(); ++k) {
    if (count_ == 0) {
      averages_[k].assign(parameters_[k].detach());
      continue;
    }
    averages_[k].storage()->raise_version();
    const std::array<void*, 2> operands{parameters_[k].mutable_bytes(), averages_[k].mutable_bytes()};
    kernels::on(averages_[k].device())
        .in_place(in_place<formulas::Approach, T>(), dtype_of<T>, averages_[k].elements(), operands.data(),
                  &weight);
  }
  ++count_;
}

template <Real T>
void AveragedParameters<T>::swap() {
  for (std::size_t k = 0; k < averages_.size(); ++k) {
    const Tensor<T> held(xgrad::detail::copy_of(averages_[k]));
    averages_[k].assign(parameters_[k].detach());
    parameters_[k].assign(held);
  }
}

template <Real T>
std::vector<NamedState> AveragedParameters<T>::state() const {
  std::vector<NamedState> result{{"n_averaged", detail::tensor_of({static_cast<double>(count_)})}};
  for (std::size_t k = 0; k < averages_.size(); ++k)
    result.push_back({fmt::format("average.{}", k), averages_[k]});
  return result;
}

template <Real T>
void AveragedParameters<T>::check_state(const std::vector<NamedState>& state) const {
  const auto own = this->state();
  if (state.size() != own.size())
    throw FormatError(fmt::format("{}: a state of {} tensors where there are {}; nothing was changed", name_,
                                  state.size(), own.size()));
  for (const NamedState& expected : own) detail::state_named(name_, state, expected.name, expected.tensor);
  const double count = detail::numbers_of(name_, state, own[0])[0];
  if (!(count >= 0 && count < 1e15))
    throw FormatError(fmt::format(
        "{}: the state holds 'n_averaged' = {}, which cannot be; nothing was changed", name_, count));
}

template <Real T>
void AveragedParameters<T>::load_state(const std::vector<NamedState>& state) {
  check_state(state);
  const auto own = this->state();
  for (std::size_t k = 0; k < averages_.size(); ++k)
    averages_[k].assign(
        Tensor<T>(detail::state_named(name_, state, own[k + 1].name, own[k + 1].tensor)).detach());
  count_ = std::llround(detail::numbers_of(name_, state, own[0])[0]);
}

template <Real T>
ExponentialMovingAverage<T>::ExponentialMovingAverage(std::vector<Tensor<T>> parameters,
                                                      AverageOptions options)
    : AveragedParameters<T>("ExponentialMovingAverage", std::move(parameters),
                            [fresh = 1 - options.decay](std::int64_t) { return fresh; }) {
  if (!(options.decay >= 0 && options.decay <= 1))
    throw ValueError(
        fmt::format("ExponentialMovingAverage: decay is {}; it lies between 0 and 1", options.decay));
}

template <Real T>
StochasticWeightAverage<T>::StochasticWeightAverage(std::vector<Tensor<T>> parameters)
    : AveragedParameters<T>("StochasticWeightAverage", std::move(parameters),
                            [](std::int64_t n) { return 1 / static_cast<double>(n + 1); }) {}

#define XGRAD_INSTANTIATE(T)                  \
  template class AveragedParameters<T>;       \
  template class ExponentialMovingAverage<T>; \
  template class StochasticWeightAverage<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
