// Reading and adding columns of a matrix by index: products with one-hot rows.
#include <algorithm>

#include <xgrad/ops/kernels/cpu.hpp>
#include <xgrad/ops/kernels/transpose.hpp>

namespace xgrad::kernels {

namespace {

// f(row of the matrix, i) for all of both, some rows at a time: their cache lines serve several indices.
void tiled(std::int64_t rows, std::int64_t count, auto f) {
  constexpr std::int64_t tile = 64;
  for (std::int64_t first = 0; first < rows; first += tile)
    for (std::int64_t i = 0; i < count; ++i) f(first, std::min(first + tile, rows), i);
}

template <class T>
void gather_columns(std::int64_t rows, std::int64_t columns, const std::int64_t* index, std::int64_t count, const T* in,
                    const T* bias, T* out) {
  tiled(rows, count, [&](std::int64_t first, std::int64_t last, std::int64_t i) {
    T* to = out + i * rows;
    const T* from = in + index[i];
    if (bias)
      for (std::int64_t r = first; r < last; ++r) to[r] = from[r * columns] + bias[r];
    else
      for (std::int64_t r = first; r < last; ++r) to[r] = from[r * columns];
  });
}

template <class T>
void transpose_plus_bias(std::int64_t rows, std::int64_t columns, const T* in, const T* bias, T* out) {
  transpose(rows, columns, in, columns, out, rows);
  if (!bias) return;
  for (std::int64_t j = 0; j < columns; ++j, out += rows)
    for (std::int64_t r = 0; r < rows; ++r) out[r] += bias[r];
}

template <class T>
void scatter_add_columns(std::int64_t rows, std::int64_t columns, const std::int64_t* index, std::int64_t count,
                         const T* in, T* out) {
  tiled(rows, count, [&](std::int64_t first, std::int64_t last, std::int64_t i) {
    const T* from = in + i * rows;
    T* to = out + index[i];
    for (std::int64_t r = first; r < last; ++r) to[r * columns] += from[r];
  });
}

}  // namespace

void add_columns(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.transpose = transpose_plus_bias<T>;
    k.gather_columns = gather_columns<T>;
    k.scatter_add_columns = scatter_add_columns<T>;
  });
}

}  // namespace xgrad::kernels
