// The sum of squares of an array.
#pragma once

#include <cstdint>

#include <xgrad/autograd/kernels/simd_level.hpp>

namespace xgrad::kernels {

struct SumOfSquares {
  double (*of_float)(std::int64_t n, const float* x);
  double (*of_double)(std::int64_t n, const double* x);
};
XGRAD_SIMD_TABLE(SumOfSquares, sum_of_squares_loops)

/// Σ x², in T within blocks of some thousands and in double across them.
inline double sum_of_squares(std::int64_t n, const float* x) { return sum_of_squares_loops().of_float(n, x); }
inline double sum_of_squares(std::int64_t n, const double* x) {
  return sum_of_squares_loops().of_double(n, x);
}

}  // namespace xgrad::kernels
