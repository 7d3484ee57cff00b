// Connectionist temporal classification, as the forward algorithm unrolled over time (Graves et al. 2006,
// section 4.1).
#include <xgrad/ops/loss.hpp>

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/by_element.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

constexpr std::string_view op = "ctc_loss";
constexpr double never = -1e30;  // the logarithm of 0, kept finite so that differences of two are no NaN

// The targets with blanks around every symbol, and which of them are reached how.
struct Labels {
  std::int64_t batch, length;  // 2 S + 1 of them for each sequence
  std::vector<std::int64_t> classes;
  std::vector<double> start, skip;  // 0 where a path may begin, or come from two labels before; else `never`
  std::vector<std::int64_t> last;   // the two labels in which a path may end, for each sequence ...
  std::vector<double> ends;         // ... unless its target is empty: then there is one
};

Labels labels_of(const Indices& targets, const Indices& target_lengths, std::int64_t blank) {
  const std::int64_t batch = targets.shape()[0], symbols = targets.shape()[1], length = 2 * symbols + 1;
  Labels of{batch, length, {}, {}, {}, {}, {}};
  for (std::int64_t n = 0; n < batch; ++n) {
    const auto symbol = [&](std::int64_t l) {
      return l % 2 == 0 ? blank : targets.values()[static_cast<std::size_t>(n * symbols + l / 2)];
    };
    const std::int64_t count = target_lengths.values()[static_cast<std::size_t>(n)];
    for (std::int64_t l = 0; l < length; ++l) {
      const bool used = l <= 2 * count;  // what is after the target may hold anything
      of.classes.push_back(used ? symbol(l) : blank);
      of.start.push_back(l < 2 ? 0 : never);
      of.skip.push_back(used && l % 2 == 1 && l > 1 && symbol(l) != symbol(l - 2) ? 0 : never);
    }
    of.last.insert(of.last.end(), {2 * count, std::max<std::int64_t>(2 * count - 1, 0)});
    of.ends.insert(of.ends.end(), {0, count > 0 ? 0 : never});
  }
  return of;
}

void check_range(const char* what, const Indices& values, std::int64_t low, std::int64_t high) {
  for (const std::int64_t v : values.values())
    if (v < low || v > high)
      throw ValueError(fmt::format("ctc_loss: {} of {}; it is from {} to {}", what, v, low, high));
}

void check(const AnyTensor& x, const Indices& targets, const Indices& input_lengths,
           const Indices& target_lengths, const CTCLossOptions& options) {
  check_defined(op, x, 0);
  if (in_replay())
    refuse_in_replay(op, "it reads the targets and lengths once, not in every run; call it outside");
  if (x.rank() != 3 || targets.rank() != 2 || targets.shape()[0] != x.shape()[1])
    throw ShapeError(
        fmt::format("ctc_loss: log_probabilities {} and targets {}; give them as (T, N, C) and (N, S)",
                    to_string(x.shape()), to_string(targets.shape())));
  const std::int64_t steps = x.shape()[0], batch = x.shape()[1], classes = x.shape()[2];
  for (const Indices* lengths : {&input_lengths, &target_lengths})
    if (lengths->shape() != Shape{batch})
      throw ShapeError(
          fmt::format("ctc_loss: lengths of shape {} for a batch of {}; give one for each sequence",
                      to_string(lengths->shape()), batch));
  if (batch == 0 || steps == 0)
    throw ShapeError(fmt::format("ctc_loss: log_probabilities {} hold no sequence", to_string(x.shape())));
  if (options.blank < 0 || options.blank >= classes)
    throw ValueError(
        fmt::format("ctc_loss: blank is {}; it is a class, 0 to {}", options.blank, classes - 1));
  check_range("an input length", input_lengths, 1, steps);
  check_range("a target length", target_lengths, 0, targets.shape()[1]);
  for (std::int64_t n = 0; n < batch; ++n)
    for (std::int64_t s = 0; s < target_lengths.values()[static_cast<std::size_t>(n)]; ++s) {
      const std::int64_t target = targets.values()[static_cast<std::size_t>(n * targets.shape()[1] + s)];
      if (target < 0 || target >= classes || target == options.blank)
        throw ValueError(
            fmt::format("ctc_loss: target {} of sequence {} at {}; it is a class, 0 to {}, and not the "
                        "blank {}",
                        target, n, s, classes - 1, options.blank));
    }
}

