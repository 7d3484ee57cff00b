// Register-blocked matrix products: small ones straight from the operands, any size with a packed right
// operand.
#include <xgrad/ops/kernels/small_gemm.hpp>

#include <algorithm>

#include <xgrad/autograd/kernels/simd.hpp>
#include <xgrad/ops/kernels/transpose.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

template <class T>
constexpr int width = static_cast<int>(lanes<T>);

// A tile of C is kept in registers: tile_rows × tile_vectors accumulators, beside tile_vectors registers for
// a row of B and one for an element of A.
constexpr int tile_vectors = 2;
#if defined(__AVX512F__)
constexpr int tile_rows = 8;
#elif defined(__AVX2__)
constexpr int tile_rows = 6;
#else
constexpr int tile_rows = 4;
#endif

template <class T>
constexpr int panel_columns = static_cast<int>(lanes<T>) * tile_vectors;

// A panel of B this deep (16 or 32 KB) stays in the first-level cache while all rows of A pass by.
constexpr std::int64_t panel_depth = 256;

// What product packs at a time.
template <class T>
constexpr std::int64_t scratch_size = std::int64_t(panel_columns<T>) * panel_depth;

// Whether part of a vector can be loaded at the price of a whole one. If not, the end of a panel is packed,
// padded with zeros, and loaded whole.
#if defined(__AVX2__)
constexpr bool has_masked_load = true;
#else
constexpr bool has_masked_load = false;
#endif

// sums[i] = the sum over x[i].
#if defined(__AVX512F__)
inline __m512 add_pairs(__m512 x, __m512 y) {
  return _mm512_add_ps(_mm512_unpacklo_ps(x, y), _mm512_unpackhi_ps(x, y));
}

// xsimd 8.1 has haddp for this too, with its results in the wrong order.
inline Batch<float> horizontal_sums(const Batch<float> (&x)[16]) {
  __m512 quarter[4];  // the sums over each 16 bytes of four x
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i)
    quarter[i] = add_pairs(add_pairs(x[4 * i], x[4 * i + 2]), add_pairs(x[4 * i + 1], x[4 * i + 3]));
  const __m512 lower = _mm512_add_ps(_mm512_shuffle_f32x4(quarter[0], quarter[1], 0x44),
                                     _mm512_shuffle_f32x4(quarter[0], quarter[1], 0xee));
  const __m512 upper = _mm512_add_ps(_mm512_shuffle_f32x4(quarter[2], quarter[3], 0x44),
                                     _mm512_shuffle_f32x4(quarter[2], quarter[3], 0xee));
  return _mm512_add_ps(_mm512_shuffle_f32x4(lower, upper, 0x88), _mm512_shuffle_f32x4(lower, upper, 0xdd));
}
#endif
template <class T, int count>
Batch<T> horizontal_sums(const Batch<T> (&x)[count]) {
  return xsimd::haddp(x);
}

template <bool partial, class T>
inline void store_row(const Batch<T>& sum, T alpha, T beta, T* c, int tail) {
  auto value = sum * broadcast(alpha);
  if constexpr (partial) {
    if (beta != T(0)) value = fma(broadcast(beta), load_partial(c, tail), value);
    store_partial(c, value, tail);
  } else {
    if (beta != T(0)) value = fma(broadcast(beta), load<T>(c), value);
    store(c, value);
  }
}

// One tile of C: alpha times `k` columns of A times `k` rows of B, plus beta times C. If `partial`, the last
// vector has `tail` columns only. Where there are few accumulators, `ways` consecutive k go to sums of their
// own: it takes some eight independent chains to hide the latency of a fused multiply-add.
template <class T, int rows, int vectors, bool partial>
void tile(std::int64_t k, const T* a, std::int64_t a_row, std::int64_t a_column, const T* b,
          std::int64_t b_row, T alpha, T beta, T* c, std::int64_t ldc, int tail) {
  constexpr int ways = rows * vectors >= 5 ? 1 : rows * vectors >= 3 ? 2 : 4;
  // What C holds is added last, and by then is here: rows of a large C come from far.
  if (k >= 64)
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      __builtin_prefetch(c + r * ldc);
      __builtin_prefetch(c + r * ldc + vectors * width<T> - 1);
    }
  Batch<T> sum[ways][rows][vectors];
