// Views, and copies that reorder, repeat or pad: reshape and its kin, expand, permute, flip, pad.
#include <xgrad/ops/shape.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/layout.hpp>

namespace xgrad {

using namespace detail;

void IntList::too_long() {
  throw ShapeError(fmt::format("shape: more than {} axes or extents in a list; a tensor has at most {} axes",
                               2 * Shape::max_rank, Shape::max_rank));
}

namespace {

using AxisNumbers = std::array<std::int64_t, Shape::max_rank>;

// The ops take any array; only tensors have gradients.
struct Reshape {
  static constexpr std::string_view name = "reshape";
  Shape shape;
  template <TypedArray X>
  X forward(const X& x) const {
    return X(x.part(shape));
  }
  template <Real T>
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    return {passed_on(saved, reshape(g, saved.shape(0)))};
  }
};

// x under a shape of as many elements.
template <TypedArray X>
X viewed(const X& x, const Shape& shape, Location at) {
  return shape == x.shape() ? x : apply(Reshape{shape}, at, x);
}

struct Permute {
  static constexpr std::string_view name = "permute";
  AxisNumbers axes;
  std::size_t rank;
  std::string attributes() const {
    return fmt::format("axes [{}]", fmt::join(std::span(axes.data(), rank), ", "));
  }

  template <TypedArray X>
  X forward(const X& x) const {
    const auto from = contiguous_strides(x.shape());
    Shape shape = x.shape();
    AxisNumbers strides{};
    for (std::size_t i = 0; i < rank; ++i) {
      shape.set(i, x.shape()[static_cast<std::size_t>(axes[i])]);
      strides[i] = from[static_cast<std::size_t>(axes[i])];
    }
    X y = empty_array<X>(shape);
    launch(kernels_of(x).permute_copy, Extents(shape), Extents(strides, rank), reads(x), writes(y));
    return y;
  }
  template <Real T>
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    AxisNumbers inverse{};
    for (std::size_t i = 0; i < rank; ++i)
      inverse[static_cast<std::size_t>(axes[i])] = static_cast<std::int64_t>(i);
    return {permute(g, std::span(inverse.data(), rank))};
  }
};

struct Flip {
  static constexpr std::string_view name = "flip";
  std::array<bool, Shape::max_rank> reversed{};

  template <TypedArray X>
  X forward(const X& x) const {
    auto strides = contiguous_strides(x.shape());
    X y = empty_array<X>(x.shape());
    if (x.elements() == 0) return y;
    std::int64_t last = 0;
    for (std::size_t i = 0; i < x.rank(); ++i)
      if (reversed[i]) {
        last += (x.shape()[i] - 1) * strides[i];
        strides[i] = -strides[i];
      }
    launch(kernels_of(x).permute_copy, Extents(x.shape()), Extents(strides, x.rank()), reads(x, last),
           writes(y));
    return y;
  }
  template <Real T>
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    return {apply(*this, Location::current(), g)};
  }
};

// Indices, each repeated where `x` broadcasts to `shape`.
struct Repeat {
  static constexpr std::string_view name = "expand";
  Shape shape;
  Indices forward(const Indices& x) const {
    const auto strides = contiguous_strides(x.shape());
    const std::size_t lead = shape.rank() - x.rank();
    AxisNumbers steps{};
    for (std::size_t i = 0; i < x.rank(); ++i) steps[lead + i] = x.shape()[i] == 1 ? 0 : strides[i];
    const Indices y = Indices::empty(shape);
    launch(kernels_of(x).permute_copy, Extents(shape), Extents(steps, shape.rank()), reads(x), writes(y));
    return y;
  }
};

template <Real T>
struct Pad {
  static constexpr std::string_view name = "pad";
  AxisNumbers before{}, after{};  // by axis
  double value = 0;

  // How much is added (or cut off) in front of an axis, and what is left of it in between.
  static std::int64_t added(std::int64_t n) { return std::max<std::int64_t>(n, 0); }
  static std::int64_t cut(std::int64_t n) { return std::max<std::int64_t>(-n, 0); }

