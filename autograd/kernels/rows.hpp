// Row vectors against the rows of a matrix: what a bias needs in both directions.
#pragma once

#include <cstdint>

#include <xgrad/autograd/kernels/simd_level.hpp>

namespace xgrad::kernels {

/// Copies `row`, `columns` elements, to each of `rows` consecutive rows at `out`.
void fill_rows(std::int64_t rows, std::int64_t columns, const float* row, float* out);
void fill_rows(std::int64_t rows, std::int64_t columns, const double* row, double* out);

/// out[j] = the sum of column j of a rows × columns matrix, or out[j] += it. Rows are added in order, so the
/// result does not depend on how wide the registers are.
void column_sums(std::int64_t rows, std::int64_t columns, const float* in, bool accumulate, float* out);
void column_sums(std::int64_t rows, std::int64_t columns, const double* in, bool accumulate, double* out);

/// out[i] += in[i] for n elements; large arrays are shared between the team's threads.
void add(std::int64_t n, const float* in, float* out);
void add(std::int64_t n, const double* in, double* out);

/// The loops of both, one table for each instruction set.
struct RowLoops {
  void (*sums_float)(std::int64_t rows, std::int64_t columns, const float* in, bool accumulate, float* out);
  void (*sums_double)(std::int64_t rows, std::int64_t columns, const double* in, bool accumulate,
                      double* out);
};
XGRAD_SIMD_TABLE(RowLoops, row_loops)

}  // namespace xgrad::kernels
