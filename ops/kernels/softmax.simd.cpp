// Softmax, log-softmax and cross-entropy: a row is read twice, the second time from the cache.
#include <xgrad/ops/kernels/fold_simd.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

// The largest element but for NaNs: they come through anyway when it is subtracted.
template <class T>
XGRAD_INLINE T row_maximum(const T* x, std::int64_t n) {
  constexpr std::int64_t W = width<T>;
  constexpr T lowest = start<Fold::maximum, T>;
  Batch<T> most[4] = {Batch<T>(lowest), Batch<T>(lowest), Batch<T>(lowest), Batch<T>(lowest)};
  std::int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) most[k] = max_or_second(load(x + i + k * W), most[k]);
  for (; i + W <= n; i += W) most[0] = max_or_second(load(x + i), most[0]);
  if (i < n) most[1] = max_or_second(load_partial(x + i, static_cast<std::size_t>(n - i), lowest), most[1]);
  return across<Fold::maximum>(
      max_or_second(max_or_second(most[0], most[1]), max_or_second(most[2], most[3])));
}

template <class T>
void softmax(const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i, x += columns, y += columns) {
    const T sum = fold_row<Fold::sum_exp>(x, columns, row_maximum(x, columns),
                                          [&](std::int64_t at, const Batch<T>& value, std::int64_t count) {
                                            if (count == width<T>)
                                              store(y + at, value);
                                            else
                                              store_partial(y + at, value, static_cast<std::size_t>(count));
                                          });
    const Batch<T> factor(1 / sum);
    map_row(y, columns, [&](auto get) { return get(y) * factor; });
  }
}

template <class T>
void masked_softmax(const T* mask, std::int64_t mask_step, std::int64_t visible, T* x, std::int64_t rows,
                    std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i, x += columns) {
    const std::int64_t n = visible < 0 ? columns : std::min(visible + i, columns);
    if (mask) map_row(x, n, [&](auto get) { return get(x) + get(mask + i * mask_step); });
    for (std::int64_t j = n; j < columns; ++j) x[j] = T(0);
    if (row_maximum(x, n) == start<Fold::maximum, T>)  // all is masked
      for (std::int64_t j = 0; j < n; ++j) x[j] = x[j] == x[j] ? T(0) : x[j];
    else
      softmax(x, x, 1, n);
  }
}

// A row's log_softmax is (x - maximum) - log(sum of exp(x - maximum)).
template <class T>
void log_softmax(const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i, x += columns, y += columns) {
    const T maximum = row_maximum(x, columns);
    const Batch<T> most(maximum),
        rest = kernels::XGRAD_ARCH::log(Batch<T>(fold_row<Fold::sum_exp>(x, columns, maximum)));
    map_row(y, columns, [&](auto get) { return (get(x) - most) - rest; });
  }
}

template <class T>
void softmax_adjoint(const T* y, const T* dy, T* dx, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i, y += columns, dy += columns, dx += columns) {
    map_row(dx, columns, [&](auto get) { return get(y) * get(dy); });
    const Batch<T> inner(fold_row<Fold::sum>(dx, columns, T(0)));
    map_row(dx, columns, [&](auto get) { return get(y) * (get(dy) - inner); });
  }
}

template <class T>
void log_softmax_adjoint(const T* y, const T* dy, T* dx, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i, y += columns, dy += columns, dx += columns) {
    const Batch<T> sum(fold_row<Fold::sum>(dy, columns, T(0)));
    map_row(dx, columns, [&](auto get) { return get(dy) - kernels::XGRAD_ARCH::exp(get(y)) * sum; });
  }
}

template <class T>
void cross_entropy(const T* x, const std::int64_t* targets, TargetRows of, std::int64_t columns, T* losses,
                   T* maxima, T* reciprocals, T* total, const std::int64_t* used) {
  for (std::int64_t i = 0; i < of.rows; ++i, x += columns) {
    const bool counts = targets[i] != of.ignored;
    maxima[i] = counts ? row_maximum(x, columns) : T(0);
    reciprocals[i] = counts ? fold_row<Fold::sum_exp>(x, columns, maxima[i]) : T(1);  // the sum, for now
    losses[i] = counts ? maxima[i] - x[targets[i]] : T(0);
  }
  map_row(losses, of.rows,
          [&](auto get) { return get(losses) + kernels::XGRAD_ARCH::log(get(reciprocals)); });
  map_row(reciprocals, of.rows, [&](auto get) { return Batch<T>(T(1)) / get(reciprocals); });
  if (total) *total = fold_row<Fold::sum>(losses, of.rows, T(0)) / (used ? static_cast<T>(*used) : T(1));
}

template <class T>
void cross_entropy_adjoint(const T* x, const std::int64_t* targets, const T* scales, const T* maxima,
                           const T* reciprocals, T* dx, bool accumulate, std::int64_t rows,
                           std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i, x += columns, dx += columns) {
    if (scales[i] == T(0)) {  // an ignored row may hold anything, and its target may be no class
      for (std::int64_t j = 0; j < columns && !accumulate; ++j) dx[j] = T(0);
      continue;
    }
    const Batch<T> most(maxima[i]), factor(reciprocals[i] * scales[i]);
    const auto value = [&](auto get) { return kernels::XGRAD_ARCH::exp(get(x) - most) * factor; };
    if (accumulate)
      map_row(dx, columns, [&](auto get) { return get(dx) + value(get); });
    else
      map_row(dx, columns, value);
    dx[targets[i]] -= scales[i];
  }
}

}  // namespace

extern constexpr Part softmax_loops = [](Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.softmax = softmax<T>;
    k.masked_softmax = masked_softmax<T>;
    k.log_softmax = log_softmax<T>;
    k.softmax_adjoint = softmax_adjoint<T>;
    k.log_softmax_adjoint = log_softmax_adjoint<T>;
    k.cross_entropy = cross_entropy<T>;
    k.cross_entropy_adjoint = cross_entropy_adjoint<T>;
  });
};

}  // namespace xgrad::kernels::XGRAD_ARCH
