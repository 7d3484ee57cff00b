// Losses of elements and of pairs of rows. Most are a formula.
#include <xgrad/ops/loss.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/ops/by_element.hpp>
#include <xgrad/ops/distance.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad {

using namespace detail;

namespace {

void check_same_shape(std::string_view op, const AnyTensor& input, const AnyTensor& target) {
  check_defined(op, input, 0);
  check_defined(op, target, 1);
  if (input.shape() != target.shape())
    throw ShapeError(
        fmt::format("{}: input {} and target {} differ; give them one shape, by reshape() or expand()", op,
                    to_string(input.shape()), to_string(target.shape())));
}

// Throws unless `low <= value`, or, for `above`, low < value.
void check_number(std::string_view op, const char* option, double value, double low, bool above = false) {
  if (!std::isfinite(value) || value < low || (above && value == low))
    throw ValueError(
        fmt::format("{}: {} is {}; it is {} {}", op, option, value, above ? "above" : "at least", low));
}

// Throws for the first element of which `bad` holds. Not in a Replay, where values are not known.
template <Real T>
void check_values(std::string_view op, const Tensor<T>& x, const char* expected, auto bad) {
  if (in_replay()) return;
  const std::span values(reinterpret_cast<const T*>(x.bytes()), static_cast<std::size_t>(x.elements()));
  if (const auto found = std::ranges::find_if(values, bad); found != values.end())
    throw ValueError(fmt::format("{}: {} at position {} of {} is not {}", op, *found, found - values.begin(),
                                 to_string(x.shape()), expected));
}

template <Real T>
Tensor<T> reduced(std::string_view op, const Tensor<T>& losses, Reduction reduction, Location at) {
  if (reduction == Reduction::none) return losses;
  if (reduction == Reduction::sum) return sum(losses, {}, false, at);
  if (losses.elements() == 0)
    throw ValueError(
        fmt::format("{}: the mean over no elements, of shape {}, is undefined; use Reduction::sum", op,
                    to_string(losses.shape())));
  return mean(losses, {}, false, at);
}

// A loss whose every element is given by a formula.
template <class F, Real T>
Tensor<T> elementwise_loss(std::string_view op, const Tensor<T>& input, const Tensor<T>& target,
                           Reduction reduction, Location at, auto... numbers) {
  check_same_shape(op, input, target);
  return reduced(op, by_element<F>(at, input, target, numbers...), reduction, at);
}

// An option's weights, which must broadcast to `shape`; undefined where there are none.
template <Real T>
Tensor<T> weights(std::string_view op, const char* option, const AnyTensor& given, const Shape& shape) {
  if (!given.defined()) return {};
  const Shape& own = given.shape();
  bool fits = own.rank() <= shape.rank();
  for (std::size_t a = 0; fits && a < own.rank(); ++a) {
    const std::int64_t extent = own[own.rank() - 1 - a];
    fits = extent == 1 || extent == shape[shape.rank() - 1 - a];
  }
  if (!fits)
    throw ShapeError(fmt::format("{}: a {} of shape {} does not broadcast to input {}", op, option,
                                 to_string(own), to_string(shape)));
  return Tensor<T>(given);
}

// In rows (…, features).
void check_rows(std::string_view op, const AnyTensor& first, const AnyTensor& second) {
  check_same_shape(op, first, second);
  if (first.rank() == 0)
    throw ShapeError(fmt::format("{}: input of shape [] has no axis of features; pass [N, features]", op));
}

// max(x, 0) as PyTorch's clamp_min.
template <Real T>
Tensor<T> at_least_zero(const Tensor<T>& x, Location at) {
  return where(x < 0, 0, x, at);
}

// What a target of 1 costs, and what one of -1 does; any other costs nothing.
template <Real T>
Tensor<T> of_signs(const Tensor<T>& target, const Tensor<T>& positive, const Tensor<T>& negative,
                   Location at) {
  return where(target == 1, positive, 0, at) + where(target == -1, negative, 0, at);
}

// log(n!) by Stirling's formula, 0 for n <= 1.
template <Real T>
Tensor<T> log_factorial(const Tensor<T>& n, Location at) {
  const Tensor<T> large = maximum(n, 1, at);
  return where(n > 1, large * log(large, at) - large + 0.5 * log(6.28318530717958647693 * large, at), 0, at);
}

}  // namespace

template <Real T>
Tensor<T> mse_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction, Location at) {
  const CallSite call(at);
  return elementwise_loss<formulas::SquaredError>("mse_loss", input, target, reduction, at);
}

template <Real T>
Tensor<T> l1_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction, Location at) {
  const CallSite call(at);
  return elementwise_loss<formulas::AbsoluteError>("l1_loss", input, target, reduction, at);
}

