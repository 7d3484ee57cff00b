// Reductions over any axes, and their derivatives.
#include <xgrad/ops/reduce.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/distance.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/layout.hpp>

namespace xgrad {

using namespace detail;

namespace {

using kernels::Fold;

// Axes as a set, a bit each.
struct AxisSet {
  std::uint32_t bits = 0;
  bool has(std::size_t axis) const { return bits >> axis & 1; }
  Axes list() const {
    std::vector<std::int64_t> axes;
    for (std::size_t a = 0; a < Shape::max_rank; ++a)
      if (has(a)) axes.push_back(static_cast<std::int64_t>(a));
    return axes;
  }
};

AxisSet axis_set(std::string_view op, const AnyTensor& x, const Axes& axes) {
  check_defined(op, x);
  if (axes.size() == 0) return {(1u << x.rank()) - 1};
  AxisSet set;
  for (const std::int64_t axis : axes) {
    const std::size_t a = normalize_axis(op, axis, x.shape());
    if (set.has(a))
      throw ShapeError(
          fmt::format("{}: axis {} of {} is named twice; name each axis once", op, a, to_string(x.shape())));
    set.bits |= 1u << a;
  }
  return set;
}

// The shape with the axes reduced to 1.
Shape kept_shape(Shape shape, AxisSet axes) {
  for (std::size_t a = 0; a < shape.rank(); ++a)
    if (axes.has(a)) shape.set(a, 1);
  return shape;
}

Shape result_shape(const Shape& shape, AxisSet axes, bool keepdims) {
  if (keepdims) return kept_shape(shape, axes);
  Shape result;
  for (std::size_t a = 0; a < shape.rank(); ++a)
    if (!axes.has(a)) result.push_back(shape[a]);
  return result;
}

// How many elements each result is made of.
std::int64_t folded(const Shape& shape, AxisSet axes) {
  std::int64_t n = 1;
  for (std::size_t a = 0; a < shape.rank(); ++a)
    if (axes.has(a)) n *= shape[a];
  return n;
}

// What has no value when there is nothing to reduce.
void check_not_empty(std::string_view op, const Shape& shape, AxisSet axes) {
  if (folded(shape, axes) == 0 && kept_shape(shape, axes).elements() > 0)
    throw ValueError(
        fmt::format("{}: nothing to reduce: the axes hold no elements in {}; leave such inputs out", op,
                    to_string(shape)));
}

// The innermost of the axes to be reduced, with all neighbours that can be reduced in the same walk: [first,
// last].
struct Run {
  std::size_t first = 0, last = 0;
};
Run innermost(const Shape& shape, AxisSet axes) {
  std::size_t last = shape.rank();
  while (last > 0 && !(axes.has(last - 1) && shape[last - 1] != 1)) --last;
  if (last == 0) return {};  // nothing but extents of 1
  Run run{last - 1, last - 1};
  while (run.first > 0 && (axes.has(run.first - 1) || shape[run.first - 1] == 1)) --run.first;
  return run;
}

// Folds over the axes, which stay with extent 1. `centre` has the result's shape, or is undefined.
template <Real T>
Tensor<T> fold(Fold kind, const Tensor<T>& x, AxisSet axes, const Tensor<T>& centre = {}) {
  const Shape& shape = x.shape();
  const Run run = innermost(shape, axes);
  AxisSet now;
  for (std::size_t a = run.first; a <= run.last && a < shape.rank(); ++a) now.bits |= axes.bits & (1u << a);
  const Shape kept = kept_shape(shape, now);
  const Tensor<T> c = centre.defined() ? Tensor<T>(broadcast_to(centre, kept)) : centre;
  Tensor<T> result = empty<T>(kept);
  const std::int64_t inner = shape.rank() ? shape.elements(run.last + 1, shape.rank()) : 1;
  const std::int64_t extent = folded(shape, now);
  launch(kernels_of(x).fold[static_cast<std::size_t>(kind)], reads(x), reads(c), writes(result),
         kept.elements() / std::max<std::int64_t>(inner, 1), extent, inner);
  const AxisSet rest{axes.bits & ~now.bits};
  return folded(kept, rest) == 1 ? result : fold(kernels::rest_of(kind), result, rest);
}

template <Real T>
Tensor<T> in_shape(const Tensor<T>& x, const Shape& shape) {
  return Tensor<T>(x.part(shape));
}

// The gradient of a result, with the axes put back as extents of 1.
template <Real T>
Tensor<T> kept(const Tensor<T>& g, const Shape& shape, AxisSet axes) {
  return reshape(g, kept_shape(shape, axes));
}

template <Real T, bool average>
struct Sum {
  static constexpr std::string_view name = average ? "mean" : "sum";
  AxisSet axes;
  bool keepdims;

