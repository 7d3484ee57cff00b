// Repeating and rolling along axes, and windows.
#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

void check_times(std::string_view op, std::int64_t times) {
  if (times < 0) throw ValueError(fmt::format("{}: {} times; give 0 or more", op, times));
}

template <TypedArray X>
X times_along(const X& x, std::int64_t times, std::int64_t axis, Location at) {
  if (times == 1) return x;
  if (times == 0) return narrow(x, axis, 0, 0, at);
  return cat(std::vector<X>(static_cast<std::size_t>(times), x), axis, at);
}

template <TypedArray X>
X repeated(std::string_view op, X x, std::vector<std::int64_t> times, Location at) {
  for (const std::int64_t n : times) check_times(op, n);
  while (x.rank() < times.size()) x = unsqueeze(x, 0, at);
  for (std::size_t i = times.size(); i-- > 0;) x = times_along(x, times[i], static_cast<std::int64_t>(i), at);
  return x;
}

}  // namespace

template <TypedArray X>
X roll(const X& x, const IntList& shifts, const IntList& axes, Location at) {
  const CallSite call(at);
  check_defined("roll", x);
  if (shifts.size() != axes.size())
    throw ShapeError(
        fmt::format("roll: {} shifts along {} axes; give one for each", shifts.size(), axes.size()));
  X y = x;
  std::vector<std::size_t> seen;
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const std::size_t along = normalize_axis("roll", axes[k], x.shape());
    if (std::ranges::count(seen, along))
      throw ShapeError(fmt::format("roll: axis {} of {} is named twice; name each axis once", along,
                                   to_string(x.shape())));
    seen.push_back(along);
    const std::int64_t extent = x.shape()[along], axis = static_cast<std::int64_t>(along);
    const std::int64_t shift = extent == 0 ? 0 : (shifts[k] % extent + extent) % extent;
    if (shift != 0)
      y = cat({narrow(y, axis, extent - shift, shift, at), narrow(y, axis, 0, extent - shift, at)}, axis, at);
  }
  return y;
}

template <TypedArray X>
X repeat(const X& x, const IntList& times, Location at) {
  const CallSite call(at);
  check_defined("repeat", x);
  if (times.size() < x.rank())
    throw ShapeError(fmt::format("repeat: {} numbers for {}; give one for each axis, or use tile",
                                 times.size(), to_string(x.shape())));
  return repeated("repeat", x, {times.begin(), times.end()}, at);
}

template <TypedArray X>
X tile(const X& x, const IntList& times, Location at) {
  const CallSite call(at);
  check_defined("tile", x);
  std::vector<std::int64_t> all(times.begin(), times.end());
  if (all.size() < x.rank()) all.insert(all.begin(), x.rank() - all.size(), 1);
  return repeated("tile", x, std::move(all), at);
}

template <TypedArray X>
X repeat_interleave(const X& x, std::int64_t times, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("repeat_interleave", x);
  check_times("repeat_interleave", times);
  const std::size_t along = normalize_axis("repeat_interleave", axis, x.shape());
  const auto next = static_cast<std::int64_t>(along) + 1;
  Shape shape = x.shape();
  shape.set(along, shape[along] * times);
  return reshape(times_along(unsqueeze(x, next, at), times, next, at), shape, at);
}

template <Real T>
Tensor<T> repeat_interleave(const Tensor<T>& x, const Indices& times, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("repeat_interleave", x);
  const std::size_t along = normalize_axis("repeat_interleave", axis, x.shape());
  if (times.shape() != Shape{x.shape()[along]})
    throw ShapeError(
        fmt::format("repeat_interleave: numbers of shape {} for axis {} of {}; give one for each element",
                    to_string(times.shape()), along, to_string(x.shape())));
  std::vector<std::int64_t> places;
  const auto numbers = times.values();
  for (std::size_t k = 0; k < numbers.size(); ++k) {
    check_times("repeat_interleave", numbers[k]);
    places.insert(places.end(), static_cast<std::size_t>(numbers[k]), static_cast<std::int64_t>(k));
  }
  return index_select(x, axis, Indices(places), at);
}

template <Real T>
Tensor<T> unfold(const Tensor<T>& x, std::int64_t axis, std::int64_t size, std::int64_t step, Location at) {
  const CallSite call(at);
  check_defined("unfold", x);
  const std::size_t along = normalize_axis("unfold", axis, x.shape());
  const std::int64_t extent = x.shape()[along];
  if (size < 0 || size > extent || step < 1)
    throw ValueError(
        fmt::format("unfold: windows of {}, {} apart, along axis {} of {}; give 0 to {}, and a step of 1 or "
                    "more",
                    size, step, along, to_string(x.shape()), extent));
  std::vector<std::int64_t> places;
  const std::int64_t windows = (extent - size) / step + 1;
  for (std::int64_t w = 0; w < windows; ++w)
    for (std::int64_t k = 0; k < size; ++k) places.push_back(w * step + k);
  Shape shape = x.shape();
  shape.set(along, windows);
  shape.insert(along + 1, size);
  const Tensor<T> y = reshape(index_select(x, axis, Indices(places), at), shape, at);
  std::vector<std::int64_t> order;
  for (std::size_t i = 0; i < shape.rank(); ++i)
    if (i != along + 1) order.push_back(static_cast<std::int64_t>(i));
  order.push_back(static_cast<std::int64_t>(along) + 1);
  return permute(y, order, at);
}

#define XGRAD_INSTANTIATE_ARRAY(X)                                     \
  template X roll(const X&, const IntList&, const IntList&, Location); \
  template X repeat(const X&, const IntList&, Location);               \
  template X tile(const X&, const IntList&, Location);                 \
  template X repeat_interleave(const X&, std::int64_t, std::int64_t, Location);
#define XGRAD_INSTANTIATE(T)                                                                      \
  template Tensor<T> repeat_interleave(const Tensor<T>&, const Indices&, std::int64_t, Location); \
  template Tensor<T> unfold(const Tensor<T>&, std::int64_t, std::int64_t, std::int64_t, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
