// Convolutions in registers: a tile of channels × neighbouring columns, over all taps of the window.
#include <xgrad/ops/kernels/conv.hpp>
#include <xgrad/ops/kernels/fold_simd.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

constexpr bool many_registers = sizeof(Batch<float>) == 64;
constexpr int most_channels = many_registers ? 8 : 4;  // of a tile
constexpr int most_vectors = 2;
constexpr std::int64_t tap_block = 256;

// f(a number of channels, as a constant; the first of them) for tiles that make up [first, last).
template <int size>
XGRAD_INLINE void in_tiles(std::int64_t first, std::int64_t last, auto f) {
  for (; first + size <= last; first += size) f(std::integral_constant<int, size>(), first);
  if constexpr (size > 1)
    if (first < last) in_tiles<size / 2>(first, last, f);
}

// f(a number of vectors; first column; columns in them) for the columns [0, n).
template <class T>
XGRAD_INLINE void in_vectors(std::int64_t n, auto f) {
  constexpr std::int64_t W = width<T>;
  std::int64_t j = 0;
  for (; n - j > W; j += most_vectors * W)
    f(std::integral_constant<int, most_vectors>(), j, std::min(most_vectors * W, n - j));
  if (j < n) f(std::integral_constant<int, 1>(), j, n - j);
}

// Vector v of n columns at p; of the last one what is there.
template <class T>
XGRAD_INLINE Batch<T> load_vector(const T* p, int v, std::int64_t n) {
  const std::int64_t rest = n - v * width<T>;
  return rest >= width<T>
             ? load(p + v * width<T>)
             : load_partial(p + v * width<T>, static_cast<std::size_t>(std::max<std::int64_t>(rest, 0)));
}
template <class T>
XGRAD_INLINE void store_vector(T* p, const Batch<T>& x, int v, std::int64_t n) {
  const std::int64_t rest = n - v * width<T>;
  if (rest >= width<T>)
    store(p + v * width<T>, x);
  else if (rest > 0)
    store_partial(p + v * width<T>, x, static_cast<std::size_t>(rest));
}

// Some taps: weights of the first channel, and where each reads.
template <class T>
struct Taps {
  std::int64_t count;
  const T* w;
  std::int64_t channel_step;
  const std::int64_t* offset;
};

// y, of `channels` channels `step` apart, is `start` of each channel (or itself, where that is null) plus the
// taps.
template <int channels, int vectors, class T>
XGRAD_INLINE void result_tile(const Taps<T>& taps, const T* image, const T* start, bool add, T* y,
                              std::int64_t step, std::int64_t n) {
  Batch<T> sum[channels][vectors];
#pragma GCC unroll 8
  for (int c = 0; c < channels; ++c)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      sum[c][v] = add ? load_vector(y + c * step, v, n) : Batch<T>(start ? start[c] : T(0));
  const T* w = taps.w;
  for (std::int64_t k = 0; k < taps.count; ++k, ++w) {
    Batch<T> x[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) x[v] = load(image + taps.offset[k] + v * width<T>);
#pragma GCC unroll 8
    for (int c = 0; c < channels; ++c) {
      const Batch<T> weight(w[c * taps.channel_step]);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[c][v] = fma(weight, x[v], sum[c][v]);
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < channels; ++c)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) store_vector(y + c * step, sum[c][v], v, n);
}

// f(first tap, taps, offsets) for blocks of the window's taps, in the order of the weights.
XGRAD_INLINE void in_tap_blocks(const Convolution& of, auto f) {
  std::int64_t offset[tap_block], count = 0, first = 0;
  for (std::int64_t channel = 0; channel < of.in; ++channel)
    for (std::int64_t row = 0; row < of.rows.window; ++row)
      for (std::int64_t column = 0; column < of.columns.window; ++column) {
        offset[count++] = tap_offset(of, channel, row, column);
        if (count < tap_block) continue;
        f(first, count, offset);
        first += count, count = 0;
      }
  if (count > 0 || first == 0) f(first, count, offset);
}

