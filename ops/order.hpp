// Order along an axis: extremes with their places, sorting, unique values. Names, defaults and results are
// PyTorch's.
//
// Values have the gradient of the elements that they are, and no other; places have none. NaN counts as the
// largest value when sorting; extremes and medians of a NaN are NaN. `axis` counts from the back where it is
// negative.
#pragma once

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad {

/// Elements and where they stand along the axis: `auto [values, indices] = topk(x, 5);`
template <Real T>
struct ValuesAndIndices {
  Tensor<T> values;
  Indices indices;
};

/// The largest element of each slice, and the first place of it. All of the gradient goes there, where amax
/// shares it. Throws ValueError for slices without elements.
template <Real T>
ValuesAndIndices<T> max(const Tensor<T>& x, std::int64_t axis, bool keepdims = false,
                        Location at = Location::current());
/// The smallest, likewise.
template <Real T>
ValuesAndIndices<T> min(const Tensor<T>& x, std::int64_t axis, bool keepdims = false,
                        Location at = Location::current());
/// The largest element of all, as amax.
template <Real T>
Tensor<T> max(const Tensor<T>& x, Location at = Location::current()) {
  return amax(x, {}, false, at);
}
/// The smallest, as amin.
template <Real T>
Tensor<T> min(const Tensor<T>& x, Location at = Location::current()) {
  return amin(x, {}, false, at);
}

/// In ascending order, or descending; equal elements stay in their order.
template <Real T>
ValuesAndIndices<T> sort(const Tensor<T>& x, std::int64_t axis = -1, bool descending = false,
                         Location at = Location::current());
/// The indices that sort gives.
template <Real T>
Indices argsort(const Tensor<T>& x, std::int64_t axis = -1, bool descending = false,
                Location at = Location::current());
/// The k largest elements, or smallest, best first; of equal ones the first. Throws ValueError unless there
/// are so many.
template <Real T>
ValuesAndIndices<T> topk(const Tensor<T>& x, std::int64_t k, std::int64_t axis = -1, bool largest = true,
                         Location at = Location::current());
/// The k-th smallest element, from 1 on. Throws ValueError unless there are so many.
template <Real T>
ValuesAndIndices<T> kthvalue(const Tensor<T>& x, std::int64_t k, std::int64_t axis = -1,
                             bool keepdims = false, Location at = Location::current());
/// The element in the middle of the order, the lower one of two. Throws ValueError for slices without
/// elements.
template <Real T>
ValuesAndIndices<T> median(const Tensor<T>& x, std::int64_t axis, bool keepdims = false,
                           Location at = Location::current());
/// That of all elements.
template <Real T>
Tensor<T> median(const Tensor<T>& x, Location at = Location::current());

/// The largest of the elements up to each, and the last place of it; from the first NaN on the last NaN.
template <Real T>
ValuesAndIndices<T> cummax(const Tensor<T>& x, std::int64_t axis, Location at = Location::current());
/// The smallest, likewise.
template <Real T>
ValuesAndIndices<T> cummin(const Tensor<T>& x, std::int64_t axis, Location at = Location::current());

/// Values in ascending order, each once; which of them each element of x is, in x's shape; how often each
/// occurs.
template <class X>
struct Unique {
  X values;
  Indices inverse, counts;
};
/// The unique elements of all of x; every NaN is one. No gradient. Throws GraphError inside the function of a
/// Replay, as their number depends on the values.
template <TypedArray X>
Unique<X> unique(const X& x, Location at = Location::current());

/// 1 where an element along the axes is not 0, else 0, also for none; NaN is not 0. No gradient.
template <Real T>
Tensor<T> any(const Tensor<T>& x, const Axes& axes = {}, bool keepdims = false,
              Location at = Location::current());
/// 1 where no element along the axes is 0, also for none.
template <Real T>
Tensor<T> all(const Tensor<T>& x, const Axes& axes = {}, bool keepdims = false,
              Location at = Location::current());

}  // namespace xgrad
