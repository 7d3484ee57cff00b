// Losses. Cross-entropy is fused: two passes over the logits forward, one backward.
#include <xgrad/ops/loss.hpp>

#include <fmt/format.h>

#include <memory>
#include <span>
#include <vector>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/kernels/fold.hpp>
#include <xgrad/ops/kernels/softmax.hpp>
#include <xgrad/ops/kernels/targets.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/softmax.hpp>

namespace xgrad {

namespace {

const kernels::SoftmaxTable<float>& loops(float) { return kernels::softmax_float(); }
const kernels::SoftmaxTable<double>& loops(double) { return kernels::softmax_double(); }
const kernels::FoldTable<float>& sums(float) { return kernels::fold_float(); }
const kernels::FoldTable<double>& sums(double) { return kernels::fold_double(); }

// Finds out whether targets fit, and how many of them are used.
struct TargetCheck {
  std::string_view op;
  Shape input;
  std::span<const std::int64_t> targets;
  ClassLossOptions options;

  std::int64_t operator()() const {
    const auto count = kernels::count_targets(targets, input.back(), options.ignore_index);
    if (count.bad >= 0)
      throw ValueError(fmt::format(
          "{}: target {} at position {} is no class of input {}: they are 0 to {}; ignore_index is {}", op,
          targets[static_cast<std::size_t>(count.bad)], count.bad, to_string(input), input.back() - 1,
          options.ignore_index));
    if (count.used == 0 && options.reduction == Reduction::mean)
      throw ValueError(fmt::format(
          "{}: {} of input {}, and the mean of no losses is undefined; skip the batch, or use "
          "Reduction::sum",
          op, targets.empty() ? "there are no rows" : "every target is ignored", to_string(input)));
    return count.used;
  }
};

// Targets that fit.
struct Targets {
  SavedIndices values;
  ClassLossOptions options;
  std::int64_t used = 0;                                // how many are not to be ignored
  std::shared_ptr<std::int64_t> used_in_run = nullptr;  // the same in a Replay

  // What kernels work with: the loss of a row that is used counts weight() in the result.
  struct Rows {
    std::span<const std::int64_t> targets;
    std::int64_t ignored;
    const std::int64_t* used;
    bool mean;
    double weight() const { return mean ? 1 / static_cast<double>(*used) : 1; }
  };
  Rows rows(std::string_view op) const {
    return {values.unchanged(op).address(), options.ignore_index, used_in_run ? used_in_run.get() : &used,
            options.reduction == Reduction::mean};
  }

  // The weight of each row, 0 where the target is ignored.
  template <Real T>
  Tensor<T> weights(std::string_view op) const {
    Tensor<T> w = empty<T>(values.shape());
    launch([rows = rows(op), to = detail::data_of<T>(w)] {
      kernels::target_weights(rows.targets, rows.ignored, static_cast<T>(rows.weight()), to);
    });
    return w;
  }
  // Not in a Replay, whose next targets may be others.
  bool all_used() const { return used == values.shape().elements() && !used_in_run; }
  // The targets with a class in place of those to be ignored.
  Indices classes(std::string_view op, std::int64_t classes) const {
    if (all_used()) return values.unchanged(op);
    Indices result(values.shape(),
                   std::vector<std::int64_t>(static_cast<std::size_t>(values.shape().elements())));
    launch([rows = rows(op), to = result.mutable_address(classes)] {
      kernels::without_ignored(rows.targets, rows.ignored, to);
    });
    return result;
  }
};

Targets checked(std::string_view op, const AnyTensor& x, const Indices& targets, ClassLossOptions options) {
  detail::check_defined(op, x);
  if (x.rank() == 0)
    throw ShapeError(fmt::format("{}: input of shape [] has no axis of classes; pass [N, C]", op));
  Shape rows = x.shape();
  rows.erase(rows.rank() - 1);
  if (targets.shape() != rows)
    throw ShapeError(fmt::format(
        "{}: input {} takes targets of shape {}, not {}; the classes are the last axis, and every row "
        "has one target",
        op, to_string(x.shape()), to_string(rows), to_string(targets.shape())));
  const TargetCheck check{op, x.shape(), targets.address(), options};
  if (!detail::in_replay()) return {targets, options, check()};
  const bool computed = targets.computed_in_replay(op, x.shape().back());
  if (computed && options.ignore_index >= 0)
    detail::refuse_in_replay(op,
                             "targets that the function computes cannot be ignored; give no ignore_index, or "
                             "compute them before each run and assign() them");
  Targets result{targets, options, check()};
  result.used_in_run = std::make_shared<std::int64_t>(result.used);
  this_thread.replay->hold(result.used_in_run);
  if (!computed)
    this_thread.replay->append_check([check, used = result.used_in_run.get()] { *used = check(); });
  return result;
}

template <Real T>
struct CrossEntropy {
  static constexpr std::string_view name = "cross_entropy";
  Targets targets;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& logits) const {
    const std::int64_t rows = targets.values.shape().elements(), columns = logits.shape().back();
    const bool reduced = targets.options.reduction != Reduction::none;
    Tensor<T> result = empty<T>(reduced ? Shape() : targets.values.shape());
    Tensor<T> statistics =
        empty<T>({3, rows});  // maximum, sum, and until backward weighs it, loss of each row
    launch([=, of = targets.rows(name), x = logits.address(), maxima = detail::data_of<T>(statistics),
            result = detail::data_of<T>(result)] {
      T* const losses = reduced ? maxima + 2 * rows : result;
      loops(T()).cross_entropy(x, of.targets.data(), of.ignored, losses, maxima, maxima + rows, rows,
                               columns);
      if (reduced) sums(T()).fold[static_cast<int>(kernels::Fold::sum)](losses, nullptr, result, 1, rows, 1);
      if (of.mean) *result /= static_cast<T>(*of.used);
    });
    save(logits);
    save(statistics);
    return result;
  }

