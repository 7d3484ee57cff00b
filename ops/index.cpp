// Reading and writing by index.
#include <xgrad/ops/index.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

template <Real T, bool lookup>
struct TakeRows;

// Zeros with rows added at the indices: the gradient of TakeRows where that is recorded.
template <Real T>
struct AddRows {
  static constexpr std::string_view name = "index_add";
  SavedIndices indices;
  std::size_t axis;
  Shape shape;

  static void add(const Indices& indices, std::size_t axis, const AnyTensor& rows, AnyTensor& into) {
    const AxisView v(into.shape(), axis);
    launch(kernels::on(into.device()).of<T>().scatter_add_rows, v.outer, v.extent, v.inner, reads(indices),
           indices.elements(), reads<T>(rows), writes<T>(into));
  }
  Tensor<T> forward(const Tensor<T>& rows) const {
    Tensor<T> y = zeros<T>(shape);
    add(indices.unchanged(name), axis, rows, y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    return {apply(TakeRows<T, false>{indices.unchanged(name), axis, saved.shape(0)}, Location::current(), g)};
  }
};

// The slices along an axis that the indices name, under any shape of as many elements.
template <Real T, bool lookup>
struct TakeRows {
  static constexpr std::string_view name = lookup ? "embedding" : "index_select";
  SavedIndices indices;
  std::size_t axis;
  Shape shape;  // of the result

  Tensor<T> forward(const Tensor<T>& x) const {
    Tensor<T> y = empty<T>(shape);
    const AxisView v(x.shape(), axis);
    const Indices& which = indices.unchanged(name);
    launch(kernels_of(x).gather_rows, v.outer, v.extent, v.inner, reads(which), which.elements(), reads(x),
           writes(y));
    return y;
  }
  bool backward(const Saved<T>&, std::span<GradientSlot> g, GradientSink& sink) const {
    sink.write(0, [&](AnyTensor& into, bool accumulate) {
      if (!accumulate) into.fill_zero();
      AddRows<T>::add(indices.unchanged(name), axis, g[0].value, into);
    });
    return true;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    return {apply(AddRows<T>{indices.unchanged(name), axis, saved.shape(0)}, Location::current(), g)};
  }
};

// The strides of x with the index's number of axes, and the kernel on them.
template <Real T>
void add_at(const Indices& indices, std::size_t axis, const AnyTensor& source, AnyTensor& into) {
  launch(kernels::on(into.device()).of<T>().scatter_add, Extents(indices.shape()),
         Extents(contiguous_strides(into.shape()), into.rank()), axis, reads(indices), reads<T>(source),
         writes<T>(into));
}

template <Real T>
struct Gather {
  static constexpr std::string_view name = "gather";
  SavedIndices indices;
  std::size_t axis;

  Tensor<T> forward(const Tensor<T>& x) const {
    Tensor<T> y = empty<T>(indices.shape());
    launch(kernels_of(x).gather, Extents(indices.shape()), Extents(contiguous_strides(x.shape()), x.rank()),
           axis, reads(indices.unchanged(name)), reads(x), writes(y));
    return y;
  }
  bool backward(const Saved<T>&, std::span<GradientSlot> g, GradientSink& sink) const {
    sink.write(0, [&](AnyTensor& into, bool accumulate) {
      if (!accumulate) into.fill_zero();
      add_at<T>(indices.unchanged(name), axis, g[0].value, into);
    });
    return true;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    return {
        scatter_add(zeros<T>(saved.shape(0)), static_cast<std::int64_t>(axis), indices.unchanged(name), g)};
  }
};

template <Real T>
struct ScatterAdd {
  static constexpr std::string_view name = "scatter_add";
  SavedIndices indices;
  std::size_t axis;