#pragma GCC unroll 16
  for (int way = 0; way < ways; ++way)
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[way][r][v] = broadcast(T(0));

  const auto accumulate = [&](Batch<T>(&into)[rows][vectors]) __attribute__((always_inline)) {
    Batch<T> row_of_b[vectors];
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v)
      row_of_b[v] = partial && has_masked_load && v == vectors - 1 ? load_partial(b + v * width<T>, tail)
                                                                   : load(b + v * width<T>);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const auto element = broadcast(a[r * a_row]);
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) into[r][v] = fma(element, row_of_b[v], into[r][v]);
    }
    a += a_column;
    b += b_row;
  };
  if constexpr (ways > 1) {
    for (; k >= ways; k -= ways)
#pragma GCC unroll 16
      for (int way = 0; way < ways; ++way) accumulate(sum[way]);
  }
  for (; k > 0; --k) accumulate(sum[0]);

#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) {
#pragma GCC unroll 16
      for (int way = 1; way < ways; ++way) sum[0][r][v] += sum[way][r][v];
      T* to = c + r * ldc + v * width<T>;
      if (partial && v == vectors - 1)
        store_row<true>(sum[0][r][v], alpha, beta, to, tail);
      else
        store_row<false>(sum[0][r][v], alpha, beta, to, tail);
    }
}

template <class T>
using Tile = decltype(&tile<T, 1, 1, false>);

template <class T, int rows>
constexpr Tile<T> tiles_of[] = {tile<T, rows, 1, false>, tile<T, rows, 1, true>, tile<T, rows, 2, false>,
                                tile<T, rows, 2, true>};

template <class T>
constexpr const Tile<T>* tiles[] = {
    tiles_of<T, 1>, tiles_of<T, 2>, tiles_of<T, 3>, tiles_of<T, 4>,
#if defined(__AVX2__)
    tiles_of<T, 5>, tiles_of<T, 6>,
#endif
#if defined(__AVX512F__)
    tiles_of<T, 7>, tiles_of<T, 8>,
#endif
};

// Which of tiles_of a panel of so many columns takes, and the columns of its last vector.
template <class T>
struct TileShape {
  explicit TileShape(std::int64_t columns)
      : tail(static_cast<int>(columns > width<T> ? columns - width<T> : columns)),
        index((columns > width<T> ? 2 : 0) + (tail < width<T> ? 1 : 0)) {}
  int tail, index;
};

template <class T>
XGRAD_INLINE void one_tile(std::int64_t rows, std::int64_t columns, std::int64_t k, T alpha, const T* a,
                           std::int64_t a_row, std::int64_t a_column, const T* b, std::int64_t b_row, T beta,
                           T* c, std::int64_t ldc) {
  const TileShape<T> shape(columns);
  tiles<T>[rows - 1][shape.index](k, a, a_row, a_column, b, b_row, alpha, beta, c, ldc, shape.tail);
}

// C, m × n, from panels of B that lie `b_panel` apart, by several tiles. Not inline: one tile shall pay for
// none of it.
template <class T>
[[gnu::noinline]] void multiply_tiles(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a,
                                      std::int64_t a_row, std::int64_t a_column, const T* b,
                                      std::int64_t b_row, std::int64_t b_panel, T beta, T* c,
                                      std::int64_t ldc) {
  // Tiles of equal height give or take one: 32 rows are 6+6+5+5+5+5, not 6·5+2, for a low tile keeps the
  // multipliers waiting.
  const std::int64_t tile_count = m <= tile_rows ? 1 : (m + tile_rows - 1) / tile_rows;
  const std::int64_t low = tile_count == 1 ? m : m / tile_count, higher = m - tile_count * low;
  const auto rows_of_tile = [=](std::int64_t i) { return low + (i < higher); };
  if (k * n <= scratch_size<T>) {  // B stays in the first-level cache: go along the rows of C
    for (std::int64_t i = 0; i < tile_count; ++i) {
      const std::int64_t rows = rows_of_tile(i);
      for (std::int64_t j = 0; j < n; j += panel_columns<T>)
        one_tile(rows, std::min<std::int64_t>(panel_columns<T>, n - j), k, alpha, a, a_row, a_column,
                 b + j / panel_columns<T> * b_panel, b_row, beta, c + j, ldc);
      a += rows * a_row;
      c += rows * ldc;
    }
    return;
  }
  for (std::int64_t j = 0; j < n; j += panel_columns<T>, b += b_panel)
    for (std::int64_t p = 0; p < k; p += panel_depth) {
      const T* a_tile = a + p * a_column;
      T* c_tile = c + j;
      for (std::int64_t i = 0; i < tile_count; ++i) {
        const std::int64_t rows = rows_of_tile(i);
        one_tile(rows, std::min<std::int64_t>(panel_columns<T>, n - j), std::min(panel_depth, k - p), alpha,
                 a_tile, a_row, a_column, b + p * b_row, b_row, p == 0 ? beta : T(1), c_tile, ldc);
        a_tile += rows * a_row;
        c_tile += rows * ldc;
      }
    }
}

