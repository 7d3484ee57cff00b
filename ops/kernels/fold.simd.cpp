// Sums, products and extremes along an axis.
#include "ops/kernels/fold.hpp"

#include "ops/kernels/fold_simd.hpp"

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

constexpr std::int64_t chunk = 512;      // columns that are folded together: their results stay in the cache
constexpr std::int64_t panel_rows = 64;  // rows summed in T before the sum goes on in double

// `rows` rows of `columns` columns, row_step apart, folded onto what is in out.
template <Fold kind, class T, int rows>
[[gnu::noinline]] void fold_rows(const T* x, std::int64_t row_step, const T* centre, T* out,
                                 std::int64_t columns) {
  constexpr std::int64_t W = width<T>;
  const auto fold_registers = [&](Batch<T> so_far, const Batch<T>& c, auto get)
      __attribute__((always_inline)) {
    Batch<T> value[rows];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) value[r] = mapped<kind>(get(x + r * row_step), c);
#pragma GCC unroll 8
    for (int half = rows / 2; half > 0; half /= 2)
#pragma GCC unroll 8
      for (int r = 0; r < half; ++r) value[r] = combined<kind>(value[r], value[r + half]);
    return combined<kind>(so_far, value[0]);
  };
  std::int64_t j = 0;
  for (; j + W <= columns; j += W) {
    const Batch<T> c = centre ? load(centre + j) : Batch<T>(T(0));
    store(out + j, fold_registers(load(out + j), c, [&](const T* row) { return load(row + j); }));
  }
  if (j == columns) return;
  const auto rest = static_cast<std::size_t>(columns - j);
  const Batch<T> c = centre ? load_partial(centre + j, rest) : Batch<T>(T(0));
  const auto get = [&](const T* row) { return load_partial(row + j, rest); };
  store_partial(out + j, fold_registers(load_partial(out + j, rest), c, get), rest);
}

template <Fold kind, class T>
void fold_panel(const T* x, std::int64_t rows, std::int64_t row_step, const T* centre, T* out,
                std::int64_t columns) {
  for (std::int64_t j = 0; j < columns; ++j) out[j] = start<kind, T>;
  for (; rows >= 8; rows -= 8, x += 8 * row_step) fold_rows<kind, T, 8>(x, row_step, centre, out, columns);
  for (; rows > 0; --rows, x += row_step) fold_rows<kind, T, 1>(x, row_step, centre, out, columns);
}

// A chunk of columns; long sums in double.
template <Fold kind, class T>
[[gnu::noinline]] void fold_chunk(const T* x, std::int64_t rows, std::int64_t row_step, const T* centre,
                                  T* out, std::int64_t columns) {
  if (!is_sum(kind) || rows <= panel_rows) return fold_panel<kind>(x, rows, row_step, centre, out, columns);
  double total[chunk];
  for (std::int64_t j = 0; j < columns; ++j) total[j] = 0;
  T part[chunk];
  for (std::int64_t r = 0; r < rows; r += panel_rows) {
    fold_panel<kind>(x + r * row_step, std::min(panel_rows, rows - r), row_step, centre, part, columns);
    for (std::int64_t j = 0; j < columns; ++j) total[j] += static_cast<double>(part[j]);
  }
  for (std::int64_t j = 0; j < columns; ++j) out[j] = static_cast<T>(total[j]);
}

template <Fold kind, class T>
void fold_columns(const T* x, const T* centre, T* out, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t j = 0; j < columns; j += chunk)
    fold_chunk<kind>(x + j, rows, columns, centre ? centre + j : nullptr, out + j,
                     std::min(chunk, columns - j));
}

// Few columns: `together` rows are taken as one, which fills the registers, and their results folded at the
// end.
template <Fold kind, class T>
void fold_few_columns(const T* x, const T* centre, T* out, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t wide = 128;
  T parts[2 * wide], centres[wide];
  const std::int64_t together = wide / columns, long_rows = rows / together, rest = rows % together;
  for (std::int64_t i = 0; centre && i < together * columns; ++i) centres[i] = centre[i % columns];
  fold_chunk<kind>(x, long_rows, together * columns, centre ? centres : nullptr, parts, together * columns);
  if (rest > 0)
    fold_chunk<kind>(x + long_rows * together * columns, rest, columns, centre, parts + together * columns,
                     columns);
  fold_chunk<rest_of(kind), T>(parts, together + (rest > 0), columns, nullptr, out, columns);
}

// Small arrays are laid side by side, `batch` of them, so that they fold as columns.
constexpr std::int64_t batch = 32, small = 16;

// size × batch from batch × size, where the compiler knows the size and so the shuffles.
template <class T, int size>
[[gnu::noinline]] void lay_side_by_side(const T* __restrict x, T* __restrict out) {
#pragma GCC unroll 16
  for (int e = 0; e < size; ++e)
    for (std::int64_t k = 0; k < batch; ++k) out[e * batch + k] = x[k * size + e];
}

