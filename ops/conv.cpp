// Convolutions: three products of image, weight and result, each of which is the derivative of the others.
#include <xgrad/ops/conv.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;
using kernels::Convolution;

ConvPadding::ConvPadding(const char* word) : same_(std::string_view(word) == "same") {
  if (!same_ && std::string_view(word) != "valid")
    throw ValueError(fmt::format("conv: padding \"{}\"; give a number, \"same\" or \"valid\"", word));
}

namespace {

// The convolution and the shapes of what it is between.
struct Geometry {
  Convolution of;
  Shape image, weight, result;
};

enum class Part { result, image, weight };

// One of the three from the other two, in the order image, weight, result.
template <Real T, Part part>
struct ConvolutionPart {
  static constexpr std::string_view name = part == Part::result  ? "conv2d"
                                           : part == Part::image ? "conv_transpose2d"
                                                                 : "conv2d_weight";
  Geometry g;

  // A bias is of the results.
  Tensor<T> forward(Saver<T>& save, std::span<const Tensor<T>> in) const {
    save(in[0]);
    save(in[1]);
    const auto& k = kernels_of(in[0]);
    const Tensor<T> scratch = empty<T>({g.of.scratch_elements(part == Part::image)});
    Tensor<T> y = empty<T>(part == Part::result ? g.result : part == Part::image ? g.image : g.weight);
    if constexpr (part == Part::result)
      launch(k.convolve, g.of, reads(in[0]), reads(in[1]), reads(in.size() > 2 ? in[2] : Tensor<T>()),
             writes(y), writes(scratch));
    else
      launch(part == Part::image ? k.convolve_input : k.convolve_weight, g.of, reads(in[0]), reads(in[1]),
             writes(y), writes(scratch));
    return y;
  }

  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& u) const {
    const Tensor<T> a = saved[0], b = saved[1];
    const auto by = [&]<Part wanted>(const Tensor<T>& x, const Tensor<T>& y) {
      const Tensor<T> list[] = {x, y};
      return apply(ConvolutionPart<T, wanted>{g}, Location::current(), std::span<const Tensor<T>>(list));
    };
    Gradients<T> result(bias ? 3 : 2);
    if (saved.needs(0)) {
      if constexpr (part == Part::result) result[0] = by.template operator()<Part::image>(b, u);
      if constexpr (part == Part::image) result[0] = by.template operator()<Part::weight>(u, b);
      if constexpr (part == Part::weight) result[0] = by.template operator()<Part::image>(u, b);
    }
    if (saved.needs(1)) {
      if constexpr (part == Part::result) result[1] = by.template operator()<Part::weight>(a, u);
      if constexpr (part == Part::image) result[1] = by.template operator()<Part::result>(u, a);
      if constexpr (part == Part::weight) result[1] = by.template operator()<Part::result>(a, u);
    }
    if (bias && saved.needs(2)) result[2] = sum(u, {0, 2, 3});
    return result;
  }

  bool bias = false;
};

[[noreturn]] void bad_option(std::string_view op, const char* what, Size2 value, const char* wanted) {
  throw ValueError(fmt::format("{}: {} is ({}, {}); {}", op, what, value.rows, value.columns, wanted));
}

void check_options(std::string_view op, Size2 stride, Size2 padding, Size2 dilation, std::int64_t groups) {
  const auto least = [](Size2 s) { return std::min(s.rows, s.columns); };
  if (least(stride) < 1) bad_option(op, "stride", stride, "it must be at least 1");
  if (least(dilation) < 1) bad_option(op, "dilation", dilation, "it must be at least 1");
  if (least(padding) < 0) bad_option(op, "padding", padding, "it must be at least 0");
  if (groups < 1) throw ValueError(fmt::format("{}: groups is {}; it must be at least 1", op, groups));
}

// The number that stands for both axes of a sequence.
void check_one(std::string_view op, const char* what, Size2 size) {
  if (size.rows != size.columns) bad_option(op, what, size, "of a sequence there is one number");
}