  Tensor<T> forward(const Tensor<T>& x) const {
    Shape shape = x.shape(), core = x.shape();
    for (std::size_t i = 0; i < x.rank(); ++i) {
      shape.set(i, x.shape()[i] + before[i] + after[i]);
      core.set(i, x.shape()[i] - cut(before[i]) - cut(after[i]));
    }
    const auto strides = contiguous_strides(shape), strides_in = contiguous_strides(x.shape());
    std::int64_t from = 0, to = 0;
    for (std::size_t i = 0; i < x.rank(); ++i) {
      from += cut(before[i]) * strides_in[i];
      to += added(before[i]) * strides[i];
    }
    const Extents extents(core);
    Tensor<T> kept = x.detach();
    if (core != x.shape() && core.elements() > 0) {
      kept = empty<T>(core);
      launch(kernels_of(x).permute_copy, extents, Extents(strides_in, x.rank()), reads(x, from),
             writes(kept));
      if (core == shape) return kept;
    }
    Tensor<T> y = full<T>(shape, value);
    if (core.elements() > 0)
      launch(kernels_of(x).strided_write, extents, Extents(strides, x.rank()), reads(kept), writes(y, to));
    return y;
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    Pad opposite;
    std::ranges::transform(before, opposite.before.begin(), std::negate());
    std::ranges::transform(after, opposite.after.begin(), std::negate());
    return {apply(opposite, Location::current(), g)};
  }
};

// The extents asked for with -1 filled in; that is `unknown` at most once.
Shape resolved(const Shape& from, const IntList& extents) {
  const auto fail = [&](std::string_view why) {
    throw ShapeError(fmt::format("reshape: {} to [{}]: {}", to_string(from), fmt::join(extents, ", "), why));
  };
  std::int64_t known = 1;
  std::optional<std::size_t> unknown;
  Shape shape;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] < -1)
      fail(fmt::format("extent {} is negative; only -1 may be, for what follows from the rest", extents[i]));
    if (extents[i] == -1 && std::exchange(unknown, i)) fail("more than one extent is -1; give all but one");
    shape.push_back(std::max<std::int64_t>(extents[i], 0));
    if (extents[i] > 0 && known > std::numeric_limits<std::int64_t>::max() / extents[i])
      fail("that is too large");
    if (extents[i] >= 0) known *= extents[i];
  }
  if (unknown) {
    if (known == 0) fail("-1 could be anything beside an extent of 0; give that extent");
    if (from.elements() % known != 0)
      fail(fmt::format("{} elements do not divide by {}", from.elements(), known));
    shape.set(*unknown, from.elements() / known);
  } else if (known != from.elements()) {
    fail(fmt::format("{} elements and {}; give one extent as -1 to let it follow", from.elements(), known));
  }
  return shape;
}

}  // namespace

template <TypedArray X>
X reshape(const X& x, const IntList& shape, Location at) {
  const CallSite call(at);
  check_defined("reshape", x);
  return viewed(x, resolved(x.shape(), shape), at);
}

template <TypedArray X>
X flatten(const X& x, std::int64_t start, std::int64_t end, Location at) {
  const CallSite call(at);
  check_defined("flatten", x);
  if (x.rank() == 0 && start >= -1 && start <= 0 && end >= -1 && end <= 0) return viewed(x, {1}, at);
  const std::size_t first = normalize_axis("flatten", start, x.shape()),
                    last = normalize_axis("flatten", end, x.shape());
  if (first > last)
    throw ShapeError(fmt::format("flatten: axis {} comes after axis {} in {}; swap them", start, end,
                                 to_string(x.shape())));
  Shape shape = x.shape();
  for (std::size_t i = first; i < last; ++i) shape.erase(first + 1);
  shape.set(first, x.shape().elements(first, last + 1));
  return viewed(x, shape, at);
}

