// Parts of an array: narrow, select, slices with steps; and all its parts: split, chunk, unbind.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include <xgrad/autograd/core/short_memory.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

// `count` elements along an axis, `step` apart.
struct Range {
  std::int64_t axis, start, step, count;

  std::size_t along() const { return static_cast<std::size_t>(axis); }
  Shape part_of(Shape shape) const {
    shape.set(along(), count);
    return shape;
  }
  std::int64_t offset(const AxisView& v) const { return start * v.inner; }
  // Whether the elements lie in one piece.
  bool is_contiguous(const AxisView& v) const { return v.outer == 1 && (step == 1 || count <= 1); }
  std::array<std::int64_t, 3> extents(const AxisView& v) const { return {v.outer, count, v.inner}; }
  std::array<std::int64_t, 3> strides(const AxisView& v) const {
    return {v.extent * v.inner, step * v.inner, 1};
  }
};

// The elements of a range, contiguous: a view where they lie so.
template <TypedArray X>
X read(const X& x, const Range& range, const Shape& shape) {
  const AxisView v(x.shape(), range.along());
  if (range.is_contiguous(v)) return X(x.part(shape, range.count ? range.offset(v) : 0));
  X y = empty_array<X>(shape);
  if (y.elements() > 0)
    launch(kernels_of(x).permute_copy, range.extents(v), range.strides(v), reads(x, range.offset(v)),
           writes(y));
  return y;
}

// Adds `part` to a range of `into`.
template <Real T>
void add_to(AnyTensor& into, const Range& range, const AnyTensor& part) {
  const AxisView v(into.shape(), range.along());
  if (part.elements() == 0) return;
  if (range.is_contiguous(v)) {
    AnyTensor region = into.part(part.shape(), range.offset(v));
    return add_into(region, part);
  }
  launch(kernels::on(into.device()).of<T>().strided_add, range.extents(v), range.strides(v), reads<T>(part),
         writes<T>(into, range.offset(v)));
}

void fill_zero(const AnyTensor& x, std::int64_t first, std::int64_t last) {
  x.part({last - first}, first).fill_zero();
}

// Overwrites a range of `into` with `part`, or with zeros where that is undefined.
template <Real T>
void overwrite(AnyTensor& into, const Range& range, const AnyTensor& part) {
  const AxisView v(into.shape(), range.along());
  if (range.is_contiguous(v)) {
    const std::int64_t first = range.offset(v);
    if (!part.defined()) return fill_zero(into, first, first + range.count * v.inner);
    AnyTensor region = into.part(part.shape(), first);
    copy_into(region, part);
  } else {
    const AnyTensor source =
        part.defined() ? part : AnyTensor::zeros(range.part_of(into.shape()), dtype_of<T>);
    launch(kernels::on(into.device()).of<T>().strided_write, range.extents(v), range.strides(v),
           reads<T>(source), writes<T>(into, range.offset(v)));
  }
}

// Overwrites all of `into`: `part` in the range, zeros elsewhere.
template <Real T>
void place(AnyTensor& into, const Range& range, const AnyTensor& part) {
  const AxisView v(into.shape(), range.along());
  const bool contiguous = range.is_contiguous(v);
  fill_zero(into, 0, contiguous ? range.offset(v) : into.elements());
  overwrite<T>(into, range, part);
  if (contiguous) fill_zero(into, range.offset(v) + part.elements(), into.elements());
}

template <bool drop_axis>
struct SliceAxis;

// Zeros but for a range: the gradient of SliceAxis where that is recorded.
struct SliceBackward {
  static constexpr std::string_view name = "slice_backward";
  Range range;
  Shape shape;
  template <Real T>
  Tensor<T> forward(const Tensor<T>& part) const {
    Tensor<T> whole = empty<T>(shape);
    place<T>(whole, range, part);
    return whole;
  }
  template <Real T>
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const;
};

