// Blocked matrix transposition, and permutation copies built on it.
#include "ops/kernels/transpose.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace xgrad::kernels {

namespace {

// Four floats or two doubles, which every x86-64 and ARM64 processor has: wider registers measured no faster, for the
// cache is what a transposition waits for.
using Floats [[gnu::vector_size(16)]] = float;
using Doubles [[gnu::vector_size(16)]] = double;

template <class T>
constexpr std::int64_t tile_side = 16 / sizeof(T);

// Four cache lines each way: small enough for all its lines to stay in the first-level cache, large enough that each
// is read and written whole.
template <class T>
constexpr std::int64_t block_side = 256 / sizeof(T);

template <class Vector, class T>
Vector load(const T* from) {
  Vector x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

template <class Vector, class T>
void store(T* to, Vector x) {
  std::memcpy(to, &x, sizeof x);
}

void transpose_tile(const float* in, std::int64_t ld_in, float* out, std::int64_t ld_out) {
  const auto row0 = load<Floats>(in), row1 = load<Floats>(in + ld_in);
  const auto row2 = load<Floats>(in + 2 * ld_in), row3 = load<Floats>(in + 3 * ld_in);
  const auto low01 = __builtin_shufflevector(row0, row1, 0, 4, 1, 5);
  const auto high01 = __builtin_shufflevector(row0, row1, 2, 6, 3, 7);
  const auto low23 = __builtin_shufflevector(row2, row3, 0, 4, 1, 5);
  const auto high23 = __builtin_shufflevector(row2, row3, 2, 6, 3, 7);
  store<Floats>(out, __builtin_shufflevector(low01, low23, 0, 1, 4, 5));
  store<Floats>(out + ld_out, __builtin_shufflevector(low01, low23, 2, 3, 6, 7));
  store<Floats>(out + 2 * ld_out, __builtin_shufflevector(high01, high23, 0, 1, 4, 5));
  store<Floats>(out + 3 * ld_out, __builtin_shufflevector(high01, high23, 2, 3, 6, 7));
}

void transpose_tile(const double* in, std::int64_t ld_in, double* out, std::int64_t ld_out) {
  const auto row0 = load<Doubles>(in), row1 = load<Doubles>(in + ld_in);
  store<Doubles>(out, __builtin_shufflevector(row0, row1, 0, 2));
  store<Doubles>(out + ld_out, __builtin_shufflevector(row0, row1, 1, 3));
}

template <class T>
void transpose_block(std::int64_t rows, std::int64_t columns, const T* in, std::int64_t ld_in, T* out,
                     std::int64_t ld_out) {
  constexpr auto side = tile_side<T>;
  const std::int64_t whole_rows = rows - rows % side, whole_columns = columns - columns % side;
  for (std::int64_t j = 0; j < whole_columns; j += side) {
    for (std::int64_t i = 0; i < whole_rows; i += side)
      transpose_tile(in + i * ld_in + j, ld_in, out + j * ld_out + i, ld_out);
    for (std::int64_t i = whole_rows; i < rows; ++i)
      for (std::int64_t jj = j; jj < j + side; ++jj) out[jj * ld_out + i] = in[i * ld_in + jj];
  }
  for (std::int64_t j = whole_columns; j < columns; ++j)
    for (std::int64_t i = 0; i < rows; ++i) out[j * ld_out + i] = in[i * ld_in + j];
}

template <class T>
void transpose_blocked(std::int64_t rows, std::int64_t columns, const T* in, std::int64_t ld_in, T* out,
                       std::int64_t ld_out) {
  constexpr auto side = block_side<T>;
  for (std::int64_t i = 0; i < rows; i += side)
    for (std::int64_t j = 0; j < columns; j += side)
      transpose_block(std::min(side, rows - i), std::min(side, columns - j), in + i * ld_in + j, ld_in,
                      out + j * ld_out + i, ld_out);
}

}  // namespace

void transpose(std::int64_t rows, std::int64_t columns, const float* in, std::int64_t ld_in, float* out,
               std::int64_t ld_out) {
  transpose_blocked(rows, columns, in, ld_in, out, ld_out);
}

void transpose(std::int64_t rows, std::int64_t columns, const double* in, std::int64_t ld_in, double* out,
               std::int64_t ld_out) {
  transpose_blocked(rows, columns, in, ld_in, out, ld_out);
}

}  // namespace xgrad::kernels