// The same by one tile, if that will do.
template <class T>
XGRAD_INLINE void multiply(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a,
                           std::int64_t a_row, std::int64_t a_column, const T* b, std::int64_t b_row,
                           std::int64_t b_panel, T beta, T* c, std::int64_t ldc) {
  if (m <= tile_rows && n <= panel_columns<T> && k <= panel_depth)
    one_tile(m, n, k, alpha, a, a_row, a_column, b, b_row, beta, c, ldc);
  else
    multiply_tiles(m, n, k, alpha, a, a_row, a_column, b, b_row, b_panel, beta, c, ldc);
}

// Columns [0, columns) of op(B); padded with zeros to whole vectors where a tile will read those.
template <class T>
void pack_panel(bool transpose_b, std::int64_t k, std::int64_t columns, const T* b, std::int64_t ldb,
                T* out) {
  if (transpose_b) {
    transpose(columns, k, b, ldb, out, panel_columns<T>);
  } else if (columns == panel_columns<T>) {
    for (std::int64_t p = 0; p < k; ++p)
#pragma GCC unroll 16
      for (int v = 0; v < tile_vectors; ++v)
        store(out + p * panel_columns<T> + v * width<T>, load(b + p * ldb + v * width<T>));
  } else {
    for (std::int64_t p = 0; p < k; ++p)
      for (std::int64_t j = 0; j < columns; ++j) out[p * panel_columns<T> + j] = b[p * ldb + j];
  }
  if (!has_masked_load && columns % width<T> != 0)
    for (std::int64_t p = 0; p < k; ++p)
      for (std::int64_t j = columns; j < panel_columns<T>; ++j) out[p * panel_columns<T> + j] = T(0);
}

template <class T>
void pack(bool transpose_b, std::int64_t k, std::int64_t n, const T* b, std::int64_t ldb, T* out) {
  for (std::int64_t j = 0; j < n; j += panel_columns<T>, out += k * panel_columns<T>)
    pack_panel(transpose_b, k, std::min<std::int64_t>(panel_columns<T>, n - j),
               transpose_b ? b + j * ldb : b + j, ldb, out);
}

template <class T>
void packed_product(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a, std::int64_t lda,
                    const T* packed_b, T beta, T* c, std::int64_t ldc) {
  multiply(m, n, k, alpha, a, lda, 1, packed_b, panel_columns<T>, panel_columns<T> * k, beta, c, ldc);
}

// Packs B as it goes: all of it at once if it is small, else a panel, or part of one, at a time.
template <class T>
void packing_product(bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a,
                     std::int64_t a_row, std::int64_t a_column, const T* b, std::int64_t ldb, T beta, T* c,
                     std::int64_t ldc) {
  alignas(64) T packed[scratch_size<T>];
  const std::int64_t columns = k * (n + panel_columns<T> - 1) <= scratch_size<T> ? n : panel_columns<T>;
  for (std::int64_t j = 0; j < n; j += columns)
    for (std::int64_t p = 0; p < k; p += panel_depth) {
      const std::int64_t some_n = std::min(columns, n - j), some_k = std::min(panel_depth, k - p);
      pack(transpose_b, some_k, some_n, transpose_b ? b + j * ldb + p : b + p * ldb + j, ldb, packed);
      multiply(m, some_n, some_k, alpha, a + p * a_column, a_row, a_column, packed, panel_columns<T>,
               panel_columns<T> * some_k, p == 0 ? beta : T(1), c + j, ldc);
    }
}