template <TypedArray X>
X unflatten(const X& x, std::int64_t axis, const IntList& sizes, Location at) {
  const CallSite call(at);
  check_defined("unflatten", x);
  const std::size_t one = normalize_axis("unflatten", axis, x.shape());
  std::int64_t known = 1;
  for (const std::int64_t size : sizes) known *= size < 0 ? 1 : size;
  const std::int64_t extent = x.shape()[one];
  std::vector<std::int64_t> shape(x.shape().begin(), x.shape().begin() + static_cast<std::ptrdiff_t>(one));
  std::int64_t product = 1;
  bool left = false, fits = true;
  for (std::int64_t size : sizes) {
    if (size == -1 && !left) left = true, size = known == 0 ? -1 : extent / known;
    fits = fits && size >= 0;
    product *= size;
    shape.push_back(size);
  }
  if (!fits || product != extent)
    throw ShapeError(fmt::format("unflatten: axis {} of {} has {} elements, which do not fill {}", axis,
                                 to_string(x.shape()), extent, fmt::join(sizes, " x ")));
  shape.insert(shape.end(), x.shape().begin() + static_cast<std::ptrdiff_t>(one) + 1, x.shape().end());
  return viewed(x, Shape(shape), at);
}

template <TypedArray X>
X squeeze(const X& x, Location at) {
  const CallSite call(at);
  check_defined("squeeze", x);
  Shape shape;
  for (const std::int64_t extent : x.shape())
    if (extent != 1) shape.push_back(extent);
  return viewed(x, shape, at);
}

template <TypedArray X>
X squeeze(const X& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("squeeze", x);
  if (x.rank() == 0 && (axis == 0 || axis == -1)) return x;
  const std::size_t at_axis = normalize_axis("squeeze", axis, x.shape());
  Shape shape = x.shape();
  if (shape[at_axis] == 1) shape.erase(at_axis);
  return viewed(x, shape, at);
}

template <TypedArray X>
X unsqueeze(const X& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("unsqueeze", x);
  const auto rank = static_cast<std::int64_t>(x.rank());
  if (axis < -rank - 1 || axis > rank)
    throw ShapeError(
        fmt::format("unsqueeze: no place {} for a new axis of shape {}; places run from {} to {}", axis,
                    to_string(x.shape()), -rank - 1, rank));
  Shape shape = x.shape();
  shape.insert(static_cast<std::size_t>(axis < 0 ? axis + rank + 1 : axis), 1);
  return viewed(x, shape, at);
}

template <TypedArray X>
X expand(const X& x, const IntList& extents, Location at) {
  const CallSite call(at);
  check_defined("expand", x);
  const auto fail = [&](std::string_view why) {
    throw ShapeError(
        fmt::format("expand: {} to [{}]: {}", to_string(x.shape()), fmt::join(extents, ", "), why));
  };
  if (extents.size() < x.rank()) fail("fewer axes than there are; new ones go in front, none are dropped");
  const std::size_t lead = extents.size() - x.rank();
  Shape shape;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] < -1 || (extents[i] == -1 && i < lead))
      fail(fmt::format("extent {} of axis {}; -1 keeps the extent of an axis that is there", extents[i], i));
    shape.push_back(extents[i] == -1 ? x.shape()[i - lead] : extents[i]);
    if (i >= lead && x.shape()[i - lead] != 1 && x.shape()[i - lead] != shape[i])
      fail(fmt::format("axis {} has {}, and only an extent of 1 can be repeated", i - lead,
                       x.shape()[i - lead]));
  }
  if constexpr (std::same_as<X, Indices>)
    return shape == x.shape() ? x : apply(Repeat{shape}, at, x);
  else
    return X(broadcast_to(x, shape, at));
}