template <Real T>
Tensor<T> smooth_l1_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction, double beta,
                         Location at) {
  const CallSite call(at);
  check_number("smooth_l1_loss", "beta", beta, 0);
  return elementwise_loss<formulas::SmoothL1>("smooth_l1_loss", input, target, reduction, at, beta);
}

template <Real T>
Tensor<T> huber_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction, double delta,
                     Location at) {
  const CallSite call(at);
  check_number("huber_loss", "delta", delta, 0, true);
  return elementwise_loss<formulas::Huber>("huber_loss", input, target, reduction, at, delta);
}

template <Real T>
Tensor<T> binary_cross_entropy(const Tensor<T>& input, const Tensor<T>& target,
                               const BinaryLossOptions& options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "binary_cross_entropy";
  if (options.pos_weight.defined())
    throw ValueError(
        "binary_cross_entropy: pos_weight is an option of binary_cross_entropy_with_logits alone");
  check_same_shape(op, input, target);
  check_values(op, input, "a probability from 0 to 1; use binary_cross_entropy_with_logits for logits",
               [](T x) { return x < 0 || x > 1; });
  const Tensor<T> weight = weights<T>(op, "weight", options.weight, input.shape());
  const Tensor<T> losses = by_element<formulas::ProbabilityCrossEntropy>(at, input, target);
  return reduced(op, weight.defined() ? losses * weight : losses, options.reduction, at);
}

template <Real T>
Tensor<T> binary_cross_entropy_with_logits(const Tensor<T>& input, const Tensor<T>& target,
                                           Reduction reduction, Location at) {
  const CallSite call(at);
  return elementwise_loss<formulas::BinaryCrossEntropy>("binary_cross_entropy_with_logits", input, target,
                                                        reduction, at);
}

template <Real T>
Tensor<T> binary_cross_entropy_with_logits(const Tensor<T>& input, const Tensor<T>& target,
                                           const BinaryLossOptions& options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "binary_cross_entropy_with_logits";
  check_same_shape(op, input, target);
  const Tensor<T> weight = weights<T>(op, "weight", options.weight, input.shape());
  const Tensor<T> positive = weights<T>(op, "pos_weight", options.pos_weight, input.shape());
  const Tensor<T> losses = positive.defined()
                               ? by_element<formulas::WeightedBinaryCrossEntropy>(at, input, target, positive)
                               : by_element<formulas::BinaryCrossEntropy>(at, input, target);
  return reduced(op, weight.defined() ? losses * weight : losses, options.reduction, at);
}

template <Real T>
Tensor<T> kl_div(const Tensor<T>& input, const Tensor<T>& target, const KLDivOptions& options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "kl_div";
  check_same_shape(op, input, target);
  const Tensor<T> losses =
      options.log_target ? exp(target, at) * (target - input) : xlogy(target, target, at) - target * input;
  if (!options.batchmean) return reduced(op, losses, options.reduction, at);
  if (input.rank() == 0 || input.shape()[0] == 0)
    throw ShapeError(
        fmt::format("kl_div: input {} has no batch to take the mean of", to_string(input.shape())));
  return sum(losses, {}, false, at) / input.shape()[0];
}

template <Real T>
Tensor<T> poisson_nll_loss(const Tensor<T>& input, const Tensor<T>& target, const PoissonLossOptions& options,
                           Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "poisson_nll_loss";
  check_same_shape(op, input, target);
  check_number(op, "eps", options.eps, 0);
  Tensor<T> losses =
      options.log_input ? exp(input, at) - target * input : input - target * log(input + options.eps, at);
  if (options.full) losses = losses + log_factorial(target, at);
  return reduced(op, losses, options.reduction, at);
}

template <Real T>
Tensor<T> gaussian_nll_loss(const Tensor<T>& input, const Tensor<T>& target, const Tensor<T>& variance,
                            const GaussianLossOptions& options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "gaussian_nll_loss";
  check_same_shape(op, input, target);
  check_number(op, "eps", options.eps, 0, true);
  check_defined(op, variance, 2);
  Shape one_for_a_row = input.shape();
  if (input.rank() > 0) {
    one_for_a_row.erase(input.rank() - 1);
    one_for_a_row.push_back(1);
  }
  if (variance.shape() != input.shape() && variance.shape() != one_for_a_row)
    throw ShapeError(fmt::format("{}: a variance of shape {} for input {}; give it the same shape, or {}", op,
                                 to_string(variance.shape()), to_string(input.shape()),
                                 to_string(one_for_a_row)));
  check_values(op, variance, "a variance, which is at least 0", [](T x) { return x < 0; });
  const Tensor<T> small = variance.detach();
  const Tensor<T> raised = variance + (maximum(small, options.eps) - small);
  Tensor<T> losses = 0.5 * (log(raised, at) + square(input - target, at) / raised);
  if (options.full) losses = losses + 0.91893853320467274178;  // log(2 pi) / 2
  return reduced(op, losses, options.reduction, at);
}

