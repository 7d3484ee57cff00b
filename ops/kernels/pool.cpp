// Pooling: the largest element of each window, and sparse weighted sums along an axis.
#include <algorithm>
#include <limits>

#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels {

namespace {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) {
  return a <= 0 ? 0 : b == 1 ? a : (a + b - 1) / b;
}

// The taps of a window that lie in the image.
struct Taps {
  Taps(const Convolution::Axis& a, std::int64_t result) {
    const std::int64_t start = result * a.stride - a.padding;
    begin = divide_up(-start, a.dilation);
    end = std::min(a.window, divide_up(a.extent - start, a.dilation));
    first = start + begin * a.dilation;
  }
  std::int64_t begin, end, first;  // `first` is the pixel of the first of them
};

// The larger of what each window has and its pixel at one tap, for windows [j, end) whose pixels are `stride`
// apart.
template <class T>
void take_larger(std::int64_t j, std::int64_t end, std::int64_t stride, std::int64_t at, const T* x, T* y,
                 std::int64_t* place) {
  for (at += j * stride; j < end; ++j, at += stride) {
    const T value = x[at];
    const bool larger = (value > y[j]) | (value != value);
    place[j] ^= (place[j] ^ at) & -static_cast<std::int64_t>(larger);  // a branch would be mispredicted
    y[j] = larger ? value : y[j];
  }
}

// Row by row: all its windows take one tap after the other.
template <class T>
void max_pool(const Windows& of, const T* x, T* y, std::int64_t* place) {
  const Convolution::Axis& columns = of.columns;
  const std::int64_t n = columns.results, width = columns.extent;
  for (std::int64_t plane = 0; plane < of.planes; ++plane, x += of.rows.extent * width)
    for (std::int64_t i = 0; i < of.rows.results; ++i, y += n, place += n) {
      const Taps rows(of.rows, i);
      std::fill_n(y, n, -std::numeric_limits<T>::infinity());
      for (std::int64_t j = 0; j < n; ++j) place[j] = rows.first * width + Taps(columns, j).first;
      for (std::int64_t r = rows.begin; r < rows.end; ++r) {
        const std::int64_t row = (rows.first + (r - rows.begin) * of.rows.dilation) * width;
        for (std::int64_t c = 0; c < columns.window; ++c) {
          const std::int64_t shift =
              c * columns.dilation - columns.padding;  // of the tap from the first window's start
          take_larger(divide_up(-shift, columns.stride),
                      std::min(n, divide_up(width - shift, columns.stride)), columns.stride, row + shift, x,
                      y, place);
        }
      }
    }
}

template <class T>
void combine(std::int64_t outer, std::int64_t extent, std::int64_t inner, std::int64_t results,
             const std::int64_t* begin, const std::int64_t* index, const T* weight, const T* x, T* out) {
  for (std::int64_t o = 0; o < outer; ++o, x += extent * inner)
    for (std::int64_t r = 0; r < results; ++r, out += inner) {
      if (inner == 1) {
        T sum = 0;
        for (std::int64_t k = begin[r]; k < begin[r + 1]; ++k) sum += weight[k] * x[index[k]];
        *out = sum;
        continue;
      }
      std::fill_n(out, inner, T(0));
      for (std::int64_t k = begin[r]; k < begin[r + 1]; ++k)
        for (std::int64_t i = 0; i < inner; ++i) out[i] += weight[k] * x[index[k] * inner + i];
    }
}

}  // namespace

void add_pools(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.max_pool = max_pool<T>;
    k.combine = combine<T>;
  });
}

}  // namespace xgrad::kernels
