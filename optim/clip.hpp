// Gradient clipping.
#pragma once

#include <vector>

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::optim {

/// Options of clip_grad_norm.
struct ClipOptions {
  double norm_type = 2;            ///< any p above 0, or infinity: the largest element
  bool error_if_nonfinite = true;  ///< PyTorch's default is false, and its gradients are then NaN
};

/// Scales all gradients in place by max_norm / (norm + 1e-6) where that is below 1, so that their Euclidean
/// norm, or that of another p, taken over all of them together, is at most max_norm
/// (torch.nn.utils.clip_grad_norm_). Returns the norm before. Parameters without a gradient do not count.
/// Throws NonFiniteError for a NaN or infinite norm, having changed nothing; ValueError for a max_norm that
/// is not at least 0, a norm_type that is not above 0, and for a parameter given twice.
template <Real T>
double clip_grad_norm(const std::vector<Tensor<T>>& parameters, double max_norm, ClipOptions options = {},
                      Location at = Location::current());

/// Limits every element of every gradient to [-clip_value, clip_value], in place
/// (torch.nn.utils.clip_grad_value_). Throws ValueError for a clip_value that is not at least 0, and for a
/// parameter given twice.
template <Real T>
void clip_grad_value(const std::vector<Tensor<T>>& parameters, double clip_value,
                     Location at = Location::current());

}  // namespace xgrad::optim
