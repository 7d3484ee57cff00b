// Losses. Names and formulas are those of torch.nn.functional. Where classes are not concerned, input and target have
// one shape: these losses do not broadcast, and throw ShapeError. The mean of no elements throws ValueError.
#pragma once

#include <concepts>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// What is returned: a loss for each element or row, their mean, or their sum.
enum class Reduction { none, mean, sum };

/// Options of cross_entropy and nll_loss.
struct ClassLossOptions {
  Reduction reduction = Reduction::mean;
  std::int64_t ignore_index =
      -100;                    ///< rows with this target count for nothing, nor does the mean count them
  std::int64_t axis = -1;      ///< that of the classes; in PyTorch axis 1
  bool error_if_none = true;   ///< for the mean of no rows; else it is NaN, and the gradient 0, as in PyTorch
  AnyTensor weight = {};       ///< of each class, shape [C]; the mean is divided by the sum of the targets' weights
  double label_smoothing = 0;  ///< of cross_entropy: the part of a target that all classes share (Szegedy 2016)
};

/// -log(softmax(logits)[target]). The classes are the last axis: logits [N, C] with targets [N], or sequences
/// [T, N, C] with [T, N], or any shape [..., C] with [...]. With `.axis = 1` they are PyTorch's: [N, C, T]
/// with [N, T]. Throws ShapeError where the shapes do not fit, ValueError for a target that is no class, and,
/// unless `error_if_none` is off, for the mean of a batch that is empty or ignored altogether.
template <Real T>
Tensor<T> cross_entropy(const Tensor<T>& logits, const Indices& targets, const ClassLossOptions& options = {},
                        Location at = Location::current());

namespace detail {
template <Real T>
Tensor<T> cross_entropy_of(const Tensor<T>& logits, const Tensor<T>& probabilities,
                           const ClassLossOptions& options, Location at);
}

/// -sum(p log(softmax(logits))) over the classes, of a probability p for each class, in the shape of the logits. The
/// mean counts every row once, whatever the weights, as PyTorch's. (Probabilities are a Tensor, never a list in
/// braces, which are targets.)
template <Real T, std::same_as<Tensor<T>> Probabilities>
Tensor<T> cross_entropy(const Tensor<T>& logits, const Probabilities& probabilities,
                        const ClassLossOptions& options = {}, Location at = Location::current()) {
  return detail::cross_entropy_of(logits, probabilities, options, at);
}

/// -log_probabilities[target], on the same terms: cross_entropy(x, t) is nll_loss(log_softmax(x), t). It smooths no
/// labels.
template <Real T>
Tensor<T> nll_loss(const Tensor<T>& log_probabilities, const Indices& targets,
                   const ClassLossOptions& options = {}, Location at = Location::current());

/// (input - target)²
template <Real T>
Tensor<T> mse_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction = Reduction::mean,
                   Location at = Location::current());

/// |input - target|
template <Real T>
Tensor<T> l1_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction = Reduction::mean,
                  Location at = Location::current());

/// (input - target)² / (2 beta) where |input - target| < beta, else |input - target| - beta / 2. Throws ValueError for
/// a beta that is not at least 0.
template <Real T>
Tensor<T> smooth_l1_loss(const Tensor<T>& input, const Tensor<T>& target,
                         Reduction reduction = Reduction::mean, double beta = 1,
                         Location at = Location::current());

/// (input - target)² / 2 where |input - target| <= delta, else delta (|input - target| - delta / 2) (Huber 1964).
/// Throws ValueError for a delta that is not above 0.
template <Real T>
Tensor<T> huber_loss(const Tensor<T>& input, const Tensor<T>& target, Reduction reduction = Reduction::mean,
                     double delta = 1, Location at = Location::current());

/// Options of the binary cross-entropies. Weights broadcast to the shape of the input.
struct BinaryLossOptions {
  Reduction reduction = Reduction::mean;
  AnyTensor weight = {};      ///< of each loss; the mean still counts every element once
  AnyTensor pos_weight = {};  ///< of positive examples, such as one for each class; with logits only
};

/// -(target log(input) + (1 - target) log(1 - input)) of probabilities; logarithms are at least -100, and constant
/// there. Throws ValueError for an input that is no probability.
template <Real T>
Tensor<T> binary_cross_entropy(const Tensor<T>& input, const Tensor<T>& target,
                               const BinaryLossOptions& options = {}, Location at = Location::current());

/// -(target log(sigmoid(input)) + (1 - target) log(1 - sigmoid(input))), without overflow.
template <Real T>
Tensor<T> binary_cross_entropy_with_logits(const Tensor<T>& input, const Tensor<T>& target,
                                           Reduction reduction = Reduction::mean,
                                           Location at = Location::current());
/// The same with weights: `{.pos_weight = w}`.
template <Real T>
Tensor<T> binary_cross_entropy_with_logits(const Tensor<T>& input, const Tensor<T>& target,
                                           const BinaryLossOptions& options,
                                           Location at = Location::current());

