// Changing shapes, reordering axes, taking arrays apart and putting them together: names as in PyTorch. An
// array is a Tensor or Indices.
//
// A result that is the same elements in the same order is a view: it costs O(1) and shares memory with its
// source. That holds for reshape and its kin always, and for parts of an array where they lie in one piece:
// along the first axis, or any axis after extents of 1. Axes count from the back where they are negative.
#pragma once

#include <initializer_list>
#include <optional>
#include <ranges>
#include <span>
#include <vector>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// A few integers, such as axes or extents: in braces, a Shape, or any range of integers.
/// Throws ShapeError for more of them than any op could use.
class IntList {
 public:
  IntList(std::initializer_list<std::int64_t> values) { append(values); }
  template <std::ranges::input_range R>
  requires(std::integral<std::ranges::range_value_t<R>> && !std::same_as<std::remove_cvref_t<R>, IntList>)
      IntList(const R& values) {
    append(values);
  }

  std::size_t size() const { return size_; }
  std::int64_t operator[](std::size_t i) const { return values_[i]; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + size_; }

 private:
  void append(const auto& values) {
    for (const auto value : values) push_back(static_cast<std::int64_t>(value));
  }
  void push_back(std::int64_t value) {
    if (size_ == values_.size()) too_long();
    values_[size_++] = value;
  }
  [[noreturn]] static void too_long();

  std::array<std::int64_t, 2 * Shape::max_rank> values_;
  std::size_t size_ = 0;
};

/// The same elements, row-major, under another shape; one extent may be -1 and follows from the rest. A view.
/// Throws ShapeError when the numbers of elements differ.
template <TypedArray X>
X reshape(const X& x, const IntList& shape, Location at = Location::current());

/// Axes `start` to `end`, both included, as one. A view. A scalar becomes a vector of one element.
template <TypedArray X>
X flatten(const X& x, std::int64_t start = 0, std::int64_t end = -1, Location at = Location::current());

/// An axis as several, of which one may be -1: what is left. A view. Throws ShapeError where their product is
/// another.
template <TypedArray X>
X unflatten(const X& x, std::int64_t axis, const IntList& sizes, Location at = Location::current());

/// Without the axes of extent 1. A view.
template <TypedArray X>
X squeeze(const X& x, Location at = Location::current());
/// Without `axis` if its extent is 1, else as it is. A view.
template <TypedArray X>
X squeeze(const X& x, std::int64_t axis, Location at = Location::current());

/// With a new axis of extent 1 at position `axis` of the result. A view.
template <TypedArray X>
X unsqueeze(const X& x, std::int64_t axis, Location at = Location::current());

/// Repeated along axes of extent 1, and along new axes in front, to `shape`; -1 keeps an extent. Unlike
/// PyTorch's the result has elements of its own: the elementwise ops broadcast without it. Throws ShapeError
/// where that cannot be.
template <TypedArray X>
X expand(const X& x, const IntList& shape, Location at = Location::current());

/// Axes `a` and `b` swapped. A copy, unless the order of the elements stays the same.
template <TypedArray X>
X transpose(const X& x, std::int64_t a, std::int64_t b, Location at = Location::current());

/// Axis i of the result is axis `axes[i]` of x. A copy, unless the order of the elements stays the same.
/// Throws ShapeError unless `axes` names each axis once.
template <TypedArray X>
X permute(const X& x, const IntList& axes, Location at = Location::current());

/// Reversed along each of `axes`. Throws ShapeError for an axis named twice.
template <TypedArray X>
X flip(const X& x, const IntList& axes, Location at = Location::current());

/// Elements moved on by `shifts` along `axes`, one for each; what leaves at the end comes in at the start.
/// Throws ShapeError for an axis named twice, or another number of shifts.
template <TypedArray X>
X roll(const X& x, const IntList& shifts, const IntList& axes, Location at = Location::current());

/// The whole of x, `times[i]` times along axis i; more numbers than axes stand for new axes in front. Throws
/// ValueError for a negative number, ShapeError for fewer numbers than axes.
template <TypedArray X>
X repeat(const X& x, const IntList& times, Location at = Location::current());
/// The same, but fewer numbers stand for the last axes (numpy.tile).
template <TypedArray X>
X tile(const X& x, const IntList& times, Location at = Location::current());

/// Each element along an axis `times` times, one after another. Throws ValueError for a negative number.
template <TypedArray X>
X repeat_interleave(const X& x, std::int64_t times, std::int64_t axis, Location at = Location::current());
/// Element k along the axis `times[k]` times. Throws ShapeError unless there is a number for each.
template <Real T>
Tensor<T> repeat_interleave(const Tensor<T>& x, const Indices& times, std::int64_t axis,
                            Location at = Location::current());