// A range along one axis; with drop_axis it is one element, and the axis goes.
template <bool drop_axis>
struct SliceAxis {
  static constexpr std::string_view name = drop_axis ? "select" : "slice";
  Range range;
  std::string attributes() const {
    if (drop_axis) return fmt::format("axis {}, index {}", range.axis, range.start);
    return fmt::format("axis {}, {} from {} in steps of {}", range.axis, range.count, range.start,
                       range.step);
  }
  template <TypedArray X>
  X forward(const X& x) const {
    Shape shape = range.part_of(x.shape());
    if (drop_axis) shape.erase(range.along());
    return read(x, range, shape);
  }
  // A slice in a time loop must not cost the length of the sequence: the first one alone writes all of it.
  template <Real T>
  bool backward(const Saved<T>&, std::span<GradientSlot> g, GradientSink& sink) const {
    sink.write(0, [&](AnyTensor& into, bool accumulate) {
      accumulate ? add_to<T>(into, range, g[0].value) : place<T>(into, range, g[0].value);
    });
    return true;
  }
  template <Real T>
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Shape shape = saved.shape(0);
    return {apply(SliceBackward{range, shape}, Location::current(), reshape(g, range.part_of(shape)))};
  }
};

template <Real T>
Gradients<T> SliceBackward::vjp(const Saved<T>&, const Tensor<T>& g) const {
  return {apply(SliceAxis<false>{range}, Location::current(), g)};
}

using Starts = PoolVector<std::int64_t>;

// All parts along one axis. `single`: each is one element, and the axis, which is the first, goes.
template <bool single>
struct Split {
  static constexpr std::string_view name = single ? "unbind" : "split";
  Shape shape;  // of the input
  std::int64_t axis;
  Starts starts;  // of each part, and the end; none where `single`

  std::string attributes() const {
    return single ? std::string() : fmt::format("axis {}, at [{}]", axis, fmt::join(starts, ", "));
  }
  std::size_t parts() const { return single ? static_cast<std::size_t>(shape[0]) : starts.size() - 1; }
  Range range(std::size_t k) const {
    if (single) return {0, static_cast<std::int64_t>(k), 1, 1};
    return {axis, starts[k], 1, starts[k + 1] - starts[k]};
  }
  Shape part_shape(std::size_t k) const {
    Shape part = range(k).part_of(shape);
    if (single) part.erase(0);
    return part;
  }

  template <TypedArray X>
  PoolVector<X> forward(const X& x) const {
    PoolVector<X> result;
    result.reserve(parts());
    if (single) {
      const Shape part = part_shape(0);
      for (std::int64_t k = 0, step = part.elements(); k < shape[0]; ++k)
        result.emplace_back(x.part(part, k * step));
    } else {
      for (std::size_t k = 0; k < parts(); ++k) result.push_back(read(x, range(k), part_shape(k)));
    }
    return result;
  }

  template <Real T>
  bool backward(const Saved<T>&, std::span<GradientSlot> gradients, GradientSink& sink) const {
    if (!sink.wants(0)) return true;
    if (lie_in_order(gradients)) {
      const bool donated = std::ranges::all_of(gradients, &GradientSlot::donated);
      sink.add(0, {gradients[0].value.part(shape), donated});
      return true;
    }
    AnyTensor whole = AnyTensor::empty(shape, dtype_of<T>);
    for (std::size_t k = 0; k < parts(); ++k) overwrite<T>(whole, range(k), gradients[k].value);
    sink.add(0, donate(std::move(whole)));
    return true;
  }

  // The gradient as recorded ops.
  template <Real T>
  Gradients<T> vjp(const Saved<T>&, std::span<const Tensor<T>> g) const {
    std::vector<Tensor<T>> all(g.begin(), g.end());
    for (std::size_t k = 0; k < parts(); ++k)
      if (!all[k].defined()) all[k] = zeros<T>(part_shape(k));
    return {single ? stack(all) : cat(all, axis)};
  }

  // Whether the parts' gradients are one array already, because they were computed in place.
  bool lie_in_order(std::span<const GradientSlot> g) const {
    const AxisView v(shape, static_cast<std::size_t>(axis));
    if (v.outer != 1) return false;
    for (std::size_t k = 0; k < parts(); ++k) {
      const AnyTensor &part = g[k].value, &first = g[0].value;
      if (!part.defined() || part.storage().get() != first.storage().get() ||
          part.offset() != first.offset() + range(k).offset(v))
        return false;
    }
    return parts() > 0;
  }
};