/// Options of kl_div.
struct KLDivOptions {
  Reduction reduction = Reduction::mean;
  bool batchmean = false;   ///< the sum divided by the first extent, the divergence of mathematics; not `reduction`
  bool log_target = false;  ///< the targets are logarithms, too
};

/// The Kullback-Leibler divergence target (log(target) - input) of logarithms of probabilities `input`, 0 where the
/// target is.
template <Real T>
Tensor<T> kl_div(const Tensor<T>& input, const Tensor<T>& target, const KLDivOptions& options = {},
                 Location at = Location::current());

/// Options of poisson_nll_loss.
struct PoissonLossOptions {
  Reduction reduction = Reduction::mean;
  bool log_input = true;  ///< the input is the logarithm of the rate
  bool full = false;      ///< add log(target!) by Stirling's formula, where the target is above 1
  double eps = 1e-8;      ///< added to a rate before its logarithm is taken
};

/// exp(input) - target input, or input - target log(input + eps) without `log_input`: the negative log-likelihood of
/// counts.
template <Real T>
Tensor<T> poisson_nll_loss(const Tensor<T>& input, const Tensor<T>& target,
                           const PoissonLossOptions& options = {}, Location at = Location::current());

/// Options of gaussian_nll_loss.
struct GaussianLossOptions {
  Reduction reduction = Reduction::mean;
  bool full = false;  ///< add log(2 pi) / 2
  double eps = 1e-6;  ///< a smaller variance counts as this, and gets the gradient of this
};

/// (log(variance) + (input - target)² / variance) / 2 (Nix & Weigend 1994). The variance has the shape of the input, or
/// 1 as its last extent. Throws ValueError for a negative variance.
template <Real T>
Tensor<T> gaussian_nll_loss(const Tensor<T>& input, const Tensor<T>& target, const Tensor<T>& variance,
                            const GaussianLossOptions& options = {}, Location at = Location::current());

/// input where the target is 1, max(0, margin - input) where it is -1.
template <Real T>
Tensor<T> hinge_embedding_loss(const Tensor<T>& input, const Tensor<T>& target, double margin = 1,
                               Reduction reduction = Reduction::mean, Location at = Location::current());

/// log(1 + exp(-target input)), with targets 1 and -1.
template <Real T>
Tensor<T> soft_margin_loss(const Tensor<T>& input, const Tensor<T>& target,
                           Reduction reduction = Reduction::mean, Location at = Location::current());

/// max(0, margin - target (first - second)): with the target 1 the first should be larger, with -1 the second.
template <Real T>
Tensor<T> margin_ranking_loss(const Tensor<T>& first, const Tensor<T>& second, const Tensor<T>& target,
                              double margin = 0, Reduction reduction = Reduction::mean,
                              Location at = Location::current());

/// Of rows (…, features): 1 - cosine where the target (…) is 1, max(0, cosine - margin) where it is -1.
template <Real T>
Tensor<T> cosine_embedding_loss(const Tensor<T>& first, const Tensor<T>& second, const Tensor<T>& target,
                                double margin = 0, Reduction reduction = Reduction::mean,
                                Location at = Location::current());

/// Options of triplet_margin_loss.
struct TripletLossOptions {
  double margin = 1;
  double p = 2;  ///< of the norm
  double eps = 1e-6;
  bool swap = false;  ///< the negative's distance to the positive counts where it is the smaller one
  Reduction reduction = Reduction::mean;
};

/// max(0, margin + distance(anchor, positive) - distance(anchor, negative)) of rows (…, features).
template <Real T>
Tensor<T> triplet_margin_loss(const Tensor<T>& anchor, const Tensor<T>& positive, const Tensor<T>& negative,
                              const TripletLossOptions& options = {}, Location at = Location::current());

/// Options of ctc_loss.
struct CTCLossOptions {
  std::int64_t blank = 0;                 ///< the class that stands for no output
  Reduction reduction = Reduction::mean;  ///< the mean divides every loss by its target's length first
  bool zero_infinity = false;  ///< a target too long for its input counts 0, where its loss is infinite
};

/// Connectionist temporal classification (Graves et al. 2006): -log of the probability of all ways to say the target in
/// `input_lengths` time steps. log_probabilities (T, N, C), targets (N, S), of which the first `target_lengths` count.
/// Made of ops, a few for each time step, and so differentiable to any order. Its gradient is the derivative by
/// log_probabilities; PyTorch's takes for granted that they come of log_softmax, and already contains that. Throws
/// ShapeError where the shapes do not fit, ValueError for lengths and classes out of range, and GraphError in the
/// function of a Replay, which could not read other targets.
template <Real T>
Tensor<T> ctc_loss(const Tensor<T>& log_probabilities, const Indices& targets, const Indices& input_lengths,
                   const Indices& target_lengths, const CTCLossOptions& options = {},
                   Location at = Location::current());

}  // namespace xgrad
