// Small tensors for tests: their elements, and gradients that tell every element from every other.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/tensor.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad::testing {

/// The elements in order.
template <Real T>
std::vector<T> list(const Tensor<T>& x) {
  return {x.values().begin(), x.values().end()};
}

/// Element (i, j, …) of x.
inline double at(const Tensor<double>& x, const std::vector<std::int64_t>& index) {
  std::int64_t offset = 0;
  for (std::size_t a = 0; a < index.size(); ++a) offset = offset * x.shape()[a] + index[a];
  return x.values()[static_cast<std::size_t>(offset)];
}

/// All indices of a shape, row-major.
inline std::vector<std::vector<std::int64_t>> places(const Shape& shape) {
  std::vector<std::vector<std::int64_t>> result;
  for (std::int64_t n = 0; n < shape.elements(); ++n) {
    std::vector<std::int64_t> index(shape.rank());
    std::int64_t rest = n;
    for (std::size_t a = shape.rank(); a-- > 0; rest /= shape[a]) index[a] = rest % shape[a];
    result.push_back(index);
  }
  return result;
}

/// Whether two tensors, or two lists of them, have the same shapes and the same bits.
template <Real T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size_in_bytes()) == 0;
}
template <Real T>
bool same_bits(const std::vector<Tensor<T>>& a, const std::vector<Tensor<T>>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return same_bits(x, y); });
}

/// 0, 1, 2, … in a shape.
inline Tensor<double> counted(const Shape& shape) {
  return Tensor<double>(arange<double>(static_cast<double>(shape.elements())).part(shape));
}
/// The same, wanting a gradient.
inline Tensor<double> counted_leaf(const Shape& shape) { return counted(shape).set_requires_grad(); }
/// These values, wanting a gradient.
inline Tensor<double> leaf(std::initializer_list<xgrad::detail::NestedList<double>> values) {
  return Tensor<double>(values).set_requires_grad();
}

/// A scalar whose gradient by y is 1, 2, 3, …
inline Tensor<double> weighted(const Tensor<double>& y) { return sum(y * (counted(y.shape()) + 1)); }

/// The gradient of the sum of f's result by its argument, at a point.
template <class F, Real T>
Tensor<T> gradient(F f, const Tensor<T>& at) {
  const Tensor<T> x = at.detach().clone().set_requires_grad();
  auto [g] = grad(sum(f(x)), {x});
  return g;
}

}  // namespace xgrad::testing