template <TypedArray X>
X permute(const X& x, const IntList& axes, Location at) {
  const CallSite call(at);
  check_defined("permute", x);
  std::array<bool, Shape::max_rank> named{};
  AxisNumbers order{};
  const auto fail = [&] {
    throw ShapeError(fmt::format("permute: axes [{}] of shape {}; name each of its {} axes once",
                                 fmt::join(axes, ", "), to_string(x.shape()), x.rank()));
  };
  if (axes.size() != x.rank()) fail();
  Shape shape = x.shape();
  std::int64_t last = -1;
  bool in_order = true;  // but for axes of extent 1, which may stand anywhere
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = normalize_axis("permute", axes[i], x.shape());
    if (std::exchange(named[axis], true)) fail();
    order[i] = static_cast<std::int64_t>(axis);
    shape.set(i, x.shape()[axis]);
    if (shape[i] != 1) in_order &= std::exchange(last, order[i]) < order[i];
  }
  return in_order ? viewed(x, shape, at) : apply(Permute{order, x.rank()}, at, x);
}

template <TypedArray X>
X transpose(const X& x, std::int64_t a, std::int64_t b, Location at) {
  const CallSite call(at);
  check_defined("transpose", x);
  if (x.rank() == 0 && a >= -1 && a <= 0 && b >= -1 && b <= 0) return x;
  AxisNumbers axes;
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[normalize_axis("transpose", a, x.shape())], axes[normalize_axis("transpose", b, x.shape())]);
  return permute(x, std::span(axes.data(), x.rank()), at);
}

template <TypedArray X>
X flip(const X& x, const IntList& axes, Location at) {
  const CallSite call(at);
  check_defined("flip", x);
  Flip op;
  for (const std::int64_t axis : axes)
    if (std::exchange(op.reversed[normalize_axis("flip", axis, x.shape())], true))
      throw ShapeError(fmt::format("flip: axes [{}] name an axis of {} twice; name it once",
                                   fmt::join(axes, ", "), to_string(x.shape())));
  return axes.size() ? apply(op, at, x) : x;
}

template <Real T>
Tensor<T> pad(const Tensor<T>& x, const IntList& padding, double value, Location at) {
  const CallSite call(at);
  check_defined("pad", x);
  const auto text = [&] {
    return fmt::format("pad: [{}] around shape {}", fmt::join(padding, ", "), to_string(x.shape()));
  };
  if (padding.size() % 2 != 0 || padding.size() > 2 * x.rank())
    throw ShapeError(fmt::format("{}: give two numbers for each of at most {} axes, the last axis first",
                                 text(), x.rank()));
  constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
  if (std::ranges::any_of(padding, [](std::int64_t n) { return n < -most || n > most; }))
    throw ShapeError(fmt::format("{}: an extent is below 2^32", text()));
  Pad<T> op{.value = value};
  for (std::size_t k = 0; k < padding.size() / 2; ++k) {
    const std::size_t axis = x.rank() - 1 - k;
    op.before[axis] = padding[2 * k];
    op.after[axis] = padding[2 * k + 1];
    if (x.shape()[axis] < op.cut(op.before[axis]) + op.cut(op.after[axis]))
      throw ShapeError(
          fmt::format("{}: cuts more off axis {} than its {} elements", text(), axis, x.shape()[axis]));
  }
  return std::ranges::all_of(padding, [](std::int64_t n) { return n == 0; }) ? x : apply(op, at, x);
}

#define XGRAD_INSTANTIATE_ARRAY(X)                                        \
  template X reshape(const X&, const IntList&, Location);                 \
  template X flatten(const X&, std::int64_t, std::int64_t, Location);     \
  template X unflatten(const X&, std::int64_t, const IntList&, Location); \
  template X squeeze(const X&, Location);                                 \
  template X squeeze(const X&, std::int64_t, Location);                   \
  template X unsqueeze(const X&, std::int64_t, Location);                 \
  template X expand(const X&, const IntList&, Location);                  \
  template X transpose(const X&, std::int64_t, std::int64_t, Location);   \
  template X permute(const X&, const IntList&, Location);                 \
  template X flip(const X&, const IntList&, Location);
#define XGRAD_INSTANTIATE(T) template Tensor<T> pad(const Tensor<T>&, const IntList&, double, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