// One list of numbers for each sequence.
template <Real T>
Tensor<T> rows_of(const std::vector<double>& values, std::int64_t batch) {
  const std::vector<T> typed(values.begin(), values.end());
  return from_values<T>({batch, static_cast<std::int64_t>(values.size()) / batch}, std::span<const T>(typed));
}

// Minus the log-probability of each sequence.
template <Real T>
Tensor<T> negative_log_likelihoods(const Tensor<T>& x, const Labels& labels, const Indices& input_lengths,
                                   Location at) {
  const std::int64_t steps = x.shape()[0], batch = labels.batch, length = labels.length;
  std::vector<std::int64_t> everywhere;
  for (std::int64_t t = 0; t < steps; ++t)
    everywhere.insert(everywhere.end(), labels.classes.begin(), labels.classes.end());
  const Tensor<T> p = clamp(gather(x, -1, Indices({steps, batch, length}, everywhere), at), never,
                            std::numeric_limits<double>::infinity(), at);
  const std::vector<Tensor<T>> p_at = unbind(p, 0, at);
  const Tensor<T> skip = rows_of<T>(labels.skip, batch);
  const auto moved = [&](const Tensor<T>& alpha, std::int64_t by) {
    if (by >= length) return full<T>({batch, length}, never);
    return pad(narrow(alpha, 1, 0, length - by, at), {by, 0}, never, at);
  };
  Tensor<T> alpha = p_at[0] + rows_of<T>(labels.start, batch);
  for (std::int64_t t = 1; t < steps; ++t) {
    const Tensor<T> next = by_element<formulas::CTCStep>(at, p_at[static_cast<std::size_t>(t)], alpha,
                                                         moved(alpha, 1), moved(alpha, 2) + skip);
    std::vector<double> goes_on;
    for (const std::int64_t n : input_lengths.values()) goes_on.push_back(t < n);
    alpha = std::ranges::count(goes_on, 0) ? where(rows_of<T>(goes_on, batch), next, alpha, at) : next;
  }
  const Tensor<T> ends =
      gather(alpha, 1, Indices({batch, 2}, labels.last), at) + rows_of<T>(labels.ends, batch);
  return -logsumexp(ends, 1, false, at);
}

}  // namespace

template <Real T>
Tensor<T> ctc_loss(const Tensor<T>& log_probabilities, const Indices& targets, const Indices& input_lengths,
                   const Indices& target_lengths, const CTCLossOptions& options, Location at) {
  const CallSite call(at);
  check(log_probabilities, targets, input_lengths, target_lengths, options);
  const Labels labels = labels_of(targets, target_lengths, options.blank);
  Tensor<T> losses = negative_log_likelihoods(log_probabilities, labels, input_lengths, at);
  losses = where(losses > -never / 2, options.zero_infinity ? 0 : std::numeric_limits<double>::infinity(),
                 losses, at);
  if (options.reduction == Reduction::none) return losses;
  if (options.reduction == Reduction::sum) return sum(losses, {}, false, at);
  std::vector<double> shares;
  for (const std::int64_t s : target_lengths.values())
    shares.push_back(1 / static_cast<double>(std::max<std::int64_t>(s, 1)));
  return mean(losses * reshape(rows_of<T>(shares, labels.batch), {labels.batch}), {}, false, at);
}

#define XGRAD_INSTANTIATE(T)                                                                    \
  template Tensor<T> ctc_loss(const Tensor<T>&, const Indices&, const Indices&, const Indices&, \
                              const CTCLossOptions&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