template <Real T>
Tensor<T> hinge_embedding_loss(const Tensor<T>& input, const Tensor<T>& target, double margin,
                               Reduction reduction, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "hinge_embedding_loss";
  check_same_shape(op, input, target);
  return reduced(op, of_signs(target, input, at_least_zero(margin - input, at), at), reduction, at);
}

template <Real T>
Tensor<T> soft_margin_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction,
                           Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "soft_margin_loss";
  check_same_shape(op, input, target);
  return reduced(op, softplus(-(input * target), at), reduction, at);
}

template <Real T>
Tensor<T> margin_ranking_loss(const Tensor<T>& first, const Tensor<T>& second, const Tensor<T>& target,
                              double margin, Reduction reduction, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "margin_ranking_loss";
  check_same_shape(op, first, second);
  check_same_shape(op, first, target);
  return reduced(op, at_least_zero(margin - target * (first - second), at), reduction, at);
}

template <Real T>
Tensor<T> cosine_embedding_loss(const Tensor<T>& first, const Tensor<T>& second, const Tensor<T>& target,
                                double margin, Reduction reduction, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "cosine_embedding_loss";
  check_rows(op, first, second);
  const auto dot = [&](const Tensor<T>& a, const Tensor<T>& b) { return sum(a * b, -1, false, at); };
  const double eps = 1e-12;
  const Tensor<T> cosine = dot(first, second) / sqrt((dot(first, first) + eps) * (dot(second, second) + eps));
  check_same_shape(op, cosine, target);
  return reduced(op, of_signs(target, 1 - cosine, at_least_zero(cosine - margin, at), at), reduction, at);
}

template <Real T>
Tensor<T> triplet_margin_loss(const Tensor<T>& anchor, const Tensor<T>& positive, const Tensor<T>& negative,
                              const TripletLossOptions& options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "triplet_margin_loss";
  check_rows(op, anchor, positive);
  check_rows(op, anchor, negative);
  check_number(op, "margin", options.margin, 0, true);
  const auto distance = [&](const Tensor<T>& a, const Tensor<T>& b) {
    return pairwise_distance(a, b, options.p, options.eps, false, at);
  };
  Tensor<T> away = distance(anchor, negative);
  if (options.swap) away = minimum(away, distance(positive, negative));
  return reduced(op, at_least_zero(options.margin + distance(anchor, positive) - away, at), options.reduction,
                 at);
}

#define XGRAD_INSTANTIATE(T)                                                                                \
  template Tensor<T> mse_loss(const Tensor<T>&, const Tensor<T>&, Reduction, Location);                     \
  template Tensor<T> l1_loss(const Tensor<T>&, const Tensor<T>&, Reduction, Location);                      \
  template Tensor<T> smooth_l1_loss(const Tensor<T>&, const Tensor<T>&, Reduction, double, Location);       \
  template Tensor<T> huber_loss(const Tensor<T>&, const Tensor<T>&, Reduction, double, Location);           \
  template Tensor<T> binary_cross_entropy(const Tensor<T>&, const Tensor<T>&, const BinaryLossOptions&,     \
                                          Location);                                                        \
  template Tensor<T> binary_cross_entropy_with_logits(const Tensor<T>&, const Tensor<T>&, Reduction,        \
                                                      Location);                                            \
  template Tensor<T> binary_cross_entropy_with_logits(const Tensor<T>&, const Tensor<T>&,                   \
                                                      const BinaryLossOptions&, Location);                  \
  template Tensor<T> kl_div(const Tensor<T>&, const Tensor<T>&, const KLDivOptions&, Location);             \
  template Tensor<T> poisson_nll_loss(const Tensor<T>&, const Tensor<T>&, const PoissonLossOptions&,        \
                                      Location);                                                            \
  template Tensor<T> gaussian_nll_loss(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&,                \
                                       const GaussianLossOptions&, Location);                               \
  template Tensor<T> hinge_embedding_loss(const Tensor<T>&, const Tensor<T>&, double, Reduction, Location); \
  template Tensor<T> soft_margin_loss(const Tensor<T>&, const Tensor<T>&, Reduction, Location);             \
  template Tensor<T> margin_ranking_loss(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, double,      \
                                         Reduction, Location);                                              \
  template Tensor<T> cosine_embedding_loss(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, double,    \
                                           Reduction, Location);                                            \
  template Tensor<T> triplet_margin_loss(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&,              \
                                         const TripletLossOptions&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