template <class T>
void results(const Convolution& of, const ResultLayout& at, const T* image, const T* w, const T* bias, T* y,
             std::int64_t first, std::int64_t last) {
  in_tap_blocks(of, [&](std::int64_t tap, std::int64_t count, const std::int64_t* offset) {
    for (std::int64_t row = 0; row < at.rows; ++row)
      in_vectors<T>(at.columns, [&](auto vectors, std::int64_t j, std::int64_t n) {
        in_tiles<most_channels>(first, last, [&](auto channels, std::int64_t c) {
          result_tile<channels, vectors>({count, w + c * of.taps() + tap, of.taps(), offset},
                                         image + row * of.pitch() + j, bias ? bias + c : nullptr, tap > 0,
                                         y + c * at.channel_step + row * at.row_step + j, at.channel_step, n);
        });
      });
  });
}

// total[i] = the sum of register i's elements; of as many registers as one has elements at a time.
template <class T>
XGRAD_INLINE void add_across(Batch<T>* x, int count, T* total) {
  int i = 0;
#pragma GCC unroll 8
  for (; i + static_cast<int>(lanes<T>) <= count; i += static_cast<int>(lanes<T>))
    store(total + i, across_each<Fold::sum, static_cast<int>(lanes<T>) / 2>(x + i));
  for (; i < count; ++i) total[i] = across<Fold::sum>(x[i]);
}

// Some channels of the results times some taps, summed over all columns of all rows.
template <int channels, int taps, class T>
XGRAD_INLINE void weight_tile(const Convolution& of, const ResultLayout& at, const T* image,
                              const std::int64_t* offset, const T* dy, T* dw) {
  constexpr std::int64_t W = width<T>;
  Batch<T> sum[channels][taps];
#pragma GCC unroll 4
  for (int c = 0; c < channels; ++c)
#pragma GCC unroll 4
    for (int k = 0; k < taps; ++k) sum[c][k] = Batch<T>(T(0));
  const auto add = [&](const T* x, const T* g, auto get) __attribute__((always_inline)) {
    Batch<T> gradient[channels];
#pragma GCC unroll 4
    for (int c = 0; c < channels; ++c) gradient[c] = get(g + c * at.channel_step);
#pragma GCC unroll 4
    for (int k = 0; k < taps; ++k) {
      const Batch<T> value = get(x + offset[k]);
#pragma GCC unroll 4
      for (int c = 0; c < channels; ++c) sum[c][k] = fma(gradient[c], value, sum[c][k]);
    }
  };
  for (std::int64_t row = 0; row < at.rows; ++row) {
    const T *x = image + row * of.pitch(), *g = dy + row * at.row_step;
    std::int64_t j = 0;
    for (; j + W <= at.columns; j += W) add(x + j, g + j, [](const T* p) { return load(p); });
    if (const auto rest = static_cast<std::size_t>(at.columns - j); rest > 0)
      add(x + j, g + j, [&](const T* p) { return load_partial(p, rest); });
  }
  T total[channels * taps];
  add_across(&sum[0][0], channels * taps, total);
  for (int c = 0; c < channels; ++c)
    for (int k = 0; k < taps; ++k) dw[c * of.taps() + k] += total[c * taps + k];
}

template <class T>
void weights(const Convolution& of, const ResultLayout& at, const T* image, const T* dy, T* dw,
             std::int64_t first, std::int64_t last) {
  constexpr int most_taps = many_registers ? 4 : 2;
  in_tap_blocks(of, [&](std::int64_t first_tap, std::int64_t count, const std::int64_t* offset) {
    in_tiles<4>(first, last, [&](auto channels, std::int64_t c) {
      in_tiles<most_taps>(0, count, [&](auto taps, std::int64_t k) {
        weight_tile<channels, taps>(of, at, image, offset + k, dy + c * at.channel_step,
                                    dw + c * of.taps() + first_tap + k);
      });
    });
  });
}

template <class T>
constexpr ConvolutionLoops<T> loops{results<T>, weights<T>};

}  // namespace

extern constexpr AllConvolutionLoops convolution_loops{loops<float>, loops<double>};

}  // namespace xgrad::kernels::XGRAD_ARCH
