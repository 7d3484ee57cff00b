// Losses of classes. Cross-entropy is fused: two passes over the logits forward, one backward; with weights
// or label smoothing it is made of ops.
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
  Reduction reduction;
  std::int64_t ignore_index;
  Indices used;
  bool all_used;  // never in a Replay, whose next targets may be others

  kernels::TargetRows rows() const { return {values.shape().elements(), ignore_index}; }
  bool mean() const { return reduction == Reduction::mean; }

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
  std::int64_t ignore_index;
  bool some;  // or the mean of none is undefined
  std::int64_t* used;

  void operator()() const {
    std::int64_t bad = -1;
    kernels::on(Device::cpu()).count_targets(targets, {rows, ignore_index}, classes, used, &bad);
    if (bad >= 0)
      throw ValueError(fmt::format(
          "{}: target {} at position {} is no class of input {}: they are 0 to {}; ignore_index is {}", op,
          targets[bad], bad, to_string(input), classes - 1, ignore_index));
    if (*used == 0 && some)
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
                const ClassLossOptions& options) {
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
  const TargetCheck check{.op = op,
                          .input = x.shape(),
                          .rows = rows.elements(),
                          .classes = classes,
                          .targets = reads(targets).address,
                          .ignore_index = options.ignore_index,
                          .some = options.reduction == Reduction::mean && options.error_if_none,
                          .used = writes(used).address};
  check();
  const bool replay = detail::in_replay();
  if (replay && !computed) this_thread.replay->append_check(check, {&targets, &used});
  return {targets, options.reduction, options.ignore_index, used, !replay && *check.used == rows.elements()};
}

template <Real T>
struct CrossEntropy {
  static constexpr std::string_view name = "cross_entropy";
  Targets targets;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& logits) const {
    const std::int64_t rows = targets.values.shape().elements(), columns = logits.shape().back();
    const bool reduced = targets.reduction != Reduction::none;
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
    AnyTensor scales = statistics.part({rows}, 2 * rows);
    if (targets.reduction == Reduction::none)
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

// Options that the fused cross-entropy does not know.
bool composed(const ClassLossOptions& options) {
  return options.weight.defined() || options.label_smoothing != 0;
}

// The weights of the classes; undefined where all are 1. Throws where they or the smoothing do not fit.
template <Real T>
Tensor<T> class_weights(std::string_view op, const ClassLossOptions& options, std::int64_t classes) {
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    throw ValueError(
        fmt::format("{}: label_smoothing is {}; it is from 0 to 1", op, options.label_smoothing));
  if (options.weight.defined() && options.weight.shape() != Shape{classes})
    throw ShapeError(fmt::format("{}: a weight of shape {} for {} classes; give one for each, of shape {}",
                                 op, to_string(options.weight.shape()), classes, to_string(Shape{classes})));
  return Tensor<T>(options.weight);
}

// The losses of log-probabilities (…, classes), reduced.
template <Real T>
Tensor<T> composed_loss(std::string_view op, const Tensor<T>& rows, const Targets& t,
                        const ClassLossOptions& options, Location at) {
  const std::int64_t classes = rows.shape().back();
  const Tensor<T> weight = class_weights<T>(op, options, classes);
  Targets each = t;
  each.reduction = Reduction::none;
  const Tensor<T> used = each.weights<T>(op);  // 1, and 0 where a target is ignored
  const Indices target = t.classes(op, classes);
  Shape column = target.shape();
  column.push_back(1);
  Tensor<T> counts = used;
  if (weight.defined())
    counts =
        used * reshape(index_select(weight, 0, reshape(target, {target.elements()}), at), target.shape());
  // An ignored row may hold an infinity.
  const auto kept = [&](const Tensor<T>& x) { return t.all_used ? x : where(used, x, 0, at); };
  const Tensor<T> picked = kept(reshape(gather(rows, -1, reshape(target, column), at), target.shape(), at));
  Tensor<T> losses = -(picked * counts);
  if (const double smoothing = options.label_smoothing; smoothing > 0) {
    const Tensor<T> all = kept(sum(weight.defined() ? rows * weight : rows, -1, false, at));
    losses = losses * (1 - smoothing) - all * used * (smoothing / static_cast<double>(classes));
  }
  if (options.reduction == Reduction::none) return losses;
  const Tensor<T> total = sum(losses, {}, false, at);
  if (options.reduction == Reduction::sum) return total;
  const Tensor<T> n = sum(counts);  // of none the mean is NaN, and its gradient 0
  return total * elementwise<formulas::RatioOrZero>(at, 1, n) + 0 / n;
}

}  // namespace