/// All windows of `size` elements, `step` apart, along an axis (Tensor.unfold): their number takes the axis'
/// place, and their elements are a new last axis. A copy. Throws ValueError unless 0 <= size <= the extent,
/// and step > 0.
template <Real T>
Tensor<T> unfold(const Tensor<T>& x, std::int64_t axis, std::int64_t size, std::int64_t step,
                 Location at = Location::current());

/// With `value` around x (torch.nn.functional.pad, mode "constant"): `padding` is how many in front of and
/// after the last axis, then the one before it, and so on. Negative numbers cut off instead.
template <Real T>
Tensor<T> pad(const Tensor<T>& x, const IntList& padding, double value = 0,
              Location at = Location::current());

/// Joined along an axis that they have; the other extents are equal. Throws ShapeError otherwise, ValueError
/// for none. Recorded tensors that lie one after another in memory already, such as results written into
/// parts of one buffer, are joined by a view of it.
template <TypedArray X>
X cat(std::span<const X> arrays, std::int64_t axis = 0, Location at = Location::current());
template <TypedArray X>
X cat(const std::vector<X>& arrays, std::int64_t axis = 0, Location at = Location::current()) {
  return cat(std::span<const X>(arrays), axis, at);
}
template <TypedArray X>
X cat(std::initializer_list<X> arrays, std::int64_t axis = 0, Location at = Location::current()) {
  return cat(std::span<const X>(arrays.begin(), arrays.size()), axis, at);
}

/// Joined along a new axis; all have one shape. Otherwise as cat.
template <TypedArray X>
X stack(std::span<const X> arrays, std::int64_t axis = 0, Location at = Location::current());
template <TypedArray X>
X stack(const std::vector<X>& arrays, std::int64_t axis = 0, Location at = Location::current()) {
  return stack(std::span<const X>(arrays), axis, at);
}
template <TypedArray X>
X stack(std::initializer_list<X> arrays, std::int64_t axis = 0, Location at = Location::current()) {
  return stack(std::span<const X>(arrays.begin(), arrays.size()), axis, at);
}

/// Parts of `size` along an axis, the last one smaller where it does not divide. Throws ValueError unless
/// size > 0.
template <TypedArray X>
std::vector<X> split(const X& x, std::int64_t size, std::int64_t axis = 0, Location at = Location::current());
/// Parts of the given sizes. Throws ShapeError unless they add up to the extent.
template <TypedArray X>
std::vector<X> split(const X& x, const std::vector<std::int64_t>& sizes, std::int64_t axis = 0,
                     Location at = Location::current());

/// At most `count` parts of equal size along an axis, the last one smaller where it does not divide.
template <TypedArray X>
std::vector<X> chunk(const X& x, std::int64_t count, std::int64_t axis = 0,
                     Location at = Location::current());

/// The slices along an axis, without it. One node of the graph, whatever their number: their gradients are
/// written into one array, so that a loop over time steps costs no more than the steps.
template <TypedArray X>
std::vector<X> unbind(const X& x, std::int64_t axis = 0, Location at = Location::current());

namespace detail {
/// unbind along the first axis of at least one element, into memory of the pool.
template <TypedArray X>
std::vector<X, pool::Allocator<X>> rows(const X& x, Location at);
}  // namespace detail

/// `length` elements along an axis from `start` on, which counts from the end where it is negative.
/// Throws ValueError where they are not all there.
template <TypedArray X>
X narrow(const X& x, std::int64_t axis, std::int64_t start, std::int64_t length,
         Location at = Location::current());

/// Element `index` along an axis, without the axis (x[index] for axis 0); negative ones count from the end.
/// Throws ValueError for an index out of range.
template <TypedArray X>
X select(const X& x, std::int64_t axis, std::int64_t index, Location at = Location::current());

/// NumPy's start:stop:step of one axis; `{}` is all of it, `{.step = -1}` all of it reversed.
struct Slice {
  std::optional<std::int64_t> start = {}, stop = {};
  std::int64_t step = 1;
};

/// x[a:b:c, d:e:f, …] with NumPy's meaning of omitted and negative ends: `slice(x, {{1, 5}, {.step = 2}})`.
/// Axes without a slice are taken whole. Throws ValueError for a step of 0, ShapeError for more slices than
/// axes.
template <TypedArray X>
X slice(const X& x, const std::vector<Slice>& slices, Location at = Location::current());

}  // namespace xgrad