// A node has at most so many inputs or outputs.
constexpr std::int64_t max_parts = 65535;

template <TypedArray X>
std::vector<X> listed(PoolVector<X> parts) {
  return {std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end())};
}

template <TypedArray X>
std::vector<X> split_at(const X& x, std::int64_t axis, Starts starts, Location at) {
  const auto parts = static_cast<std::int64_t>(starts.size()) - 1;
  if (parts <= max_parts) return listed(apply(Split<false>{x.shape(), axis, std::move(starts)}, at, x));
  std::vector<X> result;
  for (std::int64_t k = 0; k < parts; k += max_parts) {
    const auto first = starts.begin() + k, last = starts.begin() + std::min(k + max_parts, parts) + 1;
    Starts some(first, last);
    for (std::int64_t& start : some) start -= *first;
    for (auto& part : split_at(narrow(x, axis, *first, some.back(), at), axis, some, at))
      result.push_back(std::move(part));
  }
  return result;
}

// start:stop:step of an axis of `extent` elements, by NumPy's rules.
Range resolved(const Slice& s, std::int64_t axis, std::int64_t extent) {
  if (s.step == 0)
    throw ValueError(fmt::format("slice: a step of 0 along axis {}; give 1 for every element", axis));
  const std::int64_t stride =
      s.step > 0 ? s.step : -std::max(s.step, -std::numeric_limits<std::int64_t>::max());
  const std::int64_t low = s.step > 0 ? 0 : -1, high = s.step > 0 ? extent : extent - 1;
  const auto end = [&](std::optional<std::int64_t> given, std::int64_t otherwise) {
    if (!given) return otherwise;
    return std::clamp(*given < 0 ? *given + extent : *given, low, high);
  };
  const std::int64_t start = end(s.start, s.step > 0 ? low : high),
                     stop = end(s.stop, s.step > 0 ? high : low);
  const std::int64_t distance = s.step > 0 ? stop - start : start - stop;
  const std::int64_t count = distance <= 0 ? 0 : (distance - 1) / stride + 1;
  return {axis, count > 0 ? start : 0, count > 1 ? s.step : 1, count};
}

}  // namespace

template <TypedArray X>
X narrow(const X& x, std::int64_t axis, std::int64_t start, std::int64_t length, Location at) {
  const CallSite call(at);
  check_defined("narrow", x);
  const std::size_t along = normalize_axis("narrow", axis, x.shape());
  const std::int64_t extent = x.shape()[along], first = start < 0 ? start + extent : start;
  if (first < 0 || length < 0 || length > extent - first)
    throw ValueError(
        fmt::format("narrow: {} elements from {} on along axis {} of {}, which has {}; "
                    "start and length must lie within",
                    length, start, axis, to_string(x.shape()), extent));
  if (length == extent) return x;
  return apply(SliceAxis<false>{{static_cast<std::int64_t>(along), first, 1, length}}, at, x);
}

template <TypedArray X>
X select(const X& x, std::int64_t axis, std::int64_t index, Location at) {
  const CallSite call(at);
  check_defined("select", x);
  const std::size_t along = normalize_axis("select", axis, x.shape());
  const std::int64_t extent = x.shape()[along], first = index < 0 ? index + extent : index;
  if (first < 0 || first >= extent)
    throw ValueError(fmt::format("select: index {} along axis {} of {}; give one from {} to {}", index, axis,
                                 to_string(x.shape()), -extent, extent - 1));
  return apply(SliceAxis<true>{{static_cast<std::int64_t>(along), first, 1, 1}}, at, x);
}

template <TypedArray X>
X slice(const X& x, const std::vector<Slice>& slices, Location at) {
  const CallSite call(at);
  check_defined("slice", x);
  if (slices.size() > x.rank())
    throw ShapeError(fmt::format("slice: {} slices of shape {}, which has {} axes", slices.size(),
                                 to_string(x.shape()), x.rank()));
  X result = x;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    const Range range = resolved(slices[i], static_cast<std::int64_t>(i), x.shape()[i]);
    const bool whole = range.count == x.shape()[i] && (range.step > 0 || range.count <= 1);
    if (!whole) result = apply(SliceAxis<false>{range}, at, result);
  }
  return result;
}

