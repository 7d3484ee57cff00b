// Reading and adding columns of a matrix by index.
#include <xgrad/ops/kernels/columns.hpp>

#include <algorithm>

#include <xgrad/ops/kernels/transpose.hpp>

namespace xgrad::kernels {

namespace {

// f(row of the matrix, i) for all of both, some rows at a time: their cache lines serve several indices.
void tiled(std::int64_t rows, std::size_t count, auto f) {
  constexpr std::int64_t tile = 64;
  for (std::int64_t first = 0; first < rows; first += tile)
    for (std::size_t i = 0; i < count; ++i) f(first, std::min(first + tile, rows), i);
}

}  // namespace

template <class T>
void gather_columns(std::int64_t rows, std::int64_t columns, std::span<const std::int64_t> index, const T* in,
                    const T* bias, T* out) {
  tiled(rows, index.size(), [&](std::int64_t first, std::int64_t last, std::size_t i) {
    T* to = out + static_cast<std::int64_t>(i) * rows;
    const T* from = in + index[i];
    if (bias)
      for (std::int64_t r = first; r < last; ++r) to[r] = from[r * columns] + bias[r];
    else
      for (std::int64_t r = first; r < last; ++r) to[r] = from[r * columns];
  });
}

template <class T>
void transpose_plus_row(std::int64_t rows, std::int64_t columns, const T* in, const T* bias, T* out) {
  transpose(rows, columns, in, columns, out, rows);
  if (!bias) return;
  for (std::int64_t j = 0; j < columns; ++j, out += rows)
    for (std::int64_t r = 0; r < rows; ++r) out[r] += bias[r];
}

template <class T>
void scatter_add_columns(std::int64_t rows, std::int64_t columns, std::span<const std::int64_t> index,
                         const T* in, T* out) {
  tiled(rows, index.size(), [&](std::int64_t first, std::int64_t last, std::size_t i) {
    const T* from = in + static_cast<std::int64_t>(i) * rows;
    T* to = out + index[i];
    for (std::int64_t r = first; r < last; ++r) to[r * columns] += from[r];
  });
}

template void gather_columns(std::int64_t, std::int64_t, std::span<const std::int64_t>, const float*,
                             const float*, float*);
template void gather_columns(std::int64_t, std::int64_t, std::span<const std::int64_t>, const double*,
                             const double*, double*);
template void transpose_plus_row(std::int64_t, std::int64_t, const float*, const float*, float*);
template void transpose_plus_row(std::int64_t, std::int64_t, const double*, const double*, double*);
template void scatter_add_columns(std::int64_t, std::int64_t, std::span<const std::int64_t>, const float*,
                                  float*);
template void scatter_add_columns(std::int64_t, std::int64_t, std::span<const std::int64_t>, const double*,
                                  double*);

}  // namespace xgrad::kernels
