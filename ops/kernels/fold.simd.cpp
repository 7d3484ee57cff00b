// Sums, products and extremes along an axis.
#include <xgrad/ops/kernels/fold_simd.hpp>

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
    Batch<T> value[rows], added(T(0));
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      value[r] = mapped<kind>(get(x + r * row_step), c);
      if (is_extreme(kind)) added = added + value[r];
    }
#pragma GCC unroll 8
    for (int half = rows / 2; half > 0; half /= 2)
#pragma GCC unroll 8
      for (int r = 0; r < half; ++r) value[r] = combined<kind>(value[r], value[r + half]);
    so_far = combined<kind>(value[0], so_far);  // a NaN there stays
    if (is_extreme(kind) && (rows == 1 || any(is_nan(added))))
      for (int r = 0; r < rows; ++r) {
        const Batch<T> again = get(x + r * row_step);
        so_far = select(again == again, so_far, again);
      }
    return so_far;
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

// One register from each of a few rows of a few registers: what is left to fold of it are its elements. The
// sums of an extreme's elements go onto `added`.
template <Fold kind, class T, int rows>
XGRAD_INLINE void fold_to_registers(const T* x, const T* centre, std::int64_t extent, Batch<T>* folded,
                                    Batch<T>& added) {
  constexpr std::int64_t W = width<T>;
  T c[rows];
  Batch<T> sum[rows];
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
    c[r] = centre ? centre[r] : T(0);
    const T* row = x + r * extent;
    sum[r] = folded[r] =
        extent < W ? mapped_end<kind>(row, extent, c[r]) : mapped<kind>(load(row), Batch<T>(c[r]));
  }
  const auto fold_in = [&](auto get) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      folded[r] = combined<kind>(folded[r], get(x + r * extent, c[r]));
      if (is_extreme(kind)) sum[r] = sum[r] + folded[r];
    }
  };
  std::int64_t i = W;
  for (; i + W <= extent; i += W)
    fold_in([&](const T* row, T at) { return mapped<kind>(load(row + i), Batch<T>(at)); });
  if (i < extent) fold_in([&](const T* row, T at) { return mapped_end<kind>(row + i, extent - i, at); });
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) added = added + sum[r];
}

// How long they may be: sums of floats have no more than twenty terms, as elsewhere.
template <Fold kind, class T>
constexpr std::int64_t short_row = (is_sum(kind) ? 20 : 32) * width<T>;

// Rows of a few registers, as many together as a register has elements: one by one, the last steps within a
// register would take longer than all before them. There are at least that many; the last ones may come
// twice.
template <Fold kind, class T>
[[gnu::noinline]] void fold_short_rows(const T* x, const T* centre, T* out, std::int64_t outer,
                                       std::int64_t extent) {
  constexpr std::int64_t W = width<T>;
  constexpr int group = std::min<int>(W, 4);
  for (std::int64_t done = 0; done < outer; done += W) {
    const std::int64_t o = std::min(done, outer - W);
    Batch<T> folded[W], added(T(0));
#pragma GCC unroll 16
    for (std::int64_t r = 0; r < W; r += group)
      fold_to_registers<kind, T, group>(x + (o + r) * extent, centre ? centre + o + r : nullptr, extent,
                                        folded + r, added);
    store(out + o, across_each<kind, W / 2>(folded));
    for (std::int64_t r = o; is_extreme(kind) && r < o + W && any(is_nan(added)); ++r)
      if (has_nan(added, x + r * extent, extent)) out[r] = std::numeric_limits<T>::quiet_NaN();
  }
}

template <Fold kind, class T>
void fold(const T* x, const T* centre, T* out, std::int64_t outer, std::int64_t extent, std::int64_t inner) {
  const std::int64_t size = extent * inner;
  if (extent == 0) {
    for (std::int64_t i = 0; i < outer * inner; ++i) out[i] = start<kind, T>;
  } else if (extent == 1) {
    fold_columns<kind>(x, centre, out, 1, outer * inner);
  } else if (inner == 1 && outer >= width<T> && extent > 6 && extent <= short_row<kind, T>) {
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

// The norm of x - centre, `step` apart, where the sum of squares is too large or too small for a T.
template <class T>
[[gnu::noinline, gnu::cold]] T scaled_norm(const T* x, std::int64_t extent, std::int64_t step, T centre) {
  const auto difference = [&](std::int64_t i) { return double(x[i * step]) - double(centre); };
  double largest = 0, squares = 0;
  for (std::int64_t i = 0; i < extent; ++i) {
    const double d = __builtin_fabs(difference(i));
    if (d != d) return static_cast<T>(d);
    largest = std::max(largest, d);
  }
  if (largest == 0 || largest > std::numeric_limits<double>::max()) return static_cast<T>(largest);
  for (std::int64_t i = 0; i < extent; ++i) squares += (difference(i) / largest) * (difference(i) / largest);
  return static_cast<T>(largest * __builtin_sqrt(squares));
}

template <class T>
void fold_norm(const T* x, const T* centre, T* out, std::int64_t outer, std::int64_t extent,
               std::int64_t inner) {
  fold<Fold::sum_squares>(x, centre, out, outer, extent, inner);
  // Below this, squares that count may have lost digits, or vanished.
  constexpr T smallest = sizeof(T) == 4 ? T(1e-30) : T(1e-290), largest = std::numeric_limits<T>::max();
  const std::int64_t count = outer * inner;
  for (std::int64_t k = 0; k < count; k += width<T>) {
    const auto n = static_cast<std::size_t>(std::min(width<T>, count - k));
    const Batch<T> squares = load_partial(out + k, n, T(1));
    store_partial(out + k, kernels::XGRAD_ARCH::sqrt(squares), n);
    if (all((squares >= Batch<T>(smallest)) & (squares <= Batch<T>(largest)))) [[likely]]
      continue;
    T lane[lanes<T>];
    store(lane, squares);
    for (std::size_t j = 0; j < n; ++j)
      if (const std::int64_t at = k + static_cast<std::int64_t>(j);
          !(lane[j] >= smallest && lane[j] <= largest))
        out[at] = scaled_norm(x + at / inner * extent * inner + at % inner, extent, inner,
                              centre ? centre[at] : T(0));
  }
}

}  // namespace

extern constexpr Part fold_loops = [](Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.fold = {fold<Fold::sum, T>,     fold<Fold::sum_abs, T>, fold<Fold::sum_squares, T>,
              fold<Fold::sum_exp, T>, fold<Fold::product, T>, fold<Fold::maximum, T>,
              fold<Fold::minimum, T>, fold<Fold::max_abs, T>, fold_norm<T>};
  });
};

}  // namespace xgrad::kernels::XGRAD_ARCH
