// Gradient clipping.
#include <xgrad/optim/clip.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/table.hpp>
#include <xgrad/optim/formulas.hpp>
#include <xgrad/optim/optimizer.hpp>

namespace xgrad::optim {

namespace {

template <Real T>
void check_call(const char* name, const std::vector<Tensor<T>>& parameters, double limit) {
  if (xgrad::detail::in_replay())
    xgrad::detail::refuse_in_replay(
        name, "it would decide by the gradients once, not in every run; call it after each");
  if (!(limit >= 0)) throw ValueError(fmt::format("{}: the limit is {}; it is at least 0", name, limit));
  detail::check_given_once(name, parameters);
}

// A formula of one number on each gradient in place. One that is itself recorded, for gradients of gradients,
// is replaced by its values: its history would not know of the change.
template <Real T>
void change(const std::vector<Tensor<T>>& parameters, const kernels::InPlaceFormula& formula, double number,
            const Location& at) {
  for (const Tensor<T>& p : parameters) {
    Tensor<T> gradient = p.grad();
    if (!gradient.defined()) continue;
    const bool recorded = gradient.node() != nullptr;
    if (recorded) gradient = Tensor<T>(xgrad::detail::copy_of(gradient));
    void* const values = xgrad::detail::changed_elements("clipping", gradient, at);
    kernels::on(gradient.device()).in_place(formula, dtype_of<T>, gradient.elements(), &values, &number);
    if (recorded) Tensor<T>(p).set_grad(gradient);
  }
}

template <Real T>
double fold(kernels::Fold kind, const Tensor<T>& x) {
  T result = 0;
  const auto fold = kernels::on(x.device()).template of<T>().fold[static_cast<std::size_t>(kind)];
  fold(x.data(), nullptr, &result, 1, x.elements(), 1);
  return static_cast<double>(result);
}

// f(gradient) of those that there are and have elements.
template <Real T>
void each_gradient(const std::vector<Tensor<T>>& parameters, auto f) {
  for (const Tensor<T>& p : parameters)
    if (const Tensor<T> gradient = p.grad(); gradient.defined() && gradient.elements() > 0) f(gradient);
}

template <Real T>
double norm_of(const std::vector<Tensor<T>>& parameters, double p) {
  double total = 0;
  if (p == 2) {
    each_gradient(parameters, [&](const Tensor<T>& g) {
      total += kernels::on(g.device()).template of<T>().sum_of_squares(g.elements(), g.data());
    });
    return std::sqrt(total);
  }
  if (p == 1) {
    each_gradient(parameters, [&](const Tensor<T>& g) { total += fold(kernels::Fold::sum_abs, g); });
    return total;
  }
  // Of other p, relative to the largest: powers overflow soon.
  double largest = 0;
  each_gradient(parameters, [&](const Tensor<T>& g) {
    const double here = fold(kernels::Fold::max_abs, g);
    if (!(here <= largest)) largest = std::isnan(largest) ? largest : here;
  });
  if (!std::isfinite(largest) || largest == 0 || std::isinf(p)) return largest;
  each_gradient(parameters, [&](const Tensor<T>& g) {
    for (const T x : g.values()) total += std::pow(std::abs(static_cast<double>(x)) / largest, p);
  });
  return largest * std::pow(total, 1 / p);
}

// Which gradient is to blame.
template <Real T>
std::string culprit(const std::vector<Tensor<T>>& parameters) {
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    const Tensor<T> gradient = parameters[k].grad();
    if (gradient.defined() && std::ranges::any_of(gradient.values(), [](T x) { return !std::isfinite(x); }))
      return fmt::format("the gradient of parameter {}, of shape {}, holds NaN or infinity", k,
                         to_string(gradient.shape()));
  }
  return "the gradients are finite, but their squares overflow";
}

}  // namespace

template <Real T>
double clip_grad_norm(const std::vector<Tensor<T>>& parameters, double max_norm, ClipOptions options,
                      Location at) {
  const xgrad::detail::CallSite site(at);
  const xgrad::detail::ProfiledOp timed("clip_grad_norm");
  check_call("clip_grad_norm", parameters, max_norm);
  if (!(options.norm_type > 0))
    throw ValueError(fmt::format("clip_grad_norm: norm_type is {}; it is above 0", options.norm_type));
  const double norm = norm_of(parameters, options.norm_type);
  if (options.error_if_nonfinite && !std::isfinite(norm))
    throw NonFiniteError(
        fmt::format("clip_grad_norm: the norm is {}: {}; look for the op with an `anomaly` scope, or pass "
                    "{{.error_if_nonfinite = false}} to go on as PyTorch does",
                    norm, culprit(parameters)));
  const double factor = max_norm / (norm + 1e-6);
  if (!(factor >= 1)) change(parameters, in_place<formulas::Scale, T>(), factor, at);
  return norm;
}

template <Real T>
void clip_grad_value(const std::vector<Tensor<T>>& parameters, double clip_value, Location at) {
  const xgrad::detail::CallSite site(at);
  const xgrad::detail::ProfiledOp timed("clip_grad_value");
  check_call("clip_grad_value", parameters, clip_value);
  change(parameters, in_place<formulas::Clamp, T>(), clip_value, at);
}

#define XGRAD_INSTANTIATE(T)                                                                    \
  template double clip_grad_norm(const std::vector<Tensor<T>>&, double, ClipOptions, Location); \
  template void clip_grad_value(const std::vector<Tensor<T>>&, double, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