Convolution::Axis axis_of(std::string_view op, const char* name, std::int64_t extent, std::int64_t window,
                          std::int64_t stride, std::int64_t padding, std::int64_t dilation, bool same) {
  const std::int64_t reach = (window - 1) * dilation + 1;
  if (same) return {extent, extent, window, stride, (reach - 1) / 2, dilation};
  const std::int64_t padded = extent + 2 * padding;
  if (window < 1 || padded < reach)
    throw ShapeError(
        fmt::format("{}: a window of {} {}, {} with its dilation, is larger than the image, {} with its "
                    "padding; pad more",
                    op, window, name, reach, padded));
  return {extent, (padded - reach) / stride + 1, window, stride, padding, dilation};
}

// Channels, and bias, of x with `in` channels and a weight of which `rest` are expected for a group.
void check_channels(std::string_view op, const AnyTensor& x, const AnyTensor& weight, const AnyTensor& bias,
                    std::size_t rank, std::int64_t groups, bool transposed) {
  check_defined(op, x);
  check_defined(op, weight, 1);
  const auto refuse = [&](const std::string& why) {
    throw ShapeError(
        fmt::format("{}: x {} and weight {}: {}", op, to_string(x.shape()), to_string(weight.shape()), why));
  };
  if (x.rank() != rank || weight.rank() != rank)
    refuse(fmt::format("both must have {} axes, or x one less, without a batch", rank));
  const std::int64_t in = x.shape()[1], first = weight.shape()[0];
  if (first % groups != 0 || in % groups != 0)
    refuse(
        fmt::format("the {} channels in and axis 0 of the weight must be divided by groups, {}", in, groups));
  if (const std::int64_t wanted = transposed ? in : in / groups; weight.shape()[transposed ? 0 : 1] != wanted)
    refuse(fmt::format("axis {} of the weight must be {}, for {} channels in {} group{}", transposed ? 0 : 1,
                       wanted, in, groups, groups == 1 ? "" : "s"));
  const std::int64_t out = transposed ? weight.shape()[1] * groups : first;
  if (bias.defined() && bias.shape() != Shape{out})
    throw ShapeError(fmt::format("{}: bias has shape {}; it must be [{}], the channels out", op,
                                 to_string(bias.shape()), out));
}

// A window of one pixel sees an image as one row.
void flatten_points(Convolution& of) {
  const auto point = [](const Convolution::Axis& a) {
    return a.window == 1 && a.stride == 1 && a.padding == 0;
  };
  if (!point(of.rows) || !point(of.columns)) return;
  of.columns.extent = of.columns.results = of.pixels();
  of.rows.extent = of.rows.results = 1;
}

template <Real T>
Tensor<T> convolve(std::string_view op, const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias,
                   const ConvOptions& o, Location at) {
  const bool same = o.padding.same();
  const Size2 padding = o.padding.size();
  if (same && o.stride != Size2(1)) bad_option(op, "stride", o.stride, "with padding \"same\" it must be 1");
  Geometry g{.of = {x.shape()[0], o.groups, x.shape()[1] / o.groups, weight.shape()[0] / o.groups,
                    axis_of(op, "rows", x.shape()[2], weight.shape()[2], o.stride.rows, padding.rows,
                            o.dilation.rows, same),
                    axis_of(op, "columns", x.shape()[3], weight.shape()[3], o.stride.columns, padding.columns,
                            o.dilation.columns, same)},
             .image = x.shape(),
             .weight = weight.shape(),
             .result = {}};
  g.result = {x.shape()[0], weight.shape()[0], g.of.rows.results, g.of.columns.results};
  flatten_points(g.of);
  std::vector<Tensor<T>> in{x, weight};
  if (bias.defined()) in.push_back(bias);
  return apply(ConvolutionPart<T, Part::result>{.g = g, .bias = bias.defined()}, at,
               std::span<const Tensor<T>>(in));
}

// f(x) of a batch, where x may be without that axis.
template <Real T, class F>
Tensor<T> batched(const Tensor<T>& x, std::size_t rank, Location at, F f) {
  if (!x.defined() || x.rank() + 1 != rank) return f(x);
  return squeeze(f(unsqueeze(x, 0, at)), 0, at);
}

}  // namespace

