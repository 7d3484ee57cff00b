// Dense linear algebra of single square matrices, row-major: LAPACK by way of xtensor-blas.
#pragma once

#include <cstdint>

namespace xgrad::kernels {

// T is float or double, n > 0. False means that there is no result: the matrix is singular, not positive
// definite, or not finite.

/// A · X = B, or Aᵀ · X = B: A is n × n, B and X are n × columns.
template <class T>
bool solve(bool transpose_a, std::int64_t n, std::int64_t columns, const T* a, const T* b, T* x);

/// out = A⁻¹
template <class T>
bool inverse(std::int64_t n, const T* a, T* out);

template <class T>
T determinant(std::int64_t n, const T* a);

/// The determinant as sign · exp(logarithm); 0 and -infinity for a singular matrix.
template <class T>
void sign_and_log_determinant(std::int64_t n, const T* a, T& sign, T& logarithm);

/// The lower triangular L with L · Lᵀ = (A + Aᵀ) / 2; zeros above its diagonal.
template <class T>
bool cholesky(std::int64_t n, const T* a, T* out);

}  // namespace xgrad::kernels
