// Matrix products of row-major matrices: BLAS, and the library's own kernels where those are faster.
#pragma once

#include <cstddef>
#include <cstdint>

#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::kernels {

/// Computes the product, on the team's threads. Throws Error where BLAS is needed and cannot count a size.
void gemm(const Gemm<float>& product);
void gemm(const Gemm<double>& product);

/// How many elements the packed form of a k × n right operand takes. T is float or double.
template <class T>
std::size_t packed_size(std::int64_t k, std::int64_t n);

/// Packs op(B), k × n, into `out` (packed_size<T>(k, n) elements; aligned to 64 bytes it is read fastest) in
/// the order in which gemm_packed reads it. It pays from the second product with the same B on. The form
/// depends on the processor's instruction set: it is for this process only.
void pack_b(bool transpose_b, std::int64_t k, std::int64_t n, const float* b, std::int64_t ldb, float* out);
void pack_b(bool transpose_b, std::int64_t k, std::int64_t n, const double* b, std::int64_t ldb, double* out);

/// C = alpha · A · B + beta · C with A an m × k matrix and B packed by pack_b; otherwise as gemm.
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
                 std::int64_t lda, const float* packed_b, float beta, float* c, std::int64_t ldc);
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, double alpha, const double* a,
                 std::int64_t lda, const double* packed_b, double beta, double* c, std::int64_t ldc);

/// How many threads BLAS uses; 1 if the BLAS that the program was linked with cannot say.
int blas_threads();

/// Sets that number, for the whole process: set_threads does, when a program calls it. Returns whether this
/// BLAS could be told.
bool set_blas_threads(int count);

}  // namespace xgrad::kernels
