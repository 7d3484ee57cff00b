// Copies that reorder axes: matrix transposition and permutation of any number of axes.
#pragma once

#include <cstdint>
#include <span>

#include <xgrad/autograd/core/dtype.hpp>

namespace xgrad::kernels {

/// out[j][i] = in[i][j] for a rows × columns matrix `in`; `ld_in` and `ld_out` are the distances between
/// rows, in elements. The two may not overlap.
void transpose(std::int64_t rows, std::int64_t columns, const float* in, std::int64_t ld_in, float* out,
               std::int64_t ld_out);
void transpose(std::int64_t rows, std::int64_t columns, const double* in, std::int64_t ld_in, double* out,
               std::int64_t ld_out);

/// Writes the array of `shape` whose axes lie `strides` elements apart (negative and 0 allowed) from `in` on,
/// contiguously and row-major, to `out`. The two may not overlap. As numpy.ascontiguousarray of a strided
/// view. Throws ShapeError for more axes than a Shape has.
template <ElementType T>
void permute_copy(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, const T* in,
                  T* out);

}  // namespace xgrad::kernels