template <TypedArray X>
std::vector<X> split(const X& x, const std::vector<std::int64_t>& sizes, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("split", x);
  const std::size_t along = normalize_axis("split", axis, x.shape());
  Starts starts{0};
  const std::int64_t extent = x.shape()[along];
  bool fits = !sizes.empty();
  for (std::size_t k = 0; k < sizes.size() && fits; ++k) {
    fits = sizes[k] >= 0 && sizes[k] <= extent - starts.back();
    starts.push_back(fits ? starts.back() + sizes[k] : 0);
  }
  if (starts.back() != extent || !fits)
    throw ShapeError(
        fmt::format("split: sizes [{}] along axis {} of {}; they must add up to {}, and none be negative",
                    fmt::join(sizes, ", "), axis, to_string(x.shape()), extent));
  return or_error("split",
                  [&] { return split_at(x, static_cast<std::int64_t>(along), std::move(starts), at); });
}

template <TypedArray X>
std::vector<X> split(const X& x, std::int64_t size, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("split", x);
  const std::int64_t extent = x.shape()[normalize_axis("split", axis, x.shape())];
  if (size <= 0)
    throw ValueError(
        fmt::format("split: parts of {} elements; give a positive size, or a list of sizes", size));
  return or_error("split", [&] {
    std::vector<std::int64_t> sizes;
    for (std::int64_t start = 0; start < extent || sizes.empty(); start += size)
      sizes.push_back(std::min(size, extent - start));
    return split(x, sizes, axis, at);
  });
}

template <TypedArray X>
std::vector<X> chunk(const X& x, std::int64_t count, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("chunk", x);
  const std::int64_t extent = x.shape()[normalize_axis("chunk", axis, x.shape())];
  if (count <= 0) throw ValueError(fmt::format("chunk: {} parts; give a positive number", count));
  if (extent == 0) return split(x, std::vector<std::int64_t>(static_cast<std::size_t>(count), 0), axis, at);
  return split(x, (extent - 1) / count + 1, axis, at);
}

template <TypedArray X>
std::vector<X> unbind(const X& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("unbind", x);
  const std::size_t along = normalize_axis("unbind", axis, x.shape());
  const std::int64_t extent = x.shape()[along];
  if (extent == 0) return {};
  if (along > 0) {  // one blocked copy instead of as many strided ones as there are parts
    std::vector<std::int64_t> order{static_cast<std::int64_t>(along)};
    for (std::size_t i = 0; i < x.rank(); ++i)
      if (i != along) order.push_back(static_cast<std::int64_t>(i));
    return unbind(permute(x, order, at), 0, at);
  }
  return or_error("unbind", [&] { return listed(detail::rows(x, at)); });
}

template <TypedArray X>
PoolVector<X> detail::rows(const X& x, Location at) {
  const CallSite call(at);
  const std::int64_t extent = x.shape()[0];
  if (extent > max_parts) {
    PoolVector<X> result;
    for (auto& some : split(x, max_parts, 0, at))
      for (auto& row : rows(some, at)) result.push_back(std::move(row));
    return result;
  }
  return apply(Split<true>{x.shape(), 0, {}}, at, x);
}

#define XGRAD_INSTANTIATE_ARRAY(X)                                                                   \
  template X narrow(const X&, std::int64_t, std::int64_t, std::int64_t, Location);                   \
  template X select(const X&, std::int64_t, std::int64_t, Location);                                 \
  template X slice(const X&, const std::vector<Slice>&, Location);                                   \
  template std::vector<X> split(const X&, std::int64_t, std::int64_t, Location);                     \
  template std::vector<X> split(const X&, const std::vector<std::int64_t>&, std::int64_t, Location); \
  template std::vector<X> chunk(const X&, std::int64_t, std::int64_t, Location);                     \
  template std::vector<X> unbind(const X&, std::int64_t, Location);                                  \
  template PoolVector<X> detail::rows(const X&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
