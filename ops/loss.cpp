// Losses. Cross-entropy is fused: two passes over the logits forward, one backward.
#include <xgrad/ops/loss.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/integer.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/softmax.hpp>

namespace xgrad {

using namespace detail;

namespace {

// What fits a loss: targets, and how many of them are used, in an array of one for kernels to read.
struct Targets {
  SavedIndices values;
  ClassLossOptions options;
  Indices used;
  bool all_used;  // never in a Replay, whose next targets may be others

  kernels::TargetRows rows() const { return {values.shape().elements(), options.ignore_index}; }
  bool mean() const { return options.reduction == Reduction::mean; }

  // What each row counts in the result, times `factor` where that is defined; 0 where the target is ignored.
  template <Real T>
  void write_weights(std::string_view op, const AnyTensor& factor, const AnyTensor& into) const {
    launch(kernels::on(into.device()).of<T>().target_weights, reads(values.unchanged(op)), rows(),
           reads<T>(factor), reads(mean() ? used : none), writes<T>(into));
  }
  template <Real T>
  Tensor<T> weights(std::string_view op) const {
    Tensor<T> w = empty<T>(values.shape());
    write_weights<T>(op, {}, w);
    return w;
  }
  // The targets with a class in place of those to be ignored.
  Indices classes(std::string_view op, std::int64_t classes) const {
    if (all_used) return values.unchanged(op);
    const Indices result = computed_indices(values.shape(), classes);
    launch(kernels::on(result.device()).without_ignored, reads(values.unchanged(op)), rows(), writes(result));
    return result;
  }

  Indices none{AnyTensor()};
};

// Finds out whether targets fit, and how many of them are used.
struct TargetCheck {
  std::string_view op;
  Shape input;
  std::int64_t rows, classes;
  const std::int64_t* targets;
  ClassLossOptions options;
  std::int64_t* used;

  void operator()() const {
    std::int64_t bad = -1;
    kernels::on(Device::cpu()).count_targets(targets, {rows, options.ignore_index}, classes, used, &bad);
    if (bad >= 0)
      throw ValueError(fmt::format(
          "{}: target {} at position {} is no class of input {}: they are 0 to {}; ignore_index is {}", op,
          targets[bad], bad, to_string(input), classes - 1, options.ignore_index));
    if (*used == 0 && options.reduction == Reduction::mean && options.error_if_none)
      throw ValueError(
          fmt::format("{}: {} of input {}, and the mean of no losses is undefined; skip the batch, use "
                      "Reduction::sum, or pass {{.error_if_none = false}} for PyTorch's NaN",
                      op, rows == 0 ? "there are no rows" : "every target is ignored", to_string(input)));
  }
};

// Which axis of x holds the classes.
std::size_t class_axis(std::string_view op, const AnyTensor& x, const ClassLossOptions& options) {
  check_defined(op, x);
  if (x.rank() == 0)
    throw ShapeError(fmt::format("{}: input of shape [] has no axis of classes; pass [N, C]", op));
  return normalize_axis(op, options.axis, x.shape());
}

// With the classes as the last axis; undefined where they are that already.
template <Real T>
Tensor<T> classes_moved(const Tensor<T>& x, std::size_t axis, Location at) {
  if (axis + 1 == x.rank()) return {};
  std::vector<std::int64_t> order;
  for (std::size_t a = 0; a < x.rank(); ++a)
    if (a != axis) order.push_back(static_cast<std::int64_t>(a));
  order.push_back(static_cast<std::int64_t>(axis));
  return permute(x, order, at);
}

Targets checked(std::string_view op, const AnyTensor& x, std::size_t axis, const Indices& targets,
                ClassLossOptions options) {
  Shape rows = x.shape();
  rows.erase(axis);
  if (targets.shape() != rows)
    throw ShapeError(fmt::format(
        "{}: input {} takes targets of shape {}, not {}; the classes are {}, and every row has one target",
        op, to_string(x.shape()), to_string(rows), to_string(targets.shape()),
        axis + 1 == x.rank() ? std::string("the last axis") : fmt::format("axis {}", axis)));
  const std::int64_t classes = x.shape()[axis];
  const bool computed = computed_in_replay(op, targets, classes);
  if (computed && options.ignore_index >= 0)
    detail::refuse_in_replay(op,
                             "targets that the function computes cannot be ignored; give no ignore_index, or "
                             "compute them before each run and assign() them");
  const Indices used(detail::empty_for_values({}, DType::int64));
  const TargetCheck check{op,      x.shape(),           rows.elements(), classes, reads(targets).address,
                          options, writes(used).address};
  check();
  if (!detail::in_replay()) return {targets, options, used, *check.used == rows.elements()};
  if (!computed) this_thread.replay->append_check(check, {&targets, &used});
  return {targets, options, used, false};
}

template <Real T>
struct CrossEntropy {
  static constexpr std::string_view name = "cross_entropy";
  Targets targets;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& logits) const {
    const std::int64_t rows = targets.values.shape().elements(), columns = logits.shape().back();
    const bool reduced = targets.options.reduction != Reduction::none;
    Tensor<T> result = empty<T>(reduced ? Shape() : targets.values.shape());
    // Of each row the maximum, the reciprocal of its sum, and its loss, until backward puts its weight there.
    Tensor<T> statistics = empty<T>({3, rows});
    launch(kernels_of(logits).cross_entropy, reads(logits), reads(targets.values.unchanged(name)),
           targets.rows(), columns, reduced ? writes(statistics, 2 * rows) : writes(result),
           writes(statistics), writes(statistics, rows), writes<T>(reduced ? result : AnyTensor()),
           reads(targets.mean() ? targets.used : targets.none));
    save(logits);
    save(statistics);
    return result;
  }