  Tensor<T> forward(const Tensor<T>& x) const {
    Tensor<T> y = in_shape(fold(Fold::sum, x, axes), result_shape(x.shape(), axes, keepdims));
    return average ? y / folded(x.shape(), axes) : y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Shape shape = saved.shape(0);
    const Tensor<T> each = average ? g / folded(shape, axes) : g;
    return {Tensor<T>(broadcast_to(kept(each, shape, axes), shape))};
  }
};

// The variance, or its square root.
template <Real T, bool root>
struct Var {
  static constexpr std::string_view name = root ? "stddev" : "var";
  AxisSet axes;
  VarOptions options;

  double divisor(const Shape& shape) const {
    return static_cast<double>(folded(shape, axes)) - options.correction;
  }

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    const Tensor<T> centre = fold(Fold::sum, x, axes) / folded(x.shape(), axes);
    const Tensor<T> y = in_shape(fold(root ? Fold::norm : Fold::sum_squares, x, axes, centre) /
                                     (root ? std::sqrt(divisor(x.shape())) : divisor(x.shape())),
                                 result_shape(x.shape(), axes, options.keepdims));
    save(x);
    save(centre);
    if (root) save(y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, Tensor<T> g) const {
    const Tensor<T> x = saved[0];
    g = g * ((root ? 1 : 2) / divisor(x.shape()));
    if (root) g = elementwise<formulas::RatioOrZero>(Location::current(), g, saved[2]);
    const Tensor<T> centre = saved.recording() ? mean(x, axes.list(), true) : saved[1];
    return {(x - centre) * kept(g, x.shape(), axes)};
  }
};

template <Real T>
void check_divisor(std::string_view op, const Tensor<T>& x, AxisSet axes, double correction) {
  const auto n = folded(x.shape(), axes);
  if ((!std::isfinite(correction) || static_cast<double>(n) <= correction) &&
      kept_shape(x.shape(), axes).elements() > 0)
    throw ValueError(
        fmt::format("{}: {} element{} of {} to reduce and a correction of {}; there must be more, or pass "
                    "{{.correction = 0}}",
                    op, n, n == 1 ? "" : "s", to_string(x.shape()), correction));
}

// For every place along axis 1 of (outer, extent, inner) the product of all other places.
template <Real T>
Tensor<T> products_of_others(const Tensor<T>& x) {
  // One place on, with ones from outside; then twice as many factors with every step.
  const auto moved = [&](const Tensor<T>& y, std::int64_t by) {
    const std::int64_t n = x.shape()[1];
    return by > 0 ? pad(narrow(y, 1, 0, n - by), {0, 0, by, 0}, 1)
                  : pad(narrow(y, 1, -by, n + by), {0, 0, 0, -by}, 1);
  };
  const auto scanned = [&](std::int64_t direction) {
    Tensor<T> y = moved(x, direction);
    for (std::int64_t step = 1; step < x.shape()[1]; step *= 2) y = y * moved(y, direction * step);
    return y;
  };
  return scanned(1) * scanned(-1);
}

// Whether none is zero, subnormal, infinite or NaN.
template <Real T>
bool all_normal(const Tensor<T>& x) {
  return std::ranges::all_of(x.values(), [](T v) { return std::isnormal(v); });
}

// The product over axes that are one run; they stay.
template <Real T>
struct Product {
  static constexpr std::string_view name = "prod";
  AxisSet axes;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    Tensor<T> y = fold(Fold::product, x, axes);
    save(x);
    save(y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> x = saved[0], y = saved[1];
    const Shape& shape = x.shape();
    // A Replay could not decide anew in every run; differentiated, y / x loses digits where x is small.
    const bool divides = !in_replay() && !saved.recording() && all_normal(y);
    if (x.elements() == 0 || divides) return {g * y / x};
    const Run run = innermost(shape, axes);
    const std::int64_t outer = shape.elements(0, run.first), extent = folded(shape, axes);
    const auto others = products_of_others(reshape(x, {outer, extent, shape.elements() / (outer * extent)}));
    return {g * reshape(others, shape)};
  }
};

// Where x attains the extreme y: 1 divided by the number of such places; NaN where y is NaN.
template <Real T>
Tensor<T> shares(const Tensor<T>& x, const Tensor<T>& y, AxisSet axes) {
  const no_grad scope;  // flat wherever there is a derivative
  const Tensor<T> hit = x == y;
  return hit / sum(hit, axes.list(), true);
}

template <Real T, bool largest>
struct Extreme {
  static constexpr std::string_view name = largest ? "amax" : "amin";
  AxisSet axes;
  bool keepdims;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    const Tensor<T> y = fold(largest ? Fold::maximum : Fold::minimum, x, axes);
    save(x);
    save(y);
    return in_shape(y, result_shape(x.shape(), axes, keepdims));
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> x = saved[0];
    return {shares(x.detach(), saved[1].detach(), axes) * kept(g, x.shape(), axes)};
  }
};

template <Real T>
struct LogSumExp {
  static constexpr std::string_view name = "logsumexp";
  AxisSet axes;
  bool keepdims;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    Tensor<T> largest = fold(Fold::maximum, x, axes);
    largest = where(abs(largest) == std::numeric_limits<double>::infinity(), 0,
                    largest);  // not infinity - infinity
    Tensor<T> y = in_shape(largest + log(fold(Fold::sum_exp, x, axes, largest)),
                           result_shape(x.shape(), axes, keepdims));
    save(x);
    save(y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> x = saved[0];
    Tensor<T> y = saved[1];
    y = where(y == -std::numeric_limits<double>::infinity(), 0, y);
    return {exp(x - kept(y, x.shape(), axes)) * kept(g, x.shape(), axes)};
  }
};

template <Real T>
struct Norm {
  static constexpr std::string_view name = "norm";
  AxisSet axes;
  bool keepdims;
  double p;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    const Fold kind = p == 1 ? Fold::sum_abs : p == 2 ? Fold::norm : Fold::max_abs;
    const Tensor<T> y = in_shape(fold(kind, x, axes), result_shape(x.shape(), axes, keepdims));
    save(x);
    save(y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> x = saved[0], y = kept(saved[1], x.shape(), axes), each = kept(g, x.shape(), axes);
    if (p == 1) return {sign(x) * each};
    if (p == 2) return {x * elementwise<formulas::RatioOrZero>(Location::current(), each, y)};
    return {shares(abs(x.detach()), y.detach(), axes) * sign(x) * each};
  }
};

template <Real T>
Indices place_of_extreme(std::string_view op, Fold kind, const Tensor<T>& x, AxisSet axes, bool keepdims) {
  check_not_empty(op, x.shape(), axes);
  const no_grad scope;
  const Tensor<T> y = fold(kind, x, axes);
  const Indices places = computed_indices(result_shape(x.shape(), axes, keepdims), folded(x.shape(), axes));
  if (y.elements() > 0) {
    const Run run = innermost(x.shape(), axes);
    const std::int64_t inner = x.rank() ? x.shape().elements(run.last + 1, x.rank()) : 1;
    launch(kernels_of(x).find_first, reads(x), reads(y), writes(places), y.elements() / inner,
           folded(x.shape(), axes), inner);
  }
  return places;
}

}  // namespace

