// Folds of contiguous rows and of columns in SIMD registers, for the kernels of one instruction set.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>

#include <xgrad/autograd/kernels/simd.hpp>
#include <xgrad/autograd/kernels/simd_math.hpp>
#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

template <class T>
constexpr std::int64_t width = static_cast<std::int64_t>(lanes<T>);

constexpr bool is_sum(Fold kind) { return rest_of(kind) == Fold::sum; }
constexpr bool is_extreme(Fold kind) { return rest_of(kind) == Fold::maximum || kind == Fold::minimum; }

/// What an empty fold gives.
template <Fold kind, class T>
constexpr T start = is_sum(kind)            ? T(0)
                    : kind == Fold::product ? T(1)
                    : kind == Fold::minimum ? std::numeric_limits<T>::infinity()
                    : kind == Fold::max_abs ? T(0)
                                            : -std::numeric_limits<T>::infinity();

/// What stands for x after the end of a row.
template <Fold kind, class T>
XGRAD_INLINE T neutral(T centre) {
  if constexpr (kind == Fold::sum_squares || kind == Fold::sum_exp) return centre;
  return start<kind, T>;
}

/// The first n elements, and `fill` after them.
template <class T>
XGRAD_INLINE Batch<T> first_elements(const Batch<T>& x, std::int64_t n, T fill) {
  static constexpr T numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  static_assert(lanes<T> <= 16);
  return select(load(numbers) < Batch<T>(static_cast<T>(n)), x, Batch<T>(fill));
}

/// The last 0 < n < lanes elements of a row, and `fill` after them. Where no load can be masked, what lies
/// after the row is read too: the next row, or what a storage has after its data.
template <class T>
XGRAD_INLINE Batch<T> load_end(const T* x, std::int64_t n, T fill) {
  if constexpr (sizeof(Batch<T>) > 16) return load_partial(x, static_cast<std::size_t>(n), fill);
  return first_elements(load(x), n, fill);
}

template <Fold kind, class T>
XGRAD_INLINE Batch<T> mapped(const Batch<T>& x, const Batch<T>& centre) {
  if constexpr (kind == Fold::sum_abs || kind == Fold::max_abs) return kernels::XGRAD_ARCH::abs(x);
  if constexpr (kind == Fold::sum_squares) return (x - centre) * (x - centre);
  if constexpr (kind == Fold::sum_exp) return kernels::XGRAD_ARCH::exp(x - centre);
  return x;
}

/// The mapped last n < lanes elements of a row, and after them what changes no fold.
template <Fold kind, class T>
XGRAD_INLINE Batch<T> mapped_end(const T* x, std::int64_t n, T centre) {
  const Batch<T> value = mapped<kind>(load_end(x, n, neutral<kind>(centre)), Batch<T>(centre));
  // exp(-infinity) would do, but takes the processor 150 cycles: numbers that small are computed in
  // microcode.
  return kind == Fold::sum_exp ? first_elements(value, n, T(0)) : value;
}

/// Of extremes, b where either is NaN. Minding both takes three times as long, so a NaN gets lost in the next
/// step; who folds extremes adds up what comes of each: a sum that is no NaN has had none among its terms.
template <Fold kind, class T>
XGRAD_INLINE Batch<T> combined(const Batch<T>& a, const Batch<T>& b) {
  if constexpr (is_sum(kind)) return a + b;
  if constexpr (kind == Fold::product) return a * b;
  if constexpr (kind == Fold::minimum) return min_or_second(a, b);
  return max_or_second(a, b);
}

/// Whether there is a NaN among n elements whose sums are `added`, as those of infinities may be NaN too.
template <class T>
XGRAD_INLINE bool has_nan(const Batch<T>& added, const T* x, std::int64_t n) {
  if (!any(is_nan(added))) return false;
  std::int64_t i = 0;
  for (; i + width<T> <= n; i += width<T>)
    if (any(is_nan(load(x + i)))) return true;
  return i < n && any(is_nan(load_end(x + i, n - i, T(0))));
}

/// Element i of the result is element (i + by) % lanes of x.
template <int by, class T, std::size_t... I>
XGRAD_INLINE Batch<T> rotated(const Batch<T>& x, std::index_sequence<I...>) {
  using Vector [[gnu::vector_size(sizeof(Batch<T>))]] = T;
  const auto v = __builtin_bit_cast(Vector, x);
  return __builtin_bit_cast(Batch<T>, __builtin_shufflevector(v, v, ((I + by) % lanes<T>)...));
}

/// The fold of a register's elements.
template <Fold kind, class T>
XGRAD_INLINE T across(Batch<T> x) {
  constexpr auto all = std::make_index_sequence<lanes<T>>();
  if constexpr (lanes<T> >= 16) x = combined<kind>(x, rotated<8>(x, all));
  if constexpr (lanes<T> >= 8) x = combined<kind>(x, rotated<4>(x, all));
  if constexpr (lanes<T> >= 4) x = combined<kind>(x, rotated<2>(x, all));
  x = combined<kind>(x, rotated<1>(x, all));
  return x.get(0);
}

