// Convolutions as modules.
#include <xgrad/nn/conv.hpp>

#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/nn/init.hpp>

namespace xgrad::nn {

namespace {

void check_sizes(const char* name, std::int64_t in, std::int64_t out, Size2 window, std::int64_t groups) {
  if (in < 0 || out < 0 || window.rows < 1 || window.columns < 1)
    throw ValueError(
        fmt::format("{}: in = {}, out = {}, window = ({}, {}); channels are at least 0, windows 1", name, in,
                    out, window.rows, window.columns));
  if (groups < 1 || in % groups != 0 || out % groups != 0)
    throw ValueError(fmt::format("{}: {} groups of {} channels in and {} out; groups must divide both", name,
                                 groups, in, out));
}

void check_at_least(const char* name, const char* what, Size2 value, std::int64_t least) {
  if (value.rows < least || value.columns < least)
    throw ValueError(fmt::format("{}: {} is ({}, {}); it must be at least {}", name, what, value.rows,
                                 value.columns, least));
}

// Uniform in ±1/sqrt(fan in), as init::kaiming_uniform with slope sqrt(5) is.
template <Real T>
void make_parameters(Tensor<T>& weight, Tensor<T>& bias, const Shape& shape, std::int64_t out, bool with_bias,
                     Generator& generator) {
  const std::int64_t fan = shape.elements(1, shape.rank());
  const double bound = fan > 0 ? 1 / std::sqrt(static_cast<double>(fan)) : 0;
  weight = init::uniform(empty<T>(shape), -bound, bound, generator).set_requires_grad();
  if (with_bias) bias = init::uniform(empty<T>({out}), -bound, bound, generator).set_requires_grad();
}

template <Real T>
void check_call(const char* name, const Tensor<T>& weight, const Tensor<T>& x, std::int64_t in) {
  if (!weight.defined())
    throw ValueError(fmt::format(
        "{}: used before it has parameters; construct it with its sizes, {}<>{{in, out, 3}}", name, name));
  const std::size_t rank = weight.rank();
  if (x.defined() && (x.rank() + 1 < rank || x.rank() > rank || x.shape()[x.rank() + 1 - rank] != in))
    throw ShapeError(
        fmt::format("{}: x has shape {}; it must have {} channels, on axis {} of {}, or without a batch",
                    name, xgrad::to_string(x.shape()), in, 1, rank));
}

std::string both(Size2 s, bool sequence) {
  return sequence ? fmt::format("({},)", s.columns) : fmt::format("({}, {})", s.rows, s.columns);
}

// PyTorch's text, which leaves out what has its default.
template <Real T>
std::string text(const Tensor<T>& weight, const Tensor<T>& bias, std::int64_t in, std::int64_t out,
                 Size2 stride, const std::string& padding, Size2 dilation, std::int64_t groups) {
  if (!weight.defined()) return "no parameters";
  const bool sequence = weight.rank() == 3;
  const Size2 window = {sequence ? weight.size(-1) : weight.size(-2), weight.size(-1)};
  std::string result = fmt::format("{}, {}, kernel_size={}, stride={}", in, out, both(window, sequence),
                                   both(stride, sequence));
  if (!padding.empty()) result += ", padding=" + padding;
  if (dilation != Size2(1)) result += ", dilation=" + both(dilation, sequence);
  if (groups != 1) result += fmt::format(", groups={}", groups);
  return bias.defined() ? result : result + ", bias=False";
}

std::string padding_text(const ConvPadding& padding, bool sequence) {
  if (padding.same()) return "same";
  return padding.size() == Size2(0) ? "" : both(padding.size(), sequence);
}

void check_options(const char* name, const ConvOptions& options) {
  check_at_least(name, "stride", options.stride, 1);
  check_at_least(name, "padding", options.padding.size(), 0);
  check_at_least(name, "dilation", options.dilation, 1);
  if (options.padding.same() && options.stride != Size2(1))
    throw ValueError(fmt::format("{}: with padding \"same\" the stride must be 1", name));
}

}  // namespace

template <Real T>
Conv1d<T>::Conv1d(std::int64_t in, std::int64_t out, std::int64_t window, ConvOptions options, bool with_bias,
                  Generator& generator)
    : options_(options) {
  check_sizes("Conv1d", in, out, window, options.groups);
  check_options("Conv1d", options);
  make_parameters(weight, bias, {out, in / options.groups, window}, out, with_bias, generator);
}

template <Real T>
Tensor<T> Conv1d<T>::operator()(const Tensor<T>& x, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    check_call("Conv1d", weight, x, weight.defined() ? weight.shape()[1] * options_.groups : 0);
    return conv1d(x, weight, bias, options_, at);
  });
}

template <Real T>
std::string Conv1d<T>::attributes() const {
  return text(weight, bias, weight.defined() ? weight.size(1) * options_.groups : 0,
              weight.defined() ? weight.size(0) : 0, options_.stride, padding_text(options_.padding, true),
              options_.dilation, options_.groups);
}

template <Real T>
Conv2d<T>::Conv2d(std::int64_t in, std::int64_t out, Size2 window, ConvOptions options, bool with_bias,
                  Generator& generator)
    : options_(options) {
  check_sizes("Conv2d", in, out, window, options.groups);
  check_options("Conv2d", options);
  make_parameters(weight, bias, {out, in / options.groups, window.rows, window.columns}, out, with_bias,
                  generator);
}

template <Real T>
Tensor<T> Conv2d<T>::operator()(const Tensor<T>& x, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    check_call("Conv2d", weight, x, weight.defined() ? weight.shape()[1] * options_.groups : 0);
    return conv2d(x, weight, bias, options_, at);
  });
}

template <Real T>
std::string Conv2d<T>::attributes() const {
  return text(weight, bias, weight.defined() ? weight.size(1) * options_.groups : 0,
              weight.defined() ? weight.size(0) : 0, options_.stride, padding_text(options_.padding, false),
              options_.dilation, options_.groups);
}

template <Real T>
ConvTranspose2d<T>::ConvTranspose2d(std::int64_t in, std::int64_t out, Size2 window,
                                    ConvTransposeOptions options, bool with_bias, Generator& generator)
    : options_(options) {
  check_sizes("ConvTranspose2d", in, out, window, options.groups);
  check_at_least("ConvTranspose2d", "stride", options.stride, 1);
  check_at_least("ConvTranspose2d", "padding", options.padding, 0);
  check_at_least("ConvTranspose2d", "output_padding", options.output_padding, 0);
  check_at_least("ConvTranspose2d", "dilation", options.dilation, 1);
  make_parameters(weight, bias, {in, out / options.groups, window.rows, window.columns}, out, with_bias,
                  generator);
}

template <Real T>
Tensor<T> ConvTranspose2d<T>::operator()(const Tensor<T>& x, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    check_call("ConvTranspose2d", weight, x, weight.defined() ? weight.shape()[0] : 0);
    return conv_transpose2d(x, weight, bias, options_, at);
  });
}

template <Real T>
std::string ConvTranspose2d<T>::attributes() const {
  std::string padding = options_.padding == Size2(0) ? "" : both(options_.padding, false);
  if (options_.output_padding != Size2(0))
    padding = both(options_.padding, false) + ", output_padding=" + both(options_.output_padding, false);
  return text(weight, bias, weight.defined() ? weight.size(0) : 0,
              weight.defined() ? weight.size(1) * options_.groups : 0, options_.stride, padding,
              options_.dilation, options_.groups);
}

#define XGRAD_INSTANTIATE(T) \
  template struct Conv1d<T>; \
  template struct Conv2d<T>; \
  template struct ConvTranspose2d<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
