// Small tensors for tests: their elements, and gradients that tell every element from every other.
#pragma once

#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/structural.hpp>
#include <xgrad/autograd/tape/tensor.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad::testing {

/// The elements in order.
template <Real T>
std::vector<T> list(const Tensor<T>& x) {
  return {x.values().begin(), x.values().end()};
}

/// 0, 1, 2, … in a shape.
inline Tensor<double> counted(const Shape& shape) {
  return Tensor<double>(arange<double>(static_cast<double>(shape.elements())).view(shape));
}
/// The same, wanting a gradient.
inline Tensor<double> leaf(const Shape& shape) { return counted(shape).set_requires_grad(); }

/// A scalar whose gradient by y is 1, 2, 3, …
inline Tensor<double> weighted(const Tensor<double>& y) {
  return Tensor<double>(sum_to(y * (counted(y.shape()) + 1), Shape{}));
}

/// The gradient of the sum of f's result by its argument, at a point.
template <class F>
Tensor<double> gradient(F f, const Tensor<double>& at) {
  const Tensor<double> x = at.clone().set_requires_grad();
  auto [g] = grad(sum(f(x)), {x});
  return g;
}

}  // namespace xgrad::testing
