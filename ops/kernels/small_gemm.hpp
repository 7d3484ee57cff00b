// The library's own matrix products, one table for each instruction set and element type.
#pragma once

#include <cstdint>

#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/ops/kernels/gemm.hpp>

namespace xgrad::kernels {

/// Every function runs on the calling thread and takes any sizes above 0.
template <class T>
struct SmallGemm {
  /// Columns of B that are packed side by side.
  std::int64_t panel;
  /// Returns false, having done nothing, where BLAS is faster on one thread.
  bool (*product)(const Gemm<T>& product);
  void (*pack)(bool transpose_b, std::int64_t k, std::int64_t n, const T* b, std::int64_t ldb, T* out);
  void (*packed_product)(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a,
                         std::int64_t lda, const T* packed_b, T beta, T* c, std::int64_t ldc);
};

XGRAD_SIMD_TABLE(SmallGemm<float>, small_gemm_float)
XGRAD_SIMD_TABLE(SmallGemm<double>, small_gemm_double)

}  // namespace xgrad::kernels
