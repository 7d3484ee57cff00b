// Normalisation as modules.
#include <xgrad/nn/norm.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/ops/norm.hpp>

namespace xgrad::nn {

namespace {

void check_eps(const char* name, double eps) {
  if (!(eps >= 0)) throw ValueError(fmt::format("{}: eps is {}; it must be at least 0", name, eps));
}

Shape checked_shape(const char* name, const IntList& shape) {
  if (shape.size() == 0)
    throw ShapeError(fmt::format(
        "{}: the normalised shape is empty; give the last axes of x, {}<>{{{{512}}}}", name, name));
  return Shape(shape);
}

[[noreturn]] void used_too_early(const char* name, const char* how) {
  throw ValueError(
      fmt::format("{}: used before it has a size; construct it with one, {}<>{}", name, name, how));
}

const char* yes_or_no(bool flag) { return flag ? "True" : "False"; }

std::string tuple(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.rank(); ++i) text += fmt::format("{}{},", i ? " " : "", shape[i]);
  if (shape.rank() > 1) text.pop_back();
  return text + ")";
}

template <Real T>
Tensor<T> parameter(Tensor<T> x) {
  return x.set_requires_grad();
}

}  // namespace

template <Real T>
LayerNorm<T>::LayerNorm(const IntList& normalized_shape, NormOptions options)
    : shape_(checked_shape("LayerNorm", normalized_shape)), options_(options) {
  check_eps("LayerNorm", options.eps);
  if (!options.affine) return;
  weight = parameter(ones<T>(shape_));
  if (options.bias) bias = parameter(zeros<T>(shape_));
}

template <Real T>
Tensor<T> LayerNorm<T>::operator()(const Tensor<T>& x, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    if (shape_.empty()) used_too_early("LayerNorm", "{{512}}");
    return layer_norm(x, shape_, weight, bias, options_.eps, at);
  });
}

template <Real T>
std::string LayerNorm<T>::attributes() const {
  return fmt::format("{}, eps={}, elementwise_affine={}", tuple(shape_), options_.eps,
                     yes_or_no(options_.affine));
}

template <Real T>
RMSNorm<T>::RMSNorm(const IntList& normalized_shape, std::optional<double> eps, bool affine)
    : shape_(checked_shape("RMSNorm", normalized_shape)), eps_(eps) {
  check_eps("RMSNorm", eps.value_or(0));
  if (affine) weight = parameter(ones<T>(shape_));
}

template <Real T>
Tensor<T> RMSNorm<T>::operator()(const Tensor<T>& x, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    if (shape_.empty()) used_too_early("RMSNorm", "{{512}}");
    return rms_norm(x, shape_, weight, eps_, at);
  });
}

template <Real T>
std::string RMSNorm<T>::attributes() const {
  return fmt::format("{}, eps={}, elementwise_affine={}", tuple(shape_),
                     eps_ ? fmt::format("{}", *eps_) : "None", yes_or_no(weight.defined()));
}

template <Real T>
GroupNorm<T>::GroupNorm(std::int64_t groups, std::int64_t channels, NormOptions options)
    : groups_(groups), channels_(channels), options_(options) {
  check_eps("GroupNorm", options.eps);
  if (groups < 1 || channels < 0 || channels % groups != 0)
    throw ValueError(
        fmt::format("GroupNorm: {} groups of {} channels; groups must divide channels", groups, channels));
  if (!options.affine) return;
  weight = parameter(ones<T>({channels}));
  bias = parameter(zeros<T>({channels}));
}

template <Real T>
Tensor<T> GroupNorm<T>::operator()(const Tensor<T>& x, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    if (groups_ == 0) used_too_early("GroupNorm", "{groups, channels}");
    if (x.defined() && (x.rank() < 2 || x.shape()[1] != channels_))
      throw ShapeError(fmt::format("GroupNorm({}, {}): x has shape {}; it must be (batch, {}, …)", groups_,
                                   channels_, xgrad::to_string(x.shape()), channels_));
    return group_norm(x, groups_, weight, bias, options_.eps, at);
  });
}

template <Real T>
std::string GroupNorm<T>::attributes() const {
  return fmt::format("{}, {}, eps={}, affine={}", groups_, channels_, options_.eps,
                     yes_or_no(options_.affine));
}

namespace detail {

template <Real T>
BatchNorm<T>::BatchNorm(const char* name, std::int64_t channels, const BatchNormModuleOptions& options)
    : channels_(channels), options_(options) {
  check_eps(name, options.eps);
  if (channels < 0) throw ValueError(fmt::format("{}: {} channels; give 0 or more", name, channels));
  if (const double m = options.momentum.value_or(0); !(m >= 0 && m <= 1))
    throw ValueError(fmt::format("{}: momentum is {}; it lies between 0 and 1", name, m));
  if (options.affine) weight = parameter(ones<T>({channels})), bias = parameter(zeros<T>({channels}));
  if (!options.track_running_stats) return;
  running_mean = zeros<T>({channels});
  running_var = ones<T>({channels});
  num_batches_tracked = zeros<double>({});
}

template <Real T>
Tensor<T> BatchNorm<T>::normalized(const char* name, const Tensor<T>& x, bool fits, const char* wanted,
                                   Location at) const {
  const xgrad::detail::CallSite call(at);
  return in_module(weight, [&] {
    if (!weight.defined() && !running_mean.defined() && channels_ == 0) used_too_early(name, "{channels}");
    if (!fits || (x.defined() && x.shape()[1] != channels_))
      throw ShapeError(fmt::format("{}({}): x has shape {}; it must be {} with {} channels", name, channels_,
                                   xgrad::to_string(x.shape()), wanted, channels_));
    const bool tracks = running_mean.defined(), moves = training && tracks;
    double momentum = options_.momentum.value_or(0);
    if (moves && !options_.momentum) momentum = 1 / (num_batches_tracked.item() + 1);
    const Tensor<T> y =
        batch_norm<T>(x, running_mean, running_var, weight, bias,
                      {.training = training || !tracks, .momentum = momentum, .eps = options_.eps}, at);
    if (moves) {
      const no_grad scope;
      Tensor<double> count = num_batches_tracked;
      count.assign(count + 1);
    }
    return y;
  });
}

template <Real T>
std::string BatchNorm<T>::attributes() const {
  return fmt::format("{}, eps={}, momentum={}, affine={}, track_running_stats={}", channels_, options_.eps,
                     options_.momentum ? fmt::format("{}", *options_.momentum) : "None",
                     yes_or_no(options_.affine), yes_or_no(options_.track_running_stats));
}

}  // namespace detail

#define XGRAD_INSTANTIATE(T)    \
  template struct LayerNorm<T>; \
  template struct RMSNorm<T>;   \
  template struct GroupNorm<T>; \
  template struct detail::BatchNorm<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
