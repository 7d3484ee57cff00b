// Losses. Names and formulas are those of torch.nn.functional.
#pragma once

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// What is returned: a loss for each element or row, their mean, or their sum.
enum class Reduction { none, mean, sum };

/// Options of cross_entropy and nll_loss.
struct ClassLossOptions {
  Reduction reduction = Reduction::mean;
  std::int64_t ignore_index =
      -100;                   ///< rows with this target count for nothing, nor does the mean count them
  std::int64_t axis = -1;     ///< that of the classes; in PyTorch axis 1
  bool error_if_none = true;  ///< for the mean of no rows; else it is NaN, and the gradient 0, as in PyTorch
};

/// -log(softmax(logits)[target]). The classes are the last axis: logits [N, C] with targets [N], or sequences
/// [T, N, C] with [T, N], or any shape [..., C] with [...]. With `.axis = 1` they are PyTorch's: [N, C, T]
/// with [N, T]. Throws ShapeError where the shapes do not fit, ValueError for a target that is no class, and,
/// unless `error_if_none` is off, for the mean of a batch that is empty or ignored altogether.
template <Real T>
Tensor<T> cross_entropy(const Tensor<T>& logits, const Indices& targets, ClassLossOptions options = {},
                        Location at = Location::current());

/// -log_probabilities[target], on the same terms: cross_entropy(x, t) is nll_loss(log_softmax(x), t).
template <Real T>
Tensor<T> nll_loss(const Tensor<T>& log_probabilities, const Indices& targets, ClassLossOptions options = {},
                   Location at = Location::current());

/// (input - target)². The shapes must be equal: these losses do not broadcast, and throw ShapeError. The mean
/// of no elements throws ValueError.
template <Real T>
Tensor<T> mse_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction = Reduction::mean,
                   Location at = Location::current());

/// |input - target|
template <Real T>
Tensor<T> l1_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction = Reduction::mean,
                  Location at = Location::current());

/// -(target log(sigmoid(input)) + (1 - target) log(1 - sigmoid(input))), without overflow.
template <Real T>
Tensor<T> binary_cross_entropy_with_logits(const Tensor<T>& input, const Tensor<T>& target,
                                           Reduction reduction = Reduction::mean,
                                           Location at = Location::current());

}  // namespace xgrad
