// Reading and adding columns of a matrix by index: products with one-hot rows.
#pragma once

#include <cstdint>
#include <span>

namespace xgrad::kernels {

/// out[i] = column index[i] of the rows × columns matrix `in`, plus `bias` (rows) unless that is null. `out`
/// is index.size() × rows. Indices are not checked; T is float or double.
template <class T>
void gather_columns(std::int64_t rows, std::int64_t columns, std::span<const std::int64_t> index, const T* in,
                    const T* bias, T* out);

/// out = the transpose of the rows × columns matrix `in`, with `bias` (rows) added to each of its rows unless
/// null.
template <class T>
void transpose_plus_row(std::int64_t rows, std::int64_t columns, const T* in, const T* bias, T* out);

/// The adjoint of gather_columns: adds in[i] to column index[i] of the rows × columns matrix `out`, in the
/// order of i.
template <class T>
void scatter_add_columns(std::int64_t rows, std::int64_t columns, std::span<const std::int64_t> index,
                         const T* in, T* out);

}  // namespace xgrad::kernels