  bool backward(const Saved<T>& saved, std::span<GradientSlot> gradients, GradientSink& sink) const {
    const Tensor<T> logits = saved[0], g(gradients[0].value);
    Tensor<T> statistics = saved[1];
    const std::int64_t rows = targets.values.shape().elements();
    const bool reduced = targets.options.reduction != Reduction::none;
    if (!reduced) {
      AnyTensor scales = statistics.view({rows}, 2 * rows);
      copy_into(scales, g * targets.weights<T>(name));
    }
    sink.write(0, [&](AnyTensor& into, bool accumulate) {
      launch([=, of = targets.rows(name), x = logits.address(), columns = logits.shape().back(),
              g = g.address(), maxima = detail::data_of<T>(statistics), dx = detail::data_of<T>(into)] {
        T* const scales = maxima + 2 * rows;
        if (reduced)
          kernels::target_weights(of.targets, of.ignored, *g * static_cast<T>(of.weight()), scales);
        loops(T()).cross_entropy_adjoint(x, of.targets.data(), scales, maxima, maxima + rows, dx, accumulate,
                                         rows, columns);
      });
    });
    return true;
  }

  // The gradient as recorded ops. Ignored rows may hold anything, such as infinities: they are cleared first.
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> logits = saved[0], scales = g * targets.weights<T>(name);
    const Tensor<T> used =
        targets.all_used() ? logits : where(unsqueeze(targets.weights<T>(name), -1), logits, 0);
    return {(softmax(used, -1) -
             one_hot<T>(targets.classes(name, logits.shape().back()), logits.shape().back())) *
            unsqueeze(scales, -1)};
  }
};

void check_same_shape(std::string_view op, const AnyTensor& input, const AnyTensor& target,
                      Reduction reduction) {
  detail::check_defined(op, input, 0);
  detail::check_defined(op, target, 1);
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
  check_same_shape(op, input, target, reduction);
  return reduced(detail::elementwise<F>(at, input, target), reduction, at);
}

}  // namespace

template <Real T>
Tensor<T> cross_entropy(const Tensor<T>& logits, const Indices& targets, ClassLossOptions options,
                        Location at) {
  return apply(CrossEntropy<T>{checked("cross_entropy", logits, targets, options)}, at, logits);
}

template <Real T>
Tensor<T> nll_loss(const Tensor<T>& log_probabilities, const Indices& targets, ClassLossOptions options,
                   Location at) {
  constexpr std::string_view op = "nll_loss";
  const Targets t = checked(op, log_probabilities, targets, options);
  Shape column = targets.shape();
  column.push_back(1);
  Tensor<T> picked = reshape(
      gather(log_probabilities, -1, t.classes(op, log_probabilities.shape().back()).reshape(column), at),
      targets.shape(), at);
  const Tensor<T> weights = t.weights<T>(op);
  if (!t.all_used()) picked = where(weights, picked, 0, at);  // an ignored row may hold an infinity
  const Tensor<T> losses = picked * (-weights);
  return options.reduction == Reduction::none ? losses : sum(losses, {}, false, at);
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
XGRAD_INSTANTIATE(float)
XGRAD_INSTANTIATE(double)
#undef XGRAD_INSTANTIATE

}  // namespace xgrad