/// Element i is the fold of elements i and i + by of a, or where bit `by` of i is set, of elements i - by and
/// i of b.
template <Fold kind, int by, class T, std::size_t... I>
XGRAD_INLINE Batch<T> folded_halves(const Batch<T>& a, const Batch<T>& b, std::index_sequence<I...>) {
  using Vector [[gnu::vector_size(sizeof(Batch<T>))]] = T;
  constexpr std::size_t W = lanes<T>;
  const auto x = __builtin_bit_cast(Vector, a), y = __builtin_bit_cast(Vector, b);
  const auto first = __builtin_shufflevector(x, y, (I & by ? W + I - by : I)...);
  const auto second = __builtin_shufflevector(x, y, (I & by ? W + I : I + by)...);
  return combined<kind>(__builtin_bit_cast(Batch<T>, first), __builtin_bit_cast(Batch<T>, second));
}

/// Element i is the fold of register i: a transposition that folds as it goes.
template <Fold kind, int by, class T>
XGRAD_INLINE Batch<T> across_each(Batch<T>* x) {
  if constexpr (by > 0) {
#pragma GCC unroll 16
    for (int r = 0; r < by; ++r)
      x[r] = folded_halves<kind, by>(x[r], x[r + by], std::make_index_sequence<lanes<T>>());
    return across_each<kind, by / 2>(x);
  } else {
    return x[0];
  }
}

/// y[j] = f(j, load) for a row; `load(p)` reads the registers' elements of any array p of the row's length.
template <class T, class F>
XGRAD_INLINE void map_row(T* y, std::int64_t n, F f) {
  std::int64_t j = 0;
  for (; j + width<T> <= n; j += width<T>) store(y + j, f([&](const T* p) { return load(p + j); }));
  if (const auto rest = static_cast<std::size_t>(n - j); rest > 0)
    store_partial(y + j, f([&](const T* p) { return load_partial(p + j, rest); }), rest);
}

// Sums go into eight registers for a block of this many elements, so that no sum of floats has more than some
// twenty terms; those of the blocks are added up in double.
constexpr int ways = 8;
template <class T>
constexpr std::int64_t block = 16 * ways * width<T>;

/// The fold of one block of a row; `write(position, mapped register, elements in it)` sees every register.
template <Fold kind, class T, class Write>
XGRAD_INLINE T fold_block(const T* x, std::int64_t n, T centre, Write write) {
  constexpr std::int64_t W = width<T>;
  constexpr int sums = ways / 2;
  const Batch<T> c(centre);
  Batch<T> folded[ways], added[sums];
#pragma GCC unroll 8
  for (int k = 0; k < ways; ++k) folded[k] = Batch<T>(start<kind, T>), added[k % sums] = Batch<T>(T(0));
  const auto fold_in = [&](int k, std::int64_t at, const Batch<T>& value, std::int64_t count)
      __attribute__((always_inline)) {
    write(at, value, count);
    folded[k] = combined<kind>(folded[k], value);
    if (is_extreme(kind)) added[k % sums] = added[k % sums] + folded[k];
  };
  std::int64_t i = 0;
  for (; i + ways * W <= n; i += ways * W)
#pragma GCC unroll 8
    for (int k = 0; k < ways; ++k) fold_in(k, i + k * W, mapped<kind>(load(x + i + k * W), c), W);
  for (; i + W <= n; i += W) fold_in(0, i, mapped<kind>(load(x + i), c), W);
  if (i < n) fold_in(1, i, mapped_end<kind>(x + i, n - i, centre), n - i);
#pragma GCC unroll 8
  for (int half = ways / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int k = 0; k < half; ++k) folded[k] = combined<kind>(folded[k], folded[k + half]);
  if (is_extreme(kind) && has_nan((added[0] + added[1]) + (added[2] + added[3]), x, n))
    return std::numeric_limits<T>::quiet_NaN();
  return across<kind>(folded[0]);
}

/// The fold of a row, rounded to T at the end.
template <Fold kind, class T, class Write>
XGRAD_INLINE T fold_row(const T* x, std::int64_t n, T centre, Write write) {
  if (!is_sum(kind) || n <= block<T>) return fold_block<kind>(x, n, centre, write);
  double total = 0;
  for (std::int64_t i = 0; i < n; i += block<T>)
    total += static_cast<double>(fold_block<kind>(
        x + i, std::min(block<T>, n - i), centre,
        [&](std::int64_t at, const Batch<T>& value, std::int64_t count) { write(i + at, value, count); }));
  return static_cast<T>(total);
}

template <Fold kind, class T>
XGRAD_INLINE T fold_row(const T* x, std::int64_t n, T centre) {
  return fold_row<kind>(x, n, centre, [](std::int64_t, const Batch<T>&, std::int64_t) {});
}

}  // namespace xgrad::kernels::XGRAD_ARCH
