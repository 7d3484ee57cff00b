// Initialisers.
#include <xgrad/nn/init.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/table.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn::init {

namespace {

struct Fans {
  double in, out;
};

void check_number(std::string_view name, std::string_view what, double value, bool may_be_negative = false) {
  if (!std::isfinite(value) || (value < 0 && !may_be_negative))
    throw ValueError(fmt::format("{}: the {} is {}; it must be finite{}", name, what, value,
                                 may_be_negative ? "" : " and at least 0"));
}

Fans fans(std::string_view name, const AnyTensor& x) {
  xgrad::detail::require_defined(name, x);
  const Shape& shape = x.shape();
  if (shape.rank() < 2)
    throw ShapeError(fmt::format(
        "{}: a tensor of shape {} has no fan in and fan out; at least two axes (out, in) are needed", name,
        to_string(shape)));
  const auto field = static_cast<double>(shape.elements(2, shape.rank()));
  return {static_cast<double>(shape[1]) * field, static_cast<double>(shape[0]) * field};
}

double xavier_deviation(std::string_view name, const AnyTensor& x, double gain) {
  check_number(name, "gain", gain);
  const Fans fan = fans(name, x);
  return fan.in + fan.out > 0 ? gain * std::sqrt(2 / (fan.in + fan.out)) : 0;
}

double kaiming_deviation(std::string_view name, const AnyTensor& x, const KaimingOptions& options) {
  check_number(name, "negative_slope", options.negative_slope, true);
  const Fans both = fans(name, x);
  const double fan = options.fan == Fan::in ? both.in : both.out;
  return fan > 0 ? calculate_gain(options.nonlinearity, options.negative_slope) / std::sqrt(fan) : 0;
}

// The uniform distribution of this deviation.
template <Real T>
Tensor<T> uniform_of(Tensor<T> x, double deviation, Generator& generator) {
  const double bound = std::sqrt(3.0) * deviation;
  return uniform(std::move(x), -bound, bound, generator);
}

template <Real T>
T* overwritten(const char* name, const Tensor<T>& x, const Location& at) {
  return reinterpret_cast<T*>(xgrad::detail::changed_elements(name, x, at));
}

}  // namespace

double calculate_gain(Nonlinearity nonlinearity, double negative_slope) {
  switch (nonlinearity) {
    case Nonlinearity::tanh:
      return 5.0 / 3;
    case Nonlinearity::relu:
      return std::sqrt(2.0);
    case Nonlinearity::leaky_relu:
      return std::sqrt(2 / (1 + negative_slope * negative_slope));
    case Nonlinearity::selu:
      return 3.0 / 4;
    default:
      return 1;
  }
}

template <Real T>
Tensor<T> uniform(Tensor<T> x, double low, double high, Generator& generator, Location at) {
  const xgrad::detail::CallSite site(at);
  xgrad::detail::require_defined("uniform", x);
  if (!std::isfinite(low) || !std::isfinite(high) || high < low)
    throw ValueError(
        fmt::format("uniform: from {} to {}; both must be finite, the lower one first", low, high));
  kernels::on(x.device())
      .template of<T>()
      .uniform(generator, low, high, overwritten("uniform", x, at), x.elements());
  return x;
}

template <Real T>
Tensor<T> normal(Tensor<T> x, double mean, double deviation, Generator& generator, Location at) {
  const xgrad::detail::CallSite site(at);
  xgrad::detail::require_defined("normal", x);
  check_number("normal", "mean", mean, true);
  check_number("normal", "deviation", deviation);
  kernels::on(x.device())
      .template of<T>()
      .normal(generator, mean, deviation, overwritten("normal", x, at), x.elements());
  return x;
}

template <Real T>
Tensor<T> constant(Tensor<T> x, double value, Location at) {
  const xgrad::detail::CallSite site(at);
  xgrad::detail::require_defined("constant", x);
  x.assign(full<T>(x.shape(), value));
  return x;
}

template <Real T>
Tensor<T> xavier_uniform(Tensor<T> x, double gain, Generator& generator, Location at) {
  const xgrad::detail::CallSite site(at);
  const double deviation = xavier_deviation("xavier_uniform", x, gain);
  return uniform_of(std::move(x), deviation, generator);
}

template <Real T>
Tensor<T> xavier_normal(Tensor<T> x, double gain, Generator& generator, Location at) {
  const xgrad::detail::CallSite site(at);
  const double deviation = xavier_deviation("xavier_normal", x, gain);
  return normal(std::move(x), 0, deviation, generator);
}

template <Real T>
Tensor<T> kaiming_uniform(Tensor<T> x, KaimingOptions options, Generator& generator, Location at) {
  const xgrad::detail::CallSite site(at);
  const double deviation = kaiming_deviation("kaiming_uniform", x, options);
  return uniform_of(std::move(x), deviation, generator);
}

template <Real T>
Tensor<T> kaiming_normal(Tensor<T> x, KaimingOptions options, Generator& generator, Location at) {
  const xgrad::detail::CallSite site(at);
  const double deviation = kaiming_deviation("kaiming_normal", x, options);
  return normal(std::move(x), 0, deviation, generator);
}

