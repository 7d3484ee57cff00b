// What the ops that move elements about share: how an array is seen from one of its axes.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include <xgrad/autograd/tape/op.hpp>

namespace xgrad::detail {

/// An array as outer × extent × inner around one axis.
struct AxisView {
  AxisView(const Shape& shape, std::size_t axis)
      : outer(shape.elements(0, axis)), extent(shape[axis]), inner(shape.elements(axis + 1, shape.rank())) {}
  std::int64_t outer, extent, inner;
};

/// A shape's extents as the kernels take them.
class Extents {
 public:
  explicit Extents(const Shape& shape) : rank_(shape.rank()) {
    std::copy(shape.begin(), shape.end(), values_.begin());
  }
  operator std::span<const std::int64_t>() const { return {values_.data(), rank_}; }

 private:
  std::array<std::int64_t, Shape::max_rank> values_;
  std::size_t rank_;
};

/// Where an op writes the elements of a tensor that nobody else reads yet.
template <Real T>
T* data_of(AnyTensor& x) {
  return reinterpret_cast<T*>(x.mutable_bytes());
}

/// A gradient that is the one given to `vjp`, or a view of a part of it that no other gradient covers.
template <Real T>
Gradient<T> passed_on(const Saved<T>& saved, Tensor<T> gradient) {
  return {std::move(gradient), saved.owns_gradient() ? Ownership::owned : Ownership::shared};
}

inline void check_defined(std::string_view op, const AnyTensor& x, std::size_t index = 0) {
  if (!x.defined()) undefined_input(op, index);
}

}  // namespace xgrad::detail
