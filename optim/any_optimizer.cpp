// What can be said of an optimizer whatever its parameters are.
#include <xgrad/optim/any_optimizer.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>

namespace xgrad::optim {

void AnyOptimizer::set_lr(double lr, std::size_t group) {
  checked(group);
  detail::check_option(name_, "lr", lr);
  groups_[group].lr = lr;
}

void AnyOptimizer::set_lr(double lr) {
  detail::check_option(name_, "lr", lr);
  for (Range& group : groups_) group.lr = lr;
}

// Reading it changes nothing.
double* AnyOptimizer::place_of_momentum(std::size_t group) const {
  checked(group);
  return const_cast<AnyOptimizer*>(this)->momentum_place(group);
}

bool AnyOptimizer::has_momentum(std::size_t group) const { return place_of_momentum(group) != nullptr; }

double AnyOptimizer::momentum(std::size_t group) const {
  const double* const place = place_of_momentum(group);
  return place ? *place : 0;
}

void AnyOptimizer::set_momentum(double momentum, std::size_t group) {
  double* const place = place_of_momentum(group);
  if (!place)
    throw ValueError(
        fmt::format("{}: group {} has no momentum to set; make the optimizer with one", name_, group));
  detail::check_option(name_, "momentum", momentum, 0, 1);
  *place = momentum;
}

void AnyOptimizer::no_group(std::size_t group) const {
  throw ValueError(
      fmt::format("{}: there is no parameter group {}; it has {}", name_, group, groups_.size()));
}

namespace detail {

void check_option(const char* optimizer, const char* option, double value, double low, double high) {
  if (!(value >= low && value < high))
    throw ValueError(
        high < 1e300
            ? fmt::format("{}: {} is {}; it lies in [{}, {})", optimizer, option, value, low, high)
            : fmt::format("{}: {} is {}; it is finite and at least {}", optimizer, option, value, low));
}

const AnyTensor& state_named(const char* loading, const std::vector<NamedState>& state, std::string_view name,
                             const AnyTensor& expected) {
  const auto found = std::ranges::find(state, name, &NamedState::name);
  if (found == state.end())
    throw FormatError(
        fmt::format("{}: the state has no '{}'; it belongs to other options or other parameters; nothing was "
                    "changed",
                    loading, name));
  const AnyTensor& given = found->tensor;
  const auto described = [](const AnyTensor& x) {
    return x.defined()
               ? fmt::format("{}{}", x.dtype() == DType::int64 ? "integers " : "", to_string(x.shape()))
               : std::string("undefined");
  };
  if (!given.defined() || given.shape() != expected.shape() || given.dtype() != expected.dtype())
    throw FormatError(
        fmt::format("{}: the state holds '{}' {} where '{}' {} is expected{}; nothing was changed", loading,
                    name, described(given), name, described(expected),
                    given.defined() && given.dtype() != expected.dtype() ? ", of another type" : ""));
  return given;
}

std::vector<double> numbers_of(const char* loading, const std::vector<NamedState>& state,
                               const NamedState& expected) {
  return Tensor<double>(state_named(loading, state, expected.name, expected.tensor)).values();
}

AnyTensor tensor_of(const std::vector<double>& numbers) {
  Tensor<double> result = zeros<double>({static_cast<std::int64_t>(numbers.size())});
  std::ranges::copy(numbers, result.mutable_values().begin());
  return result;
}

}  // namespace detail

}  // namespace xgrad::optim