  Tensor<T> forward(const Tensor<T>& x, const Tensor<T>& source) const {
    Tensor<T> y(copy_of(x));
    add_at<T>(indices.unchanged(name), axis, source, y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    Tensor<T> by_source;
    if (saved.needs(1)) by_source = gather(g, static_cast<std::int64_t>(axis), indices.unchanged(name));
    return {passed_on(saved, g), std::move(by_source)};
  }
};

// That `indices` can stand for x's coordinates along the axis.
void check_places(std::string_view op, const Shape& x, std::size_t axis, const Indices& indices) {
  bool fits = indices.shape().rank() == x.rank();
  for (std::size_t i = 0; i < x.rank() && fits; ++i) fits = i == axis || indices.shape()[i] <= x[i];
  if (!fits)
    throw ShapeError(
        fmt::format("{}: indices of shape {} into {} along axis {}; give as many axes, none but "
                    "that one longer",
                    op, to_string(indices.shape()), to_string(x), axis));
  check_indices(op, indices, x[axis]);
}

}  // namespace

// Checks what scatter and scatter_add are given, and gives the part of the source that is used.
template <Real T>
Tensor<T> detail::check_scatter(std::string_view op, const Tensor<T>& x, std::size_t axis,
                                const Indices& indices, const Tensor<T>& source, Location at) {
  check_places(op, x.shape(), axis, indices);
  bool covered = source.rank() == x.rank();
  for (std::size_t i = 0; i < x.rank() && covered; ++i) covered = indices.shape()[i] <= source.shape()[i];
  if (!covered)
    throw ShapeError(fmt::format(
        "{}: indices of shape {} for a source of shape {}; give one of as many axes, none shorter", op,
        to_string(indices.shape()), to_string(source.shape())));
  std::vector<Slice> used;
  for (const std::int64_t extent : indices.shape()) used.push_back({0, extent});
  return slice(source, used, at);
}

template <Real T>
Tensor<T> index_select(const Tensor<T>& x, std::int64_t axis, const Indices& indices, Location at) {
  const CallSite call(at);
  check_defined("index_select", x);
  const std::size_t along = normalize_axis("index_select", axis, x.shape());
  if (indices.shape().rank() != 1)
    throw ShapeError(
        fmt::format("index_select: indices of shape {} into {}; give a list of them, or use gather",
                    to_string(indices.shape()), to_string(x.shape())));
  check_indices("index_select", indices, x.shape()[along]);
  Shape shape = x.shape();
  shape.set(along, indices.elements());
  return apply(TakeRows<T, false>{indices, along, shape}, at, x);
}

template <Real T>
Tensor<T> embedding(const Tensor<T>& weight, const Indices& indices, Location at) {
  const CallSite call(at);
  check_defined("embedding", weight);
  if (weight.rank() != 2)
    throw ShapeError(fmt::format("embedding: a weight of shape {}; it must be (rows, features)",
                                 to_string(weight.shape())));
  check_indices("embedding", indices, weight.shape()[0]);
  Shape shape = indices.shape();
  shape.push_back(weight.shape()[1]);
  return apply(TakeRows<T, true>{indices, 0, shape}, at, weight);
}

template <Real T>
Tensor<T> gather(const Tensor<T>& x, std::int64_t axis, const Indices& indices, Location at) {
  const CallSite call(at);
  check_defined("gather", x);
  const std::size_t along = normalize_axis("gather", axis, x.shape());
  check_places("gather", x.shape(), along, indices);
  return apply(Gather<T>{indices, along}, at, x);
}

template <Real T>
Tensor<T> scatter_add(const Tensor<T>& x, std::int64_t axis, const Indices& indices, const Tensor<T>& source,
                      Location at) {
  const CallSite call(at);
  check_defined("scatter_add", x);
  check_defined("scatter_add", source, 1);
  const std::size_t along = normalize_axis("scatter_add", axis, x.shape());
  const Tensor<T> used = check_scatter("scatter_add", x, along, indices, source, at);
  return apply(ScatterAdd<T>{indices, along}, at, x, used);
}

template <Real T>
Tensor<T> index_add(const Tensor<T>& x, std::int64_t axis, const Indices& indices, const Tensor<T>& source,
                    double alpha, Location at) {
  const CallSite call(at);
  check_defined("index_add", x);
  check_defined("index_add", source, 1);
  const std::size_t along = normalize_axis("index_add", axis, x.shape());
  Shape wanted = x.shape();
  wanted.set(along, indices.elements());
  if (indices.shape().rank() != 1 || source.shape() != wanted)
    throw ShapeError(fmt::format(
        "index_add: indices of shape {} and a source of shape {} into {} along axis {}; give a list of "
        "indices, and a slice for each",
        to_string(indices.shape()), to_string(source.shape()), to_string(x.shape()), along));
  check_indices("index_add", indices, x.shape()[along]);
  const Tensor<T> scaled = alpha == 1 ? source : source * alpha;
  return x + apply(AddRows<T>{indices, along, x.shape()}, at, scaled);
}

template <Real T>
Tensor<T> one_hot(const Indices& indices, std::int64_t classes, Location at) {
  const CallSite call(at);
  if (classes < -1)
    throw ValueError(fmt::format(
        "one_hot: {} classes; give 0 or more, or leave it out for what the largest index needs", classes));
  if (classes < 0) {
    const auto values = indices.values();
    if (values.empty()) throw ValueError("one_hot: no indices, and no number of classes; give `classes`");
    classes = std::max<std::int64_t>(std::ranges::max(values), 0) + 1;
  }
  check_indices("one_hot", indices, classes);
  Shape shape = indices.shape();
  shape.push_back(classes);
  Tensor<T> y = zeros<T>(shape);
  launch(kernels_of(y).set_ones, reads(indices), indices.elements(), classes, writes(y));
  return y;
}

template <Real T>
Tensor<T> masked_fill(const Tensor<T>& x, const Tensor<T>& mask, double value, Location at) {
  const CallSite call(at);
  check_defined("masked_fill", x);
  check_defined("masked_fill", mask, 1);
  if (!broadcasts_to(mask.shape(), x.shape()))
    throw ShapeError(fmt::format("masked_fill: a mask of shape {} does not broadcast to {}; reshape it",
                                 to_string(mask.shape()), to_string(x.shape())));
  return where(mask, value, x, at);
}

#define XGRAD_INSTANTIATE(T)                                                                                \
  template Tensor<T> detail::check_scatter(std::string_view, const Tensor<T>&, std::size_t, const Indices&, \
                                           const Tensor<T>&, Location);                                     \
  template Tensor<T> index_select(const Tensor<T>&, std::int64_t, const Indices&, Location);                \
  template Tensor<T> embedding(const Tensor<T>&, const Indices&, Location);                                 \
  template Tensor<T> gather(const Tensor<T>&, std::int64_t, const Indices&, Location);                      \
  template Tensor<T> scatter_add(const Tensor<T>&, std::int64_t, const Indices&, const Tensor<T>&,          \
                                 Location);                                                                 \
  template Tensor<T> index_add(const Tensor<T>&, std::int64_t, const Indices&, const Tensor<T>&, double,    \
                               Location);                                                                   \
  template Tensor<T> one_hot(const Indices&, std::int64_t, Location);                                       \
  template Tensor<T> masked_fill(const Tensor<T>&, const Tensor<T>&, double, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