template <Real T>
Tensor<T> orthogonal(Tensor<T> x, double gain, Generator& generator, Location at) {
  const xgrad::detail::CallSite site(at);
  check_number("orthogonal", "gain", gain, true);
  fans("orthogonal", x);
  const std::int64_t rows = x.shape()[0], columns = x.shape().elements(1, x.rank());
  const bool wide = rows <= columns;
  Tensor<double> basis = randn<double>(wide ? Shape{rows, columns} : Shape{columns, rows}, generator);
  kernels::on(basis.device())
      .orthonormalize_rows(basis.shape()[0], basis.shape()[1], basis.mutable_values().data());
  const no_grad scope;
  if (!wide) basis = transpose(basis, 0, 1);
  x.assign(reshape(basis * gain, x.shape()).template to<T>());
  return x;
}

template <Real T>
Tensor<T> trunc_normal(Tensor<T> x, double mean, double deviation, double low, double high,
                       Generator& generator, Location at) {
  const xgrad::detail::CallSite site(at);
  xgrad::detail::require_defined("trunc_normal", x);
  check_number("trunc_normal", "mean", mean, true);
  check_number("trunc_normal", "deviation", deviation);
  const double nearest = std::clamp(mean, low, high);
  if (!(low < high) || std::abs(nearest - mean) > 4 * deviation)
    throw ValueError(
        fmt::format("trunc_normal: from {} to {} around the mean {}, with deviation {}; give a range that is "
                    "within 4 deviations",
                    low, high, mean, deviation));
  T* const values = overwritten("trunc_normal", x, at);
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    double drawn = mean + deviation * generator.normal();
    while (drawn < low || drawn > high) drawn = mean + deviation * generator.normal();
    values[i] = std::clamp(static_cast<T>(drawn), static_cast<T>(low), static_cast<T>(high));
  }
  return x;
}

template <Real T>
Tensor<T> eye(Tensor<T> x, Location at) {
  const xgrad::detail::CallSite site(at);
  xgrad::detail::require_defined("eye", x);
  if (x.rank() != 2)
    throw ShapeError(fmt::format("eye: a tensor of shape {}; it is a matrix", to_string(x.shape())));
  x.assign(xgrad::eye<T>(x.shape()[0], x.shape()[1], at), at);
  return x;
}

template <Real T>
Tensor<T> dirac(Tensor<T> x, std::int64_t groups, Location at) {
  const xgrad::detail::CallSite site(at);
  xgrad::detail::require_defined("dirac", x);
  const Shape& shape = x.shape();
  if (shape.rank() < 3)
    throw ShapeError(fmt::format("dirac: a tensor of shape {}; it is a convolution's weight, (out, in, …)",
                                 to_string(shape)));
  if (groups < 1 || shape[0] % groups != 0)
    throw ValueError(
        fmt::format("dirac: {} groups of {} channels; give a number that divides them", groups, shape[0]));
  const std::int64_t field = shape.elements(2, shape.rank()), out = shape[0] / groups;
  std::int64_t centre = 0;
  for (std::size_t a = 2; a < shape.rank(); ++a) centre = centre * shape[a] + shape[a] / 2;
  std::vector<T> values(static_cast<std::size_t>(x.elements()), T(0));
  for (std::int64_t g = 0; g < groups; ++g)
    for (std::int64_t i = 0; i < std::min(out, shape[1]); ++i)
      values[static_cast<std::size_t>(((g * out + i) * shape[1] + i) * field + centre)] = T(1);
  x.assign(from_values<T>(shape, std::span<const T>(values)), at);
  return x;
}

template <Real T>
Tensor<T> sparse(Tensor<T> x, double sparsity, double deviation, Generator& generator, Location at) {
  const xgrad::detail::CallSite site(at);
  xgrad::detail::require_defined("sparse", x);
  if (x.rank() != 2)
    throw ShapeError(fmt::format("sparse: a tensor of shape {}; it is a matrix", to_string(x.shape())));
  if (!(sparsity >= 0 && sparsity <= 1))
    throw ValueError(fmt::format("sparse: the sparsity is {}; it is from 0 to 1", sparsity));
  normal(x, 0, deviation, generator, at);
  T* const values = overwritten("sparse", x, at);
  const std::int64_t rows = x.shape()[0], columns = x.shape()[1];
  const auto zeros = static_cast<std::int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows));
  for (std::int64_t c = 0; c < columns; ++c) {
    std::iota(order.begin(), order.end(), 0);
    for (std::int64_t k = 0; k < zeros; ++k) {
      const auto other = k + static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(rows - k)));
      std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(other)]);
      values[order[static_cast<std::size_t>(k)] * columns + c] = T(0);
    }
  }
  return x;
}

#define XGRAD_INSTANTIATE(T)                                                                        \
  template Tensor<T> uniform(Tensor<T>, double, double, Generator&, Location);                      \
  template Tensor<T> normal(Tensor<T>, double, double, Generator&, Location);                       \
  template Tensor<T> constant(Tensor<T>, double, Location);                                         \
  template Tensor<T> xavier_uniform(Tensor<T>, double, Generator&, Location);                       \
  template Tensor<T> xavier_normal(Tensor<T>, double, Generator&, Location);                        \
  template Tensor<T> kaiming_uniform(Tensor<T>, KaimingOptions, Generator&, Location);              \
  template Tensor<T> kaiming_normal(Tensor<T>, KaimingOptions, Generator&, Location);               \
  template Tensor<T> orthogonal(Tensor<T>, double, Generator&, Location);                           \
  template Tensor<T> trunc_normal(Tensor<T>, double, double, double, double, Generator&, Location); \
  template Tensor<T> eye(Tensor<T>, Location);                                                      \
  template Tensor<T> dirac(Tensor<T>, std::int64_t, Location);                                      \
  template Tensor<T> sparse(Tensor<T>, double, double, Generator&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn::init
