// Order along an axis: kernels find places, and gather takes, and differentiates, what stands there.
#include <xgrad/ops/order.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/replay_mode.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/layout.hpp>

namespace xgrad {

using namespace detail;

namespace {

// Places along an axis of x, as many for each slice as `count`, that `kernel` finds.
template <Real T, class Kernel, class... A>
Indices find_places(const Tensor<T>& x, std::size_t axis, std::int64_t count, Kernel kernel, A... options) {
  Shape shape = x.shape();
  shape.set(axis, count);
  const Indices places = computed_indices(shape, x.shape()[axis]);
  const AxisView v(x.shape(), axis);
  if (places.elements() > 0) launch(kernel, reads(x), writes(places), v.outer, v.extent, v.inner, options...);
  return places;
}

// What stands at places, without the axis unless it is kept.
template <Real T>
ValuesAndIndices<T> at_places(const Tensor<T>& x, std::size_t axis, const Indices& places, bool keepdims,
                              Location at) {
  const auto along = static_cast<std::int64_t>(axis);
  Tensor<T> values = gather(x, along, places, at);
  if (keepdims) return {values, places};
  return {squeeze(values, along, at), squeeze(places, along)};
}

// Which of an axis is to be there, of at least so many elements; none are needed where there are no slices.
template <Real T>
std::size_t checked_axis(std::string_view op, const Tensor<T>& x, std::int64_t axis, std::int64_t least) {
  check_defined(op, x);
  const std::size_t along = normalize_axis(op, axis, x.shape());
  const AxisView v(x.shape(), along);
  if (v.extent < least && v.outer * v.inner > 0)
    throw ValueError(fmt::format("{}: axis {} of {} has too few elements; there must be at least {}", op,
                                 along, to_string(x.shape()), least));
  return along;
}

void check_count(std::string_view op, std::int64_t k, std::int64_t least, const Shape& shape,
                 std::size_t axis) {
  if (k < least || k > shape[axis])
    throw ValueError(fmt::format("{}: k = {} for axis {} of {}; give {} to {}", op, k, axis, to_string(shape),
                                 least, shape[axis]));
}

template <Real T>
ValuesAndIndices<T> extreme(std::string_view op, bool largest, const Tensor<T>& x, std::int64_t axis,
                            bool keepdims, Location at) {
  const std::size_t along = checked_axis(op, x, axis, 1);
  const auto a = static_cast<std::int64_t>(along);
  return at_places(x, along, largest ? argmax(x, a, true, at) : argmin(x, a, true, at), keepdims, at);
}

template <Real T>
ValuesAndIndices<T> extreme_so_far(std::string_view op, bool largest, const Tensor<T>& x, std::int64_t axis,
                                   Location at) {
  const std::size_t along = checked_axis(op, x, axis, 0);
  const Indices places = find_places(x, along, x.shape()[along], kernels_of(x).places_of_extreme, largest);
  return at_places(x, along, places, true, at);
}

}  // namespace

template <Real T>
ValuesAndIndices<T> max(const Tensor<T>& x, std::int64_t axis, bool keepdims, Location at) {
  const CallSite call(at);
  return extreme("max", true, x, axis, keepdims, at);
}

template <Real T>
ValuesAndIndices<T> min(const Tensor<T>& x, std::int64_t axis, bool keepdims, Location at) {
  const CallSite call(at);
  return extreme("min", false, x, axis, keepdims, at);
}

template <Real T>
Indices argsort(const Tensor<T>& x, std::int64_t axis, bool descending, Location at) {
  const CallSite call(at);
  const std::size_t along = checked_axis("argsort", x, axis, 0);
  return find_places(x, along, x.shape()[along], kernels_of(x).order, descending);
}

template <Real T>
ValuesAndIndices<T> sort(const Tensor<T>& x, std::int64_t axis, bool descending, Location at) {
  const CallSite call(at);
  const std::size_t along = checked_axis("sort", x, axis, 0);
  return at_places(x, along, argsort(x, axis, descending, at), true, at);
}

template <Real T>
ValuesAndIndices<T> topk(const Tensor<T>& x, std::int64_t k, std::int64_t axis, bool largest, Location at) {
  const CallSite call(at);
  const std::size_t along = checked_axis("topk", x, axis, 0);
  check_count("topk", k, 0, x.shape(), along);
  const Indices places = narrow(argsort(x, axis, largest, at), static_cast<std::int64_t>(along), 0, k);
  return at_places(x, along, places, true, at);
}

template <Real T>
ValuesAndIndices<T> kthvalue(const Tensor<T>& x, std::int64_t k, std::int64_t axis, bool keepdims,
                             Location at) {
  const CallSite call(at);
  const std::size_t along = checked_axis("kthvalue", x, axis, 0);
  check_count("kthvalue", k, 1, x.shape(), along);
  return at_places(x, along, find_places(x, along, 1, kernels_of(x).place_of_kth, k - 1, false), keepdims,
                   at);
}

template <Real T>
ValuesAndIndices<T> median(const Tensor<T>& x, std::int64_t axis, bool keepdims, Location at) {
  const CallSite call(at);
  const std::size_t along = checked_axis("median", x, axis, 1);
  const std::int64_t middle = (x.shape()[along] - 1) / 2;
  return at_places(x, along, find_places(x, along, 1, kernels_of(x).place_of_kth, middle, true), keepdims,
                   at);
}

template <Real T>
Tensor<T> median(const Tensor<T>& x, Location at) {
  const CallSite call(at);
  check_defined("median", x);
  return median(flatten(x, 0, -1, at), 0, false, at).values;
}

template <Real T>
ValuesAndIndices<T> cummax(const Tensor<T>& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  return extreme_so_far("cummax", true, x, axis, at);
}

template <Real T>
ValuesAndIndices<T> cummin(const Tensor<T>& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  return extreme_so_far("cummin", false, x, axis, at);
}

template <TypedArray X>
Unique<X> unique(const X& x, Location at) {
  const CallSite call(at);
  check_defined("unique", x);
  const auto v = x.values();
  std::vector<std::int64_t> order(v.size()), inverse(v.size()), counts;
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto value = [&](std::int64_t place) { return v[static_cast<std::size_t>(place)]; };
  const auto below = [&](auto a, auto b) { return a < b || (a == a && b != b); };
  std::ranges::stable_sort(order, [&](auto a, auto b) { return below(value(a), value(b)); });
  std::vector<typename X::value_type> values;
  for (const std::int64_t place : order) {
    if (values.empty() || below(values.back(), value(place))) {
      values.push_back(value(place));
      counts.push_back(0);
    }
    ++counts.back();
    inverse[static_cast<std::size_t>(place)] = static_cast<std::int64_t>(counts.size()) - 1;
  }
  const Shape shape{static_cast<std::int64_t>(values.size())};
  if constexpr (std::same_as<X, Indices>)
    return {Indices(shape, values), Indices(x.shape(), inverse), Indices(counts)};
  else
    return {from_values<typename X::value_type>(shape, values), Indices(x.shape(), inverse), Indices(counts)};
}

template <Real T>
Tensor<T> any(const Tensor<T>& x, const Axes& axes, bool keepdims, Location at) {
  const CallSite call(at);
  check_defined("any", x);
  return sum(x != 0, axes, keepdims, at) > 0;
}

template <Real T>
Tensor<T> all(const Tensor<T>& x, const Axes& axes, bool keepdims, Location at) {
  const CallSite call(at);
  check_defined("all", x);
  return sum(x == 0, axes, keepdims, at) == 0;
}

template Unique<Indices> unique(const Indices&, Location);
#define XGRAD_INSTANTIATE(T)                                                                           \
  template ValuesAndIndices<T> max(const Tensor<T>&, std::int64_t, bool, Location);                    \
  template ValuesAndIndices<T> min(const Tensor<T>&, std::int64_t, bool, Location);                    \
  template Indices argsort(const Tensor<T>&, std::int64_t, bool, Location);                            \
  template ValuesAndIndices<T> sort(const Tensor<T>&, std::int64_t, bool, Location);                   \
  template ValuesAndIndices<T> topk(const Tensor<T>&, std::int64_t, std::int64_t, bool, Location);     \
  template ValuesAndIndices<T> kthvalue(const Tensor<T>&, std::int64_t, std::int64_t, bool, Location); \
  template ValuesAndIndices<T> median(const Tensor<T>&, std::int64_t, bool, Location);                 \
  template Tensor<T> median(const Tensor<T>&, Location);                                               \
  template ValuesAndIndices<T> cummax(const Tensor<T>&, std::int64_t, Location);                       \
  template ValuesAndIndices<T> cummin(const Tensor<T>&, std::int64_t, Location);                       \
  template Unique<Tensor<T>> unique(const Tensor<T>&, Location);                                       \
  template Tensor<T> any(const Tensor<T>&, const Axes&, bool, Location);                               \
  template Tensor<T> all(const Tensor<T>&, const Axes&, bool, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
