// Positions in a sequence: sinusoidal and rotary.
#include <xgrad/nn/positions.hpp>

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn {

namespace {

// f(angle) for the angles position / base^(2 i / features) of every position and pair.
template <Real T, class F>
Tensor<T> of_angles(std::int64_t offset, std::int64_t length, std::int64_t pairs, double features,
                    double base, F f) {
  std::vector<T> values;
  for (std::int64_t p = offset; p < offset + length; ++p)
    for (std::int64_t i = 0; i < pairs; ++i)
      values.push_back(
          static_cast<T>(f(static_cast<double>(p) * std::pow(base, -2 * static_cast<double>(i) / features))));
  return from_values<T>({length, pairs}, values);
}

double sine(double x) { return std::sin(x); }
double cosine(double x) { return std::cos(x); }

void check_base(const char* name, double base) {
  if (!(base > 0)) throw ValueError(fmt::format("{}: base is {}; it must be above 0", name, base));
}

}  // namespace

template <Real T>
Tensor<T> sinusoidal_positions(std::int64_t length, std::int64_t features, double base) {
  check_base("sinusoidal_positions", base);
  if (length < 0 || features < 0)
    throw ValueError(
        fmt::format("sinusoidal_positions: length {} and {} features; give 0 or more", length, features));
  const std::int64_t pairs = (features + 1) / 2;
  const double n = static_cast<double>(features);
  const Tensor<T> both = stack(
      {of_angles<T>(0, length, pairs, n, base, sine), of_angles<T>(0, length, pairs, n, base, cosine)}, 2);
  return narrow(reshape(both, {length, 2 * pairs}), 1, 0, features);
}

template <Real T>
Tensor<T> rotary_positions(const Tensor<T>& x, const RotaryOptions& o, Location at) {
  const xgrad::detail::CallSite call(at);
  constexpr const char* name = "rotary_positions";
  xgrad::detail::require_defined(name, x);
  check_base(name, o.base);
  if (x.rank() < 2 || x.size(-1) % 2 != 0)
    throw ShapeError(
        fmt::format("{}: x has shape {}; it must be (…, length, features), with an even number of features",
                    name, xgrad::to_string(x.shape())));
  const std::int64_t length = x.size(-2), features = x.size(-1), pairs = features / 2;
  const double n = static_cast<double>(features);
  const Tensor<T> c = of_angles<T>(o.offset, length, pairs, n, o.base, cosine),
                  s = of_angles<T>(o.offset, length, pairs, n, o.base, sine);
  Shape shape = x.shape();
  shape.set(shape.rank() - 1, o.interleaved ? pairs : 2);
  shape.push_back(o.interleaved ? 2 : pairs);
  const std::int64_t axis = o.interleaved ? -1 : -2;
  const std::vector<Tensor<T>> parts = unbind(reshape(x, shape, at), axis, at);
  const std::vector<Tensor<T>> turned{parts[0] * c - parts[1] * s, parts[1] * c + parts[0] * s};
  return reshape(
      stack(turned,
            o.interleaved ? static_cast<std::int64_t>(x.rank()) : static_cast<std::int64_t>(x.rank()) - 1,
            at),
      x.shape(), at);
}

#define XGRAD_INSTANTIATE(T)                                                   \
  template Tensor<T> sinusoidal_positions(std::int64_t, std::int64_t, double); \
  template Tensor<T> rotary_positions(const Tensor<T>&, const RotaryOptions&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
