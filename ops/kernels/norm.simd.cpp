// layer_norm and rms_norm: a row is read once from memory, and then from the cache.
#include <cmath>

#include <xgrad/ops/kernels/fold_simd.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

// 1 where there are no weights, 0 where there is no bias.
template <class T>
XGRAD_INLINE Batch<T> loaded_or(const T* p, T otherwise, auto get) {
  return p ? get(p) : Batch<T>(otherwise);
}

template <bool centred, class T>
void normalize(double eps, const T* x, const T* weight, const T* bias, T* y, T* mean, T* rstd,
               std::int64_t rows, std::int64_t columns) {
  const T n = static_cast<T>(columns);
  for (std::int64_t i = 0; i < rows; ++i, x += columns, y += columns) {
    const T centre = centred ? fold_row<Fold::sum>(x, columns, T(0)) / n : T(0);
    const double variance = static_cast<double>(fold_row<Fold::sum_squares>(x, columns, centre) / n);
    mean[i] = centre;
    rstd[i] = static_cast<T>(1 / std::sqrt(variance + eps));
    const Batch<T> m(centre), r(rstd[i]);
    map_row(y, columns, [&](auto get) {
      return fma((get(x) - m) * r, loaded_or(weight, T(1), get), loaded_or(bias, T(0), get));
    });
  }
}

// Of a row the sums of the weighted gradient, and of that times the normalised row.
struct RowSums {
  double plain = 0, normalized = 0;
};

template <class T>
XGRAD_INLINE RowSums row_sums(const T* x, const T* dy, const T* weight, T mean, T rstd,
                              std::int64_t columns) {
  constexpr std::int64_t W = width<T>, ways = 2;
  const Batch<T> m(mean), r(rstd);
  RowSums result;
  for (std::int64_t first = 0; first < columns; first += block<T>) {
    const std::int64_t last = std::min(first + block<T>, columns);
    Batch<T> plain[ways] = {Batch<T>(T(0)), Batch<T>(T(0))},
             normalized[ways] = {Batch<T>(T(0)), Batch<T>(T(0))};
    const auto add = [&](std::int64_t way, auto get) __attribute__((always_inline)) {
      const Batch<T> g = get(dy) * loaded_or(weight, T(1), get);
      plain[way] = plain[way] + g;
      normalized[way] = fma(g, (get(x) - m) * r, normalized[way]);
    };
    std::int64_t j = first;
    for (; j + ways * W <= last; j += ways * W)
#pragma GCC unroll 2
      for (std::int64_t k = 0; k < ways; ++k) add(k, [&](const T* p) { return load(p + j + k * W); });
    for (; j + W <= last; j += W) add(0, [&](const T* p) { return load(p + j); });
    if (j < last)  // what follows the row counts nothing, for dy is 0 there
      add(1, [&](const T* p) {
        return load_partial(p + j, static_cast<std::size_t>(last - j), p == x ? mean : T(0));
      });
    result.plain += static_cast<double>(across<Fold::sum>(plain[0] + plain[1]));
    result.normalized += static_cast<double>(across<Fold::sum>(normalized[0] + normalized[1]));
  }
  return result;
}

// sums[j] += panel[j]
template <class T>
void add_to(double* sums, const T* panel, std::int64_t columns) {
  for (std::int64_t j = 0; j < columns; ++j) sums[j] += static_cast<double>(panel[j]);
}

// The gradients of weight and bias for some columns: rows are added up in T for a panel, and panels in
// double.
template <class T>
void sum_columns(const T* x, const T* dy, const T* mean, const T* rstd, T* dweight, T* dbias, double* sums,
                 std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t panel_rows = 64;
  std::fill_n(sums, 2 * columns, 0.0);
  for (std::int64_t first = 0; first < rows; first += panel_rows) {
    std::fill_n(dweight, columns, T(0));
    std::fill_n(dbias, columns, T(0));
    for (std::int64_t i = first; i < std::min(first + panel_rows, rows); ++i) {
      const T *row = x + i * columns, *g = dy + i * columns;
      const Batch<T> m(mean[i]), r(rstd[i]);
      map_row(dweight, columns, [&](auto get) { return fma(get(g), (get(row) - m) * r, get(dweight)); });
      map_row(dbias, columns, [&](auto get) { return get(dbias) + get(g); });
    }
    add_to(sums, dweight, columns);
    add_to(sums + columns, dbias, columns);
  }
  std::copy_n(sums, columns, dweight);
  std::copy_n(sums + columns, columns, dbias);
}

template <bool centred, class T>
void normalize_adjoint(const T* x, const T* dy, const T* weight, const T* mean, const T* rstd, T* dx,
                       std::int64_t rows, std::int64_t columns) {
  const double n = static_cast<double>(columns);
  for (std::int64_t i = 0; i < rows; ++i, x += columns, dy += columns, dx += columns) {
    const RowSums sums = row_sums(x, dy, weight, mean[i], rstd[i], columns);
    const Batch<T> m(mean[i]), r(rstd[i]), along(static_cast<T>(sums.normalized / n)),
        level(centred ? static_cast<T>(sums.plain / n) : T(0));
    map_row(dx, columns, [&](auto get) {
      const Batch<T> g = get(dy) * loaded_or(weight, T(1), get);
      return r * fnma((get(x) - m) * r, along, g - level);
    });
  }
}

template <class T>
void normalize_rows(bool centred, double eps, const T* x, const T* weight, const T* bias, T* y, T* mean,
                    T* rstd, std::int64_t rows, std::int64_t columns) {
  (centred ? normalize<true, T> : normalize<false, T>)(eps, x, weight, bias, y, mean, rstd, rows, columns);
}

template <class T>
void normalize_rows_adjoint(bool centred, const T* x, const T* dy, const T* weight, const T* mean,
                            const T* rstd, T* dx, T* dweight, T* dbias, double* sums, std::int64_t rows,
                            std::int64_t columns) {
  (centred ? normalize_adjoint<true, T> : normalize_adjoint<false, T>)(x, dy, weight, mean, rstd, dx, rows,
                                                                       columns);
  if (dweight) sum_columns(x, dy, mean, rstd, dweight, dbias, sums, rows, columns);
}

}  // namespace

extern constexpr Part norm_loops = [](Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.normalize_rows = normalize_rows<T>;
    k.normalize_rows_adjoint = normalize_rows_adjoint<T>;
  });
};

}  // namespace xgrad::kernels::XGRAD_ARCH
