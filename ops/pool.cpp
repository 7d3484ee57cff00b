// Pooling and resizing: the largest of windows, and weighted sums along one axis after the other.
#include <xgrad/ops/pool.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;
using Axis = kernels::Convolution::Axis;

namespace {

// The windows' largest elements, of x (planes, height · width).
template <Real T>
struct MaxPool {
  static constexpr std::string_view name = "max_pool2d";
  kernels::Windows of;
  Indices places;  // (planes, results)

  Tensor<T> forward(const Tensor<T>& x) const {
    Tensor<T> y = empty<T>(places.shape());
    launch(kernels_of(x).max_pool, of, reads(x), writes(y), writes(places));
    return y;
  }
  bool backward(const Saved<T>&, std::span<GradientSlot> g, GradientSink& sink) const {
    sink.write(0, [&](AnyTensor& into, bool accumulate) {
      if (!accumulate) into.fill_zero();
      launch(kernels::on(into.device()).of<T>().scatter_add, Extents(places.shape()),
             Extents(contiguous_strides(into.shape()), 2), std::size_t{1}, reads(places), reads<T>(g[0].value),
             writes<T>(into));
    });
    return true;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    return {scatter_add(zeros<T>(saved.shape(0)), 1, places, g)};
  }
};

// A sparse matrix: of row r the entries begin[r] to begin[r + 1].
struct Rows {
  std::int64_t columns = 0;
  std::vector<std::int64_t> begin = {0}, index = {};
  std::vector<double> weight = {};

  std::int64_t rows() const { return static_cast<std::int64_t>(begin.size()) - 1; }
  void add(std::int64_t column, double w) { index.push_back(column), weight.push_back(w); }
  void end_row() { begin.push_back(static_cast<std::int64_t>(index.size())); }

  Rows transposed() const {
    std::vector<std::vector<std::pair<std::int64_t, double>>> entries(static_cast<std::size_t>(columns));
    for (std::int64_t r = 0; r < rows(); ++r)
      for (auto k = begin[static_cast<std::size_t>(r)]; k < begin[static_cast<std::size_t>(r) + 1]; ++k)
        entries[static_cast<std::size_t>(index[static_cast<std::size_t>(k)])].emplace_back(
            r, weight[static_cast<std::size_t>(k)]);
    Rows result{.columns = rows()};
    for (const auto& row : entries) {
      for (const auto& [column, w] : row) result.add(column, w);
      result.end_row();
    }
    return result;
  }
};

// The matrix times x along one axis.
template <Real T>
struct Combine {
  static constexpr std::string_view name = "resample";
  std::shared_ptr<const Rows> matrix;
  std::size_t axis;