// `columns` elements of a row of C from as many rows of op(B) stored as rows, that is, as dot products: each
// is a vector of partial sums, and all of them are summed up together. If there are too few of them
// (`partial`), the last is computed again and again.
template <class T, bool partial>
void dots(int columns, std::int64_t k, T alpha, const T* a, const T* b, std::int64_t ldb, T beta, T* c) {
  std::int64_t row[width<T>];
#pragma GCC unroll 16
  for (int i = 0; i < width<T>; ++i) row[i] = (partial ? std::min(i, columns - 1) : i) * ldb;
  Batch<T> sum[width<T>];
#pragma GCC unroll 16
  for (int i = 0; i < width<T>; ++i) sum[i] = broadcast(T(0));
  for (; k >= width<T>; k -= width<T>, a += width<T>, b += width<T>) {
    const auto part_of_a = load(a);
#pragma GCC unroll 16
    for (int i = 0; i < width<T>; ++i) sum[i] = fma(part_of_a, load(b + row[i]), sum[i]);
  }
  if (k > 0) {
    const int tail = static_cast<int>(k);
    const auto part_of_a = load_partial(a, tail);
#pragma GCC unroll 16
    for (int i = 0; i < width<T>; ++i) sum[i] = fma(part_of_a, load_partial(b + row[i], tail), sum[i]);
  }
  store_row<partial>(horizontal_sums(sum), alpha, beta, c, columns);
}

template <class T>
void row_of_dots(std::int64_t n, std::int64_t k, T alpha, const T* a, const T* b, std::int64_t ldb, T beta,
                 T* c) {
  for (; n >= width<T>; n -= width<T>, b += width<T> * ldb, c += width<T>)
    dots<T, false>(width<T>, k, alpha, a, b, ldb, beta, c);
  if (n > 0) dots<T, true>(static_cast<int>(n), k, alpha, a, b, ldb, beta, c);
}

// Measured against OpenBLAS 0.3.21's kernels for the same instruction set.
template <class T>
bool beats_blas(bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr bool blas_has_small_kernels = sizeof(Batch<T>) == 64;  // good ones also for C with few columns
  if (m == 1) return transpose_b || n * k <= 4096;
  if (!has_masked_load) return m * n * k <= 8192;
  if (!blas_has_small_kernels || m * n * k <= 256) return true;
  return n * 4 >= width<T> * 3 && !(transpose_b && m > 4 && m < 16 && k >= 64);
}

template <class T>
bool product(const Gemm<T>& g) {
  const std::int64_t a_row = g.transpose_a ? 1 : g.lda, a_column = g.transpose_a ? g.lda : 1;
  if (!beats_blas<T>(g.transpose_b, g.m, g.n, g.k)) return false;
  if (!g.transpose_b && (has_masked_load || g.n % width<T> == 0)) {  // B can be read where it is
    multiply(g.m, g.n, g.k, g.alpha, g.a, a_row, a_column, g.b, g.ldb, panel_columns<T>, g.beta, g.c, g.ldc);
  } else if (g.transpose_b && a_column == 1 && g.m <= (g.k < 2 * width<T> ? 2 : 4)) {
    for (std::int64_t i = 0; i < g.m; ++i)
      row_of_dots(g.n, g.k, g.alpha, g.a + i * a_row, g.b, g.ldb, g.beta, g.c + i * g.ldc);
  } else {
    packing_product(g.transpose_b, g.m, g.n, g.k, g.alpha, g.a, a_row, a_column, g.b, g.ldb, g.beta, g.c,
                    g.ldc);
  }
  return true;
}

}  // namespace

const SmallGemm<float> small_gemm_float = {panel_columns<float>, product, pack, packed_product};
const SmallGemm<double> small_gemm_double = {panel_columns<double>, product, pack, packed_product};

}  // namespace xgrad::kernels::XGRAD_ARCH
