// Softmax and its relatives along the rows of a matrix. One table for each instruction set and element type.
#pragma once

#include <cstdint>

#include <xgrad/autograd/kernels/simd_level.hpp>

namespace xgrad::kernels {

/// Matrices are rows × columns, row-major.
template <class T>
struct SoftmaxTable {
  void (*softmax)(const T* x, T* y, std::int64_t rows, std::int64_t columns);
  void (*log_softmax)(const T* x, T* y, std::int64_t rows, std::int64_t columns);
  /// dx from y and dy.
  void (*softmax_adjoint)(const T* y, const T* dy, T* dx, std::int64_t rows, std::int64_t columns);
  void (*log_softmax_adjoint)(const T* y, const T* dy, T* dx, std::int64_t rows, std::int64_t columns);

  /// losses[i] = -log_softmax(x)[i, targets[i]], and what the adjoint needs of every row: its maximum, and
  /// the reciprocal of the sum of exp(x - maximum). Rows whose target is `ignored` have a loss of 0.
  void (*cross_entropy)(const T* x, const std::int64_t* targets, std::int64_t ignored, T* losses, T* maxima,
                        T* reciprocals, std::int64_t rows, std::int64_t columns);
  /// dx[i] = (softmax(x)[i] - onehot(targets[i])) * scales[i], or dx[i] += that. A row whose scale is 0 has
  /// no target.
  void (*cross_entropy_adjoint)(const T* x, const std::int64_t* targets, const T* scales, const T* maxima,
                                const T* reciprocals, T* dx, bool accumulate, std::int64_t rows,
                                std::int64_t columns);
};

XGRAD_SIMD_TABLE(SoftmaxTable<float>, softmax_float)
XGRAD_SIMD_TABLE(SoftmaxTable<double>, softmax_double)

}  // namespace xgrad::kernels