template <Real T>
Tensor<T> sum(const Tensor<T>& x, const Axes& axes, bool keepdims, Location at) {
  const CallSite call(at);
  return apply(Sum<T, false>{axis_set("sum", x, axes), keepdims}, at, x);
}

template <Real T>
Tensor<T> mean(const Tensor<T>& x, const Axes& axes, bool keepdims, Location at) {
  const CallSite call(at);
  const AxisSet set = axis_set("mean", x, axes);
  check_not_empty("mean", x.shape(), set);
  return apply(Sum<T, true>{set, keepdims}, at, x);
}

template <Real T>
Tensor<T> var(const Tensor<T>& x, const Axes& axes, VarOptions options, Location at) {
  const CallSite call(at);
  const AxisSet set = axis_set("var", x, axes);
  check_divisor("var", x, set, options.correction);
  return apply(Var<T, false>{set, options}, at, x);
}

template <Real T>
Tensor<T> stddev(const Tensor<T>& x, const Axes& axes, VarOptions options, Location at) {
  const CallSite call(at);
  const AxisSet set = axis_set("stddev", x, axes);
  check_divisor("stddev", x, set, options.correction);
  return apply(Var<T, true>{set, options}, at, x);
}

template <Real T>
Tensor<T> prod(const Tensor<T>& x, const Axes& axes, bool keepdims, Location at) {
  const CallSite call(at);
  const AxisSet set = axis_set("prod", x, axes);
  Tensor<T> y = x;
  AxisSet left = set;
  do {  // one run of axes after another
    const Run run = innermost(y.shape(), left);
    AxisSet now;
    for (std::size_t a = run.first; a <= run.last && a < y.rank(); ++a) now.bits |= left.bits & (1u << a);
    y = apply(Product<T>{now}, at, y);
    left.bits &= ~now.bits;
  } while (folded(y.shape(), left) != 1);
  return reshape(y, result_shape(x.shape(), set, keepdims), at);
}

