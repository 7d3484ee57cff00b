// What the ops that move elements about share: how an array is seen from one of its axes.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/kernels/table.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>

namespace xgrad::detail {

/// An array as outer × extent × inner around one axis.
struct AxisView {
  AxisView(const Shape& shape, std::size_t axis)
      : outer(shape.elements(0, axis)), extent(shape[axis]), inner(shape.elements(axis + 1, shape.rank())) {}
  std::int64_t outer, extent, inner;
};

/// Extents, or strides, as the kernels take them.
class Extents {
 public:
  explicit Extents(const Shape& shape) : rank_(shape.rank()) {
    std::copy(shape.begin(), shape.end(), values_.begin());
  }
  /// The first `rank` of some strides.
  Extents(const std::array<std::int64_t, Shape::max_rank>& strides, std::size_t rank)
      : values_(strides), rank_(rank) {}
  operator std::span<const std::int64_t>() const { return {values_.data(), rank_}; }

 private:
  std::array<std::int64_t, Shape::max_rank> values_;
  std::size_t rank_;
};

/// The kernels of the array's device for its type.
template <TypedArray X>
[[gnu::always_inline]] inline const auto& kernels_of(const X& x) {
  return kernels::on(x.device()).template of<typename X::value_type>();
}

/// A new array of such elements.
template <TypedArray X>
X empty_array(const Shape& shape) {
  if constexpr (std::same_as<X, Indices>)
    return Indices::empty(shape);
  else
    return empty<typename X::value_type>(shape);
}

/// A gradient that is the one given to `vjp`, or a view of a part of it that no other gradient covers.
template <Real T>
Gradient<T> passed_on(const Saved<T>& saved, Tensor<T> gradient) {
  return GradientSlot{std::move(gradient), saved.gradient_donated()};
}

/// Checks what scatter and scatter_add are given; the part of the source that is used.
template <Real T>
Tensor<T> check_scatter(std::string_view op, const Tensor<T>& x, std::size_t axis, const Indices& indices,
                        const Tensor<T>& source, Location at);

inline void check_defined(std::string_view op, const AnyTensor& x, std::size_t index = 0) {
  if (!x.defined()) undefined_input(op, index);
}

}  // namespace xgrad::detail