  Tensor<T> forward(const Tensor<T>& x) const {
    const AxisView v(x.shape(), axis);
    Shape shape = x.shape();
    shape.set(axis, matrix->rows());
    Tensor<T> y = empty<T>(shape);
    const Shape entries{static_cast<std::int64_t>(matrix->index.size())};
    const std::vector<T> weights(matrix->weight.begin(), matrix->weight.end());
    launch(kernels_of(x).combine, v.outer, v.extent, v.inner, matrix->rows(),
           reads(Indices({matrix->rows() + 1}, matrix->begin)), reads(Indices(entries, matrix->index)),
           reads(from_values<T>(entries, weights)), reads(x), writes(y));
    return y;
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    return {apply(Combine{std::make_shared<const Rows>(matrix->transposed()), axis}, Location::current(), g)};
  }
};

template <Real T>
Tensor<T> combine(const Tensor<T>& x, std::size_t axis, Rows matrix, Location at) {
  return apply(Combine<T>{std::make_shared<const Rows>(std::move(matrix)), axis}, at, x);
}

void check_sizes(std::string_view op, Size2 window, Size2 stride, Size2 padding, Size2 dilation) {
  const auto check = [&](const char* what, Size2 value) {
    if (value.rows < 1 || value.columns < 1)
      throw ValueError(
          fmt::format("{}: {} is ({}, {}); it must be at least 1", op, what, value.rows, value.columns));
  };
  check("window", window);
  check("stride", stride);
  check("dilation", dilation);
  if (padding.rows < 0 || padding.columns < 0 || padding.rows > window.rows / 2 ||
      padding.columns > window.columns / 2)
    throw ValueError(fmt::format("{}: padding is ({}, {}); it is at most half of the window, ({}, {})", op,
                                 padding.rows, padding.columns, window.rows, window.columns));
}

// The windows along one axis; with ceil_mode the last may end after the padding, but begins before it.
Axis windows_of(std::string_view op, const Shape& x, std::int64_t extent, std::int64_t window,
                std::int64_t stride, std::int64_t padding, std::int64_t dilation, bool ceil_mode) {
  const std::int64_t room = extent + 2 * padding - (window - 1) * dilation - 1;
  std::int64_t results = room < 0 ? 0 : (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (room < 0 && ceil_mode && room + stride - 1 >= 0) results = 1;
  if (ceil_mode && (results - 1) * stride >= extent + padding) --results;
  if (results < 1)
    throw ShapeError(fmt::format("{}: x has shape {}; a window of {} does not fit into {} with its padding",
                                 op, to_string(x), (window - 1) * dilation + 1, extent + 2 * padding));
  return {extent, results, window, stride, padding, dilation};
}

void check_rank(std::string_view op, const AnyTensor& x, std::size_t spatial) {
  check_defined(op, x);
  if (x.rank() != spatial + 1 && x.rank() != spatial + 2)
    throw ShapeError(fmt::format("{}: x has shape {}; it must have {} axes, or {} without a batch", op,
                                 to_string(x.shape()), spatial + 2, spatial + 1));
}

struct Windowed {
  Axis rows, columns;
};

template <class Options>
Windowed windows(std::string_view op, const AnyTensor& x, std::size_t spatial, Size2 window, const Options& o,
                 Size2 dilation) {
  check_rank(op, x, spatial);
  const Size2 stride = o.stride == Size2(0) ? window : o.stride;
  check_sizes(op, window, stride, o.padding, dilation);
  const Shape& s = x.shape();
  const auto axis = [&](std::int64_t extent, auto part) {
    return windows_of(op, s, extent, window.*part, stride.*part, o.padding.*part, dilation.*part,
                      o.ceil_mode);
  };
  return {spatial == 2 ? axis(s[s.rank() - 2], &Size2::rows) : Axis{1, 1, 1, 1, 0, 1},
          axis(s.back(), &Size2::columns)};
}

// x's shape with other extents at the end.
Shape with_extents(Shape shape, std::size_t spatial, std::int64_t rows, std::int64_t columns) {
  if (spatial == 2) shape.set(shape.rank() - 2, rows);
  shape.set(shape.rank() - 1, columns);
  return shape;
}

template <Real T>
std::pair<Tensor<T>, Indices> max_pool(std::string_view op, const Tensor<T>& x, std::size_t spatial,
                                       Size2 window, const MaxPoolOptions& options, Location at) {
  const auto [rows, columns] = windows(op, x, spatial, window, options, options.dilation);
  const std::int64_t planes = x.shape().elements(0, x.rank() - spatial),
                     pixels = rows.extent * columns.extent;
  if (pixels == 0)
    throw ShapeError(fmt::format("{}: x has shape {}, which has no pixels", op, to_string(x.shape())));
  const Shape shape = with_extents(x.shape(), spatial, rows.results, columns.results);
  const Indices places = computed_indices({planes, rows.results * columns.results}, pixels);
  const Tensor<T> y =
      apply(MaxPool<T>{{planes, rows, columns}, places}, at, reshape(x, {planes, pixels}, at));
  return {reshape(y, shape, at), reshape(places, shape)};
}

// Means along one axis: `divisor`, or the number of pixels; with zeros around them counted or not.
Rows means(const Axis& a, bool count_padding, bool divide) {
  Rows matrix{.columns = a.extent};
  for (std::int64_t i = 0; i < a.results; ++i) {
    const std::int64_t start = i * a.stride - a.padding,
                       end = std::min(start + a.window, a.extent + a.padding);
    const std::int64_t first = std::max<std::int64_t>(start, 0), last = std::min(end, a.extent);
    const double count = static_cast<double>(count_padding ? end - start : last - first);
    for (std::int64_t k = first; k < last; ++k) matrix.add(k, divide ? 1 / count : 1);
    matrix.end_row();
  }
  return matrix;
}

template <Real T>
Tensor<T> avg_pool(std::string_view op, const Tensor<T>& x, std::size_t spatial, Size2 window,
                   const AvgPoolOptions& options, Location at) {
  if (options.divisor && *options.divisor == 0)
    throw ValueError(fmt::format("{}: divisor is 0; give another", op));
  const auto [rows, columns] = windows(op, x, spatial, window, options, 1);
  const bool divide = !options.divisor, padding = options.count_include_pad;
  Tensor<T> y = x;
  if (spatial == 2) y = combine(y, x.rank() - 2, means(rows, padding, divide), at);
  y = combine(y, x.rank() - 1, means(columns, padding, divide), at);
  return divide ? y : y / static_cast<double>(*options.divisor);
}

Rows adaptive_means(std::int64_t extent, std::int64_t results) {
  Rows matrix{.columns = extent};
  for (std::int64_t i = 0; i < results; ++i) {
    const std::int64_t first = i * extent / results, last = ((i + 1) * extent + results - 1) / results;
    for (std::int64_t k = first; k < last; ++k) matrix.add(k, 1 / static_cast<double>(last - first));
    matrix.end_row();
  }
  return matrix;
}

// Where the pixels of the result lie in the image: `scale` pixels of it apart.
Rows resized(std::int64_t extent, std::int64_t results, double scale, Interpolation mode,
             bool align_corners) {
  Rows matrix{.columns = extent};
  if (align_corners)
    scale = results > 1 ? static_cast<double>(extent - 1) / static_cast<double>(results - 1) : 0;
  for (std::int64_t i = 0; i < results; ++i) {
    const double place = static_cast<double>(i);
    if (mode == Interpolation::nearest) {
      matrix.add(std::min(static_cast<std::int64_t>(std::floor(place * scale)), extent - 1), 1);
    } else {
      const double at = align_corners ? place * scale : std::max(0.0, (place + 0.5) * scale - 0.5);
      const std::int64_t first = std::min(static_cast<std::int64_t>(at), extent - 1);
      const double second = std::min(at - static_cast<double>(first), 1.0);
      const bool more = first + 1 < extent;
      matrix.add(first, more ? 1 - second : 1);
      if (more) matrix.add(first + 1, second);
    }
    matrix.end_row();
  }
  return matrix;
}

}  // namespace

template <Real T>
Tensor<T> max_pool1d(const Tensor<T>& x, Size2 window, const MaxPoolOptions& options, Location at) {
  const CallSite call(at);
  return max_pool("max_pool1d", x, 1, window, options, at).first;
}

template <Real T>
Tensor<T> max_pool2d(const Tensor<T>& x, Size2 window, const MaxPoolOptions& options, Location at) {
  const CallSite call(at);
  return max_pool("max_pool2d", x, 2, window, options, at).first;
}

template <Real T>
std::pair<Tensor<T>, Indices> max_pool2d_with_indices(const Tensor<T>& x, Size2 window,
                                                      const MaxPoolOptions& options, Location at) {
  const CallSite call(at);
  return max_pool("max_pool2d_with_indices", x, 2, window, options, at);
}

template <Real T>
Tensor<T> avg_pool1d(const Tensor<T>& x, Size2 window, const AvgPoolOptions& options, Location at) {
  const CallSite call(at);
  return avg_pool("avg_pool1d", x, 1, window, options, at);
}

template <Real T>
Tensor<T> avg_pool2d(const Tensor<T>& x, Size2 window, const AvgPoolOptions& options, Location at) {
  const CallSite call(at);
  return avg_pool("avg_pool2d", x, 2, window, options, at);
}

template <Real T>
Tensor<T> adaptive_avg_pool2d(const Tensor<T>& x, Size2 results, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "adaptive_avg_pool2d";
  check_rank(op, x, 2);
  const std::size_t rows = x.rank() - 2, columns = x.rank() - 1;
  if (results.rows < 1 || results.columns < 1 || x.shape()[rows] == 0 || x.shape()[columns] == 0)
    throw ValueError(fmt::format("{}: {} × {} results of x with shape {}; both have at least one pixel", op,
                                 results.rows, results.columns, to_string(x.shape())));
  return combine(combine(x, rows, adaptive_means(x.shape()[rows], results.rows), at), columns,
                 adaptive_means(x.shape()[columns], results.columns), at);
}

template <Real T>
Tensor<T> interpolate(const Tensor<T>& x, const InterpolateOptions& o, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "interpolate";
  check_defined(op, x);
  if (x.rank() != 3 && x.rank() != 4)
    throw ShapeError(
        fmt::format("{}: x has shape {}; it must be (batch, channels, length) or (batch, channels, height, "
                    "width)",
                    op, to_string(x.shape())));
  const bool sized = o.size != Size2(0);
  if (sized == (o.scale_factor != 0))
    throw ValueError(fmt::format("{}: give a size or a scale_factor, and not both", op));
  Tensor<T> y = x;
  for (std::size_t axis = 2; axis < x.rank(); ++axis) {
    const std::int64_t extent = x.shape()[axis];
    const double factor = o.scale_factor;
    const std::int64_t results =
        !sized                 ? static_cast<std::int64_t>(std::floor(static_cast<double>(extent) * factor))
        : axis + 1 == x.rank() ? o.size.columns
                               : o.size.rows;
    if (extent == 0 || results < 1 || !std::isfinite(factor))
      throw ValueError(fmt::format("{}: {} pixels of {}, on axis {} of {}; there must be one at least", op,
                                   results, extent, axis, to_string(x.shape())));
    const double scale = sized ? static_cast<double>(extent) / static_cast<double>(results) : 1 / factor;
    y = combine(y, axis,
                resized(extent, results, scale, o.mode, o.align_corners && o.mode != Interpolation::nearest),
                at);
  }
  return y;
}

#define XGRAD_INSTANTIATE(T)                                                                       \
  template Tensor<T> max_pool1d(const Tensor<T>&, Size2, const MaxPoolOptions&, Location);         \
  template Tensor<T> max_pool2d(const Tensor<T>&, Size2, const MaxPoolOptions&, Location);         \
  template std::pair<Tensor<T>, Indices> max_pool2d_with_indices(const Tensor<T>&, Size2,          \
                                                                 const MaxPoolOptions&, Location); \
  template Tensor<T> avg_pool1d(const Tensor<T>&, Size2, const AvgPoolOptions&, Location);         \
  template Tensor<T> avg_pool2d(const Tensor<T>&, Size2, const AvgPoolOptions&, Location);         \
  template Tensor<T> adaptive_avg_pool2d(const Tensor<T>&, Size2, Location);                       \
  template Tensor<T> interpolate(const Tensor<T>&, const InterpolateOptions&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