template <Real T>
Tensor<T> conv1d(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias,
                 const ConvOptions& options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "conv1d";
  check_options(op, options.stride, options.padding.size(), options.dilation, options.groups);
  check_one(op, "stride", options.stride);
  check_one(op, "padding", options.padding.size());
  check_one(op, "dilation", options.dilation);
  return batched(x, 3, at, [&](const Tensor<T>& batch) {
    check_channels(op, batch, weight, bias, 3, options.groups, false);
    ConvOptions as_image = options;
    as_image.stride.rows = as_image.dilation.rows = 1;
    if (!options.padding.same()) as_image.padding = {0, options.padding.size().columns};
    return squeeze(convolve(op, unsqueeze(batch, 2, at), unsqueeze(weight, 2, at), bias, as_image, at), 2,
                   at);
  });
}

template <Real T>
Tensor<T> conv2d(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias,
                 const ConvOptions& options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "conv2d";
  check_options(op, options.stride, options.padding.size(), options.dilation, options.groups);
  return batched(x, 4, at, [&](const Tensor<T>& batch) {
    check_channels(op, batch, weight, bias, 4, options.groups, false);
    return convolve(op, batch, weight, bias, options, at);
  });
}

template <Real T>
Tensor<T> conv_transpose2d(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias,
                           const ConvTransposeOptions& o, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "conv_transpose2d";
  check_options(op, o.stride, o.padding, o.dilation, o.groups);
  const auto open = [&](std::int64_t extra, std::int64_t stride, std::int64_t dilation) {
    if (extra < 0 || extra >= std::max(stride, dilation))
      bad_option(op, "output_padding", o.output_padding, "it must be less than the stride, or the dilation");
  };
  open(o.output_padding.rows, o.stride.rows, o.dilation.rows);
  open(o.output_padding.columns, o.stride.columns, o.dilation.columns);
  return batched(x, 4, at, [&](const Tensor<T>& batch) {
    check_channels(op, batch, weight, bias, 4, o.groups, true);
    const auto axis = [&](const char* name, std::size_t i, std::int64_t stride, std::int64_t padding,
                          std::int64_t extra, std::int64_t dilation) {
      const std::int64_t results = batch.shape()[i], window = weight.shape()[i];
      const std::int64_t extent = (results - 1) * stride - 2 * padding + dilation * (window - 1) + extra + 1;
      if (results < 1 || window < 1 || extent < 1)
        throw ShapeError(fmt::format("{}: x {} and weight {} give {} {}; pad less", op,
                                     to_string(batch.shape()), to_string(weight.shape()), extent, name));
      return Convolution::Axis{extent, results, window, stride, padding, dilation};
    };
    Geometry g{.of = {batch.shape()[0], o.groups, weight.shape()[1], batch.shape()[1] / o.groups,
                      axis("rows", 2, o.stride.rows, o.padding.rows, o.output_padding.rows, o.dilation.rows),
                      axis("columns", 3, o.stride.columns, o.padding.columns, o.output_padding.columns,
                           o.dilation.columns)},
               .image = {},
               .weight = weight.shape(),
               .result = batch.shape()};
    const std::int64_t out = weight.shape()[1] * o.groups;
    g.image = {batch.shape()[0], out, g.of.rows.extent, g.of.columns.extent};
    flatten_points(g.of);
    const Tensor<T> in[] = {weight, batch};
    const Tensor<T> y = apply(ConvolutionPart<T, Part::image>{.g = g}, at, std::span<const Tensor<T>>(in));
    return bias.defined() ? y + reshape(bias, {out, 1, 1}, at) : y;
  });
}

#define XGRAD_INSTANTIATE(T)                                                                          \
  template Tensor<T> conv1d(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, const ConvOptions&, \
                            Location);                                                                \
  template Tensor<T> conv2d(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, const ConvOptions&, \
                            Location);                                                                \
  template Tensor<T> conv_transpose2d(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&,           \
                                      const ConvTransposeOptions&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
