// Activations that know axes, and what others refuse.
#include <xgrad/ops/activation.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace detail {

void limits_are_swapped(double low, double high) {
  throw ValueError(fmt::format("hardtanh: limits {} and {}; give the smaller one first", low, high));
}

void celu_of_zero() { throw ValueError("celu: alpha is 0, by which x is divided; give another one, or use relu"); }

void shrinks_by_negative(double lambd) {
  throw ValueError(fmt::format("softshrink: lambd is {}; give 0 or more", lambd));
}

}  // namespace detail

template <Real T>
Tensor<T> glu(const Tensor<T>& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("glu", x);
  const std::size_t along = normalize_axis("glu", axis, x.shape());
  const std::int64_t extent = x.shape()[along];
  if (extent % 2 != 0)
    throw ShapeError(fmt::format("glu: axis {} of {} has no halves; its extent must be even", along,
                                 to_string(x.shape())));
  const auto half = [&](std::int64_t from) {
    return narrow(x, static_cast<std::int64_t>(along), from, extent / 2, at);
  };
  return half(0) * sigmoid(half(extent / 2), at);
}

template <Real T>
Tensor<T> prelu(const Tensor<T>& x, const Tensor<T>& weight, Location at) {
  const CallSite call(at);
  check_defined("prelu", x);
  check_defined("prelu", weight, 1);
  const bool per_channel = weight.elements() != 1;
  if (weight.rank() > 1 || (per_channel && (x.rank() < 2 || weight.elements() != x.shape()[1])))
    throw ShapeError(fmt::format("prelu: a weight of shape {} for {}; give one number, or one for each of axis 1",
                                 to_string(weight.shape()), to_string(x.shape())));
  Shape shape;
  for (std::size_t i = 0; per_channel && i < x.rank(); ++i) shape.push_back(i == 1 ? weight.elements() : 1);
  return elementwise<formulas::LeakyRelu>(at, x, reshape(weight, shape, at));
}

#define XGRAD_INSTANTIATE(T)                                        \
  template Tensor<T> glu(const Tensor<T>&, std::int64_t, Location); \
  template Tensor<T> prelu(const Tensor<T>&, const Tensor<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
