// The loops of optimizers and gradient clipping: one pass over a parameter, its gradient and its state.
#pragma once

#include <cstdint>

#include <xgrad/autograd/kernels/simd_level.hpp>

namespace xgrad::kernels {

/// torch.optim.SGD's update. `first`: the momentum buffer is not filled yet.
struct SgdUpdate {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, first;
};

/// torch.optim.Adam's and AdamW's: step_size is lr / (1 - beta1^t), root_correction sqrt(1 - beta2^t),
/// weight_decay is added to the gradient, and `shrink` multiplies the parameter first.
struct AdamUpdate {
  double beta1, beta2, eps, step_size, root_correction, weight_decay, shrink;
};

/// torch.optim.RMSprop's.
struct RmspropUpdate {
  double lr, alpha, eps, weight_decay, momentum;
};

/// For n elements; an array that may be null is left out of the update.
template <class T>
struct UpdateLoops {
  void (*sgd)(std::int64_t n, T* parameter, const T* gradient, T* momentum_or_null, const SgdUpdate&);
  void (*adam)(std::int64_t n, T* parameter, const T* gradient, T* mean, T* square, T* largest_or_null,
               const AdamUpdate&);
  void (*rmsprop)(std::int64_t n, T* parameter, const T* gradient, T* square, T* mean_or_null,
                  T* momentum_or_null, const RmspropUpdate&);
  /// Σ x², in T within blocks of some thousands and in double across them.
  double (*sum_of_squares)(std::int64_t n, const T* x);
  void (*scale)(std::int64_t n, T* x, double factor);
  /// Into [-limit, limit]; NaN stays.
  void (*clamp)(std::int64_t n, T* x, double limit);
};

struct OptimizerLoops {
  UpdateLoops<float> single_precision;
  UpdateLoops<double> double_precision;
};
XGRAD_SIMD_TABLE(OptimizerLoops, optimizer_loops)

/// This machine's loops for T.
template <class T>
const UpdateLoops<T>& update_loops() {
  if constexpr (sizeof(T) == 4)
    return optimizer_loops().single_precision;
  else
    return optimizer_loops().double_precision;
}

}  // namespace xgrad::kernels