  bool backward(const Saved<T>& saved, std::span<GradientSlot> gradients, GradientSink& sink) const {
    const Tensor<T> logits = saved[0], statistics = saved[1], g(gradients[0].value);
    const std::int64_t rows = targets.values.shape().elements();
    AnyTensor scales = statistics.view({rows}, 2 * rows);
    if (targets.options.reduction == Reduction::none)
      copy_into(scales, g * targets.weights<T>(name));
    else
      targets.write_weights<T>(name, g, scales);
    sink.write(0, [&](AnyTensor& into, bool accumulate) {
      launch(kernels_of(logits).cross_entropy_adjoint, reads(logits), reads(targets.values.unchanged(name)),
             reads<T>(scales), reads(statistics), reads(statistics, rows), writes<T>(into), accumulate, rows,
             logits.shape().back());
    });
    return true;
  }

  // The gradient as recorded ops. Ignored rows may hold anything, such as infinities: they are cleared first.
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> logits = saved[0], scales = g * targets.weights<T>(name);
    const Tensor<T> used =
        targets.all_used ? logits : where(unsqueeze(targets.weights<T>(name), -1), logits, 0);
    return {(softmax(used, -1) -
             one_hot<T>(targets.classes(name, logits.shape().back()), logits.shape().back())) *
            unsqueeze(scales, -1)};
  }
};

void check_same_shape(std::string_view op, const AnyTensor& input, const AnyTensor& target,
                      Reduction reduction) {
  check_defined(op, input, 0);
  check_defined(op, target, 1);
  if (input.shape() != target.shape())
    throw ShapeError(
        fmt::format("{}: input {} and target {} differ; give them one shape, by reshape() or expand()", op,
                    to_string(input.shape()), to_string(target.shape())));
  if (reduction == Reduction::mean && input.elements() == 0)
    throw ValueError(
        fmt::format("{}: the mean over no elements, of shape {}, is undefined; use Reduction::sum", op,
                    to_string(input.shape())));
}

template <Real T>
Tensor<T> reduced(const Tensor<T>& losses, Reduction reduction, Location at) {
  if (reduction == Reduction::none) return losses;
  return reduction == Reduction::mean ? mean(losses, {}, false, at) : sum(losses, {}, false, at);
}

// A loss whose every element is given by a formula.
template <class F, Real T>
Tensor<T> elementwise_loss(std::string_view op, const Tensor<T>& input, const Tensor<T>& target,
                           Reduction reduction, Location at) {
  const CallSite call(at);
  check_same_shape(op, input, target, reduction);
  return reduced(elementwise<F>(at, input, target), reduction, at);
}

}  // namespace

template <Real T>
Tensor<T> cross_entropy(const Tensor<T>& logits, const Indices& targets, ClassLossOptions options,
                        Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "cross_entropy";
  const std::size_t axis = class_axis(op, logits, options);
  const Tensor<T> moved = classes_moved(logits, axis, at);
  return apply(CrossEntropy<T>{checked(op, logits, axis, targets, options)}, at,
               moved.defined() ? moved : logits);
}

template <Real T>
Tensor<T> nll_loss(const Tensor<T>& log_probabilities, const Indices& targets, ClassLossOptions options,
                   Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "nll_loss";
  const std::size_t axis = class_axis(op, log_probabilities, options);
  const Targets t = checked(op, log_probabilities, axis, targets, options);
  const Tensor<T> moved = classes_moved(log_probabilities, axis, at);
  const Tensor<T>& rows = moved.defined() ? moved : log_probabilities;
  Shape column = targets.shape();
  column.push_back(1);
  Tensor<T> picked =
      reshape(gather(rows, -1, reshape(t.classes(op, rows.shape().back()), column), at), targets.shape(), at);
  const Tensor<T> weights = t.weights<T>(op);
  if (!t.all_used) picked = where(weights, picked, 0, at);  // an ignored row may hold an infinity
  const Tensor<T> losses = picked * (-weights);
  if (options.reduction == Reduction::none) return losses;
  const Tensor<T> total = sum(losses, {}, false, at);
  return t.mean() && !options.error_if_none ? total + 0 / to_tensor<T>(t.used) : total;  // NaN for no rows
}

template <Real T>
Tensor<T> mse_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction, Location at) {
  return elementwise_loss<formulas::SquaredError>("mse_loss", input, target, reduction, at);
}

template <Real T>
Tensor<T> l1_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction, Location at) {
  return elementwise_loss<formulas::AbsoluteError>("l1_loss", input, target, reduction, at);
}

template <Real T>
Tensor<T> binary_cross_entropy_with_logits(const Tensor<T>& input, const Tensor<T>& target,
                                           Reduction reduction, Location at) {
  return elementwise_loss<formulas::BinaryCrossEntropy>("binary_cross_entropy_with_logits", input, target,
                                                        reduction, at);
}

#define XGRAD_INSTANTIATE(T)                                                                         \
  template Tensor<T> cross_entropy(const Tensor<T>&, const Indices&, ClassLossOptions, Location);    \
  template Tensor<T> nll_loss(const Tensor<T>&, const Indices&, ClassLossOptions, Location);         \
  template Tensor<T> mse_loss(const Tensor<T>&, const Tensor<T>&, Reduction, Location);              \
  template Tensor<T> l1_loss(const Tensor<T>&, const Tensor<T>&, Reduction, Location);               \
  template Tensor<T> binary_cross_entropy_with_logits(const Tensor<T>&, const Tensor<T>&, Reduction, \
                                                      Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