template <class T>
void lay_side_by_side(const T* x, T* out, std::int64_t count, std::int64_t size) {
  if (count == batch && size == 2) return lay_side_by_side<T, 2>(x, out);
  if (count == batch && size == 3) return lay_side_by_side<T, 3>(x, out);
  if (count == batch && size == 4) return lay_side_by_side<T, 4>(x, out);
  if (count == batch && size == 5) return lay_side_by_side<T, 5>(x, out);
  if (count == batch && size == 6) return lay_side_by_side<T, 6>(x, out);
  if (count == batch && size == 8) return lay_side_by_side<T, 8>(x, out);
  for (std::int64_t k = 0; k < count; ++k)
    for (std::int64_t e = 0; e < size; ++e) out[e * batch + k] = x[k * size + e];
}

template <Fold kind, class T>
void fold_small(const T* x, const T* centre, T* out, std::int64_t outer, std::int64_t extent,
                std::int64_t inner) {
  T side_by_side[small * batch], folded[small * batch], centres[small * batch];
  const std::int64_t size = extent * inner;
  for (std::int64_t o = 0; o < outer; o += batch) {
    const std::int64_t count = std::min(batch, outer - o);
    lay_side_by_side(x + o * size, side_by_side, count, size);
    T* result = inner == 1 ? out + o : folded;
    const T* c = centre ? centre + o * inner : nullptr;
    for (std::int64_t i = 0; i < inner; ++i) {
      for (std::int64_t k = 0; c && k < count; ++k) centres[k] = c[k * inner + i];
      fold_panel<kind>(side_by_side + i * batch, extent, inner * batch, c ? centres : nullptr,
                       result + i * batch, count);
    }
    for (std::int64_t i = 0; inner > 1 && i < inner; ++i)
      for (std::int64_t k = 0; k < count; ++k) out[(o + k) * inner + i] = folded[i * batch + k];
  }
}

// One register from a row of a few: what is left of it to fold are the register's elements.
template <Fold kind, class T>
XGRAD_INLINE Batch<T> fold_to_register(const T* x, std::int64_t extent, T centre) {
  constexpr std::int64_t W = width<T>;
  const Batch<T> c(centre);
  const auto partial = [&](const T* from, std::int64_t n) __attribute__((always_inline)) {
    const auto some = mapped<kind>(load_partial(from, static_cast<std::size_t>(n), neutral<kind>(centre)), c);
    return kind == Fold::sum_exp ? first_elements(some, n) : some;
  };
  if (extent < W) return partial(x, extent);
  Batch<T> result = mapped<kind>(load(x), c);
  std::int64_t i = W;
  for (; i + W <= extent; i += W) result = combined<kind>(result, mapped<kind>(load(x + i), c));
  return i < extent ? combined<kind>(result, partial(x + i, extent - i)) : result;
}

// Rows of a few registers, as many together as a register has elements: one by one, the last steps within a
// register would take longer than all before them.
template <Fold kind, class T>
[[gnu::noinline]] void fold_short_rows(const T* x, const T* centre, T* out, std::int64_t outer,
                                       std::int64_t extent) {
  constexpr std::int64_t W = width<T>;
  for (std::int64_t o = 0; o < outer; o += W) {
    const std::int64_t count = std::min(W, outer - o);
    Batch<T> rows[W];
#pragma GCC unroll 16
    for (std::int64_t r = 0; r < W; ++r) {
      const std::int64_t row = o + std::min(r, count - 1);
      rows[r] = fold_to_register<kind>(x + row * extent, extent, centre ? centre[row] : T(0));
    }
    store_partial(out + o, across_each<kind, W / 2>(rows), static_cast<std::size_t>(count));
  }
}

template <Fold kind, class T>
void fold(const T* x, const T* centre, T* out, std::int64_t outer, std::int64_t extent, std::int64_t inner) {
  const std::int64_t size = extent * inner;
  if (extent == 0) {
    for (std::int64_t i = 0; i < outer * inner; ++i) out[i] = start<kind, T>;
  } else if (extent == 1) {
    fold_columns<kind>(x, centre, out, 1, outer * inner);
  } else if (inner == 1 && outer >= width<T> && extent > 6 && extent <= 16 * width<T>) {
    fold_short_rows<kind>(x, centre, out, outer, extent);
  } else if (outer > 3 && size <= small) {
    fold_small<kind>(x, centre, out, outer, extent, inner);
  } else {
    for (std::int64_t o = 0; o < outer; ++o, x += size) {
      const T* c = centre ? centre + o * inner : nullptr;
      if (inner == 1)
        out[o] = fold_row<kind>(x, extent, c ? *c : T(0));
      else if (inner <= 32 && size >= 512)
        fold_few_columns<kind>(x, c, out + o * inner, extent, inner);
      else
        fold_columns<kind>(x, c, out + o * inner, extent, inner);
    }
  }
}

template <class T>
constexpr FoldTable<T> table = {{fold<Fold::sum, T>, fold<Fold::sum_abs, T>, fold<Fold::sum_squares, T>,
                                 fold<Fold::sum_exp, T>, fold<Fold::product, T>, fold<Fold::maximum, T>,
                                 fold<Fold::minimum, T>, fold<Fold::max_abs, T>}};

}  // namespace

const FoldTable<float> fold_float = table<float>;
const FoldTable<double> fold_double = table<double>;

}  // namespace xgrad::kernels::XGRAD_ARCH