template <Real T>
Tensor<T> amax(const Tensor<T>& x, const Axes& axes, bool keepdims, Location at) {
  const CallSite call(at);
  const AxisSet set = axis_set("amax", x, axes);
  check_not_empty("amax", x.shape(), set);
  return apply(Extreme<T, true>{set, keepdims}, at, x);
}

template <Real T>
Tensor<T> amin(const Tensor<T>& x, const Axes& axes, bool keepdims, Location at) {
  const CallSite call(at);
  const AxisSet set = axis_set("amin", x, axes);
  check_not_empty("amin", x.shape(), set);
  return apply(Extreme<T, false>{set, keepdims}, at, x);
}

template <Real T>
Tensor<T> logsumexp(const Tensor<T>& x, const Axes& axes, bool keepdims, Location at) {
  const CallSite call(at);
  return apply(LogSumExp<T>{axis_set("logsumexp", x, axes), keepdims}, at, x);
}

template <Real T>
Tensor<T> norm(const Tensor<T>& x, double p, const Axes& axes, bool keepdims, Location at) {
  const CallSite call(at);
  const AxisSet set = axis_set("norm", x, axes);
  if (p != 1 && p != 2 && p != std::numeric_limits<double>::infinity())
    return norm_of_any_p(x, p, set.list(), keepdims, at);
  return apply(Norm<T>{set, keepdims, p}, at, x);
}

template <Real T>
Indices argmax(const Tensor<T>& x, Location at) {
  const CallSite call(at);
  return place_of_extreme("argmax", Fold::maximum, x, axis_set("argmax", x, {}), false);
}
template <Real T>
Indices argmax(const Tensor<T>& x, std::int64_t axis, bool keepdims, Location at) {
  const CallSite call(at);
  return place_of_extreme("argmax", Fold::maximum, x, axis_set("argmax", x, axis), keepdims);
}
template <Real T>
Indices argmin(const Tensor<T>& x, Location at) {
  const CallSite call(at);
  return place_of_extreme("argmin", Fold::minimum, x, axis_set("argmin", x, {}), false);
}
template <Real T>
Indices argmin(const Tensor<T>& x, std::int64_t axis, bool keepdims, Location at) {
  const CallSite call(at);
  return place_of_extreme("argmin", Fold::minimum, x, axis_set("argmin", x, axis), keepdims);
}

#define XGRAD_INSTANTIATE(T)                                                      \
  template Tensor<T> sum(const Tensor<T>&, const Axes&, bool, Location);          \
  template Tensor<T> mean(const Tensor<T>&, const Axes&, bool, Location);         \
  template Tensor<T> var(const Tensor<T>&, const Axes&, VarOptions, Location);    \
  template Tensor<T> stddev(const Tensor<T>&, const Axes&, VarOptions, Location); \
  template Tensor<T> prod(const Tensor<T>&, const Axes&, bool, Location);         \
  template Tensor<T> amax(const Tensor<T>&, const Axes&, bool, Location);         \
  template Tensor<T> amin(const Tensor<T>&, const Axes&, bool, Location);         \
  template Tensor<T> logsumexp(const Tensor<T>&, const Axes&, bool, Location);    \
  template Tensor<T> norm(const Tensor<T>&, double, const Axes&, bool, Location); \
  template Indices argmax(const Tensor<T>&, Location);                            \
  template Indices argmax(const Tensor<T>&, std::int64_t, bool, Location);        \
  template Indices argmin(const Tensor<T>&, Location);                            \
  template Indices argmin(const Tensor<T>&, std::int64_t, bool, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