template <Real T>
Tensor<T> cross_entropy(const Tensor<T>& logits, const Indices& targets, const ClassLossOptions& options,
                        Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "cross_entropy";
  const std::size_t axis = class_axis(op, logits, options);
  const Tensor<T> moved = classes_moved(logits, axis, at);
  const Tensor<T>& rows = moved.defined() ? moved : logits;
  Targets t = checked(op, logits, axis, targets, options);
  if (composed(options)) return composed_loss(op, log_softmax(rows, -1, at), t, options, at);
  return apply(CrossEntropy<T>{std::move(t)}, at, rows);
}

template <Real T>
Tensor<T> detail::cross_entropy_of(const Tensor<T>& logits, const Tensor<T>& probabilities,
                                   const ClassLossOptions& options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "cross_entropy";
  const std::size_t axis = class_axis(op, logits, options);
  check_defined(op, probabilities, 1);
  if (probabilities.shape() != logits.shape())
    throw ShapeError(
        fmt::format("{}: logits {} and probabilities {} differ; give a probability for each class", op,
                    to_string(logits.shape()), to_string(probabilities.shape())));
  const std::int64_t classes = logits.shape()[axis];
  Shape for_each_class;
  for (std::size_t a = 0; a < logits.rank(); ++a) for_each_class.push_back(a == axis ? classes : 1);
  const Tensor<T> weight = class_weights<T>(op, options, classes);
  Tensor<T> wanted = probabilities;
  if (const double smoothing = options.label_smoothing; smoothing > 0)
    wanted = wanted * (1 - smoothing) + smoothing / static_cast<double>(classes);
  if (weight.defined()) wanted = wanted * reshape(weight, for_each_class);
  const auto number = static_cast<std::int64_t>(axis);
  const Tensor<T> losses = -sum(wanted * log_softmax(logits, number, at), number, false, at);
  if (options.reduction == Reduction::none) return losses;
  if (options.reduction == Reduction::sum) return sum(losses, {}, false, at);
  return losses.elements() == 0 && !options.error_if_none ? sum(losses) / 0 : mean(losses, {}, false, at);
}

template <Real T>
Tensor<T> nll_loss(const Tensor<T>& log_probabilities, const Indices& targets,
                   const ClassLossOptions& options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "nll_loss";
  if (options.label_smoothing != 0)
    throw ValueError("nll_loss: label_smoothing is an option of cross_entropy alone");
  const std::size_t axis = class_axis(op, log_probabilities, options);
  const Targets t = checked(op, log_probabilities, axis, targets, options);
  const Tensor<T> moved = classes_moved(log_probabilities, axis, at);
  return composed_loss(op, moved.defined() ? moved : log_probabilities, t, options, at);
}

#define XGRAD_INSTANTIATE(T)                                                                               \
  template Tensor<T> cross_entropy(const Tensor<T>&, const Indices&, const ClassLossOptions&, Location);   \
  template Tensor<T> detail::cross_entropy_of(const Tensor<T>&, const Tensor<T>&, const ClassLossOptions&, \
                                              Location);                                                   \
  template Tensor<T> nll_loss(const Tensor<T>&, const Indices&, const ClassLossOptions&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
