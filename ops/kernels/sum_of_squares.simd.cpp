// The sum of squares of an array.
#include <limits>

#include <xgrad/autograd/kernels/simd.hpp>
#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

// In double, for squares that a float does not hold.
[[gnu::noinline, gnu::cold]] double wide_sum(std::int64_t n, const float* x) {
  double sum[4] = {};
  for (std::int64_t i = 0; i < n; ++i) sum[i % 4] += double(x[i]) * double(x[i]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <class T>
double sum(std::int64_t n, const T* x) {
  constexpr auto W = static_cast<std::int64_t>(lanes<T>);
  constexpr std::int64_t block = 4096;
  double total = 0;
  for (std::int64_t first = 0; first < n; first += block) {
    const std::int64_t last = n - first < block ? n : first + block;
    Batch<T> sum[4] = {Batch<T>(T(0)), Batch<T>(T(0)), Batch<T>(T(0)), Batch<T>(T(0))};
    std::int64_t i = first;
    for (; i + 4 * W <= last; i += 4 * W)
      for (int k = 0; k < 4; ++k) {
        const Batch<T> v = load(x + i + k * W);
        sum[k] = fma(v, v, sum[k]);
      }
    for (; i < last; i += W) {
      const Batch<T> v = last - i < W ? load_partial(x + i, static_cast<std::size_t>(last - i)) : load(x + i);
      sum[0] = fma(v, v, sum[0]);
    }
    total += static_cast<double>(reduce_add<T>((sum[0] + sum[1]) + (sum[2] + sum[3])));
  }
  if constexpr (sizeof(T) == 4)
    if (!(total > 1e-30 && total <= std::numeric_limits<double>::max())) [[unlikely]]
      return wide_sum(n, x);
  return total;
}

}  // namespace

extern constexpr Part sum_of_squares_loops = [](Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) { k.sum_of_squares = sum<T>; });
};

}  // namespace xgrad::kernels::XGRAD_ARCH
