// Convolutions: image by image, each laid out in memory of its own, its channels shared between threads.
#include <xgrad/ops/kernels/conv.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <xgrad/autograd/kernels/team.hpp>
#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels {

namespace {

template <class T>
const ConvolutionLoops<T>& loops() {
  if constexpr (sizeof(T) == sizeof(float))
    return convolution_loops().single_precision;
  else
    return convolution_loops().double_precision;
}

// f(begin, end) for the channels of one image, on the team's threads.
template <class F>
void share_channels(const Convolution& of, std::int64_t channels, F f) {
  constexpr std::int64_t tile = 4;
  constexpr double products_per_nanosecond = 50;
  share(channels, tile, static_cast<double>(of.out * of.taps() * of.results()) / products_per_nanosecond, f);
}

// f(column of the image, its place in a row as it is laid out) for the columns of one phase that are there.
template <class F>
void each_column(const Convolution& of, std::int64_t phase, F f) {
  const auto& a = of.columns;
  for (std::int64_t j = 0; j < of.pitch(); ++j)
    if (const std::int64_t column = j * a.stride + phase - a.padding; column >= 0 && column < a.extent)
      f(column, phase * of.column_phase() + j);
}

// f(row of the image, row as it is laid out): for all rows of all channels that both have.
template <class T, class U, class F>
void each_row(const Convolution& of, T* x, U* image, F f) {
  for (std::int64_t channel = 0; channel < of.in; ++channel, x += of.pixels(), image += of.plane())
    for (std::int64_t i = 0; i < of.rows.reach(); ++i)
      if (const std::int64_t row = i - of.rows.padding; row >= 0 && row < of.rows.extent)
        f(x + row * of.columns.extent, image + row_place(of, i) * of.pitch());
}

template <class T>
void lay_out(const Convolution& of, const T* x, T* image) {
  each_row(of, x, image, [&](const T* from, T* to) {
    if (of.columns.stride == 1) {
      const std::int64_t first = of.columns.padding;
      std::copy_n(from, std::clamp<std::int64_t>(of.pitch() - first, 0, of.columns.extent),
                  to + std::min(first, of.pitch()));
      return;
    }
    for (std::int64_t phase = 0; phase < of.columns.stride; ++phase)
      each_column(of, phase, [&](std::int64_t column, std::int64_t at) { to[at] = from[column]; });
  });
}

// f(group, number of the image and group) for all images' groups.
template <class F>
void each_image(const Convolution& of, F f) {
  for (std::int64_t i = 0; i < of.images; ++i)
    for (std::int64_t g = 0; g < of.groups; ++g) f(g, i * of.groups + g);
}

// f(a row of results where it belongs, and where it stands in the joined row) for some channels.
template <class T, class U, class F>
void each_joined_row(const Convolution& of, std::int64_t first, std::int64_t last, T* y, U* joined, F f) {
  for (std::int64_t row = first * of.rows.results; row < last * of.rows.results; ++row)
    f(y + row * of.columns.results, joined + row * of.pitch());
}

// The results of one image and group; after the image there is room for them as a joined row.
template <class T>
void results_of(const Convolution& of, T* image, const T* w, const T* bias, T* y) {
  T* const joined = image + of.image_elements();
  share_channels(of, of.out, [&](std::int64_t first, std::int64_t last) {
    if (!of.joins_rows()) return loops<T>().results(of, plain_results(of), image, w, bias, y, first, last);
    loops<T>().results(of, joined_results(of), image, w, bias, joined, first, last);
    each_joined_row(of, first, last, y, joined,
                    [&](T* to, const T* from) { std::copy_n(from, of.columns.results, to); });
  });
}

// Whether all of the image is finite: only then do zeros in the gaps of a joined row of gradients count
// nothing.
template <class T>
bool joins_gradients(const Convolution& of, const T* image) {
  return of.joins_rows() &&
         std::all_of(image, image + of.image_elements(), [](T value) { return std::isfinite(value); });
}

template <class T>
void convolve(const Convolution& of, const T* x, const T* w, const T* bias, T* y, T* scratch) {
  std::fill_n(scratch, of.image_elements(), T(0));  // the padding stays so
  each_image(of, [&](std::int64_t g, std::int64_t i) {
    lay_out(of, x + i * of.in * of.pixels(), scratch);
    results_of(of, scratch, w + g * of.out * of.taps(), bias ? bias + g * of.out : nullptr,
               y + i * of.out * of.results());
  });
}

// The taps that read the pixels of one phase: `first`, and every `step`-th after it; for these pixels alone
// they are an axis of stride 1.
struct Phase {
  Phase(const Convolution::Axis& a, std::int64_t extent, std::int64_t phase) {
    const std::int64_t common = std::gcd(a.stride, a.dilation);
    step = a.stride / common;
    while (first < a.window && first * a.dilation % a.stride != phase) ++first;
    const std::int64_t count = first < a.window ? (a.window - first + step - 1) / step : 0;
    axis = {extent, a.results, count, 1, -(first * a.dilation / a.stride), a.dilation / common};
  }
  std::int64_t first = 0, step;
  Convolution::Axis axis;
};

// Pixel m of a phase is pixel m · stride + shift of the image, for those in [begin, end).
struct Places {
  std::int64_t begin, end, shift;
};
Places places(const Convolution::Axis& a, std::int64_t phase) {
  const std::int64_t shift = phase - a.padding, extent = (a.reach() + a.stride - 1) / a.stride;
  const auto up = [&](std::int64_t n) { return n > 0 ? (n + a.stride - 1) / a.stride : 0; };
  return {up(-shift), std::min(extent, up(a.extent - shift)), shift};
}

// The weights of a group with the window turned round, and the channels in and out swapped.
template <class T>
void flip(const Convolution& of, const T* w, T* flipped) {
  const std::int64_t window = of.rows.window * of.columns.window;
  for (std::int64_t i = 0; i < of.in; ++i)
    for (std::int64_t o = 0; o < of.out; ++o)
      std::reverse_copy(w + (o * of.in + i) * window, w + (o * of.in + i + 1) * window,
                        flipped + (i * of.out + o) * window);
}

template <class T>
void convolve_input_flipped(const Convolution& of, const T* w, const T* dy, T* dx, T* scratch) {
  const Convolution turned = of.flipped();
  T* const weights = scratch + turned.scratch_elements(false);
  std::fill_n(scratch, turned.image_elements(), T(0));
  for (std::int64_t g = 0; g < of.groups; ++g) {
    flip(of, w + g * of.out * of.taps(), weights);
    for (std::int64_t n = 0; n < of.images; ++n) {
      const std::int64_t i = n * of.groups + g;
      lay_out(turned, dy + i * of.out * of.results(), scratch);
      results_of<T>(turned, scratch, weights, nullptr, dx + i * of.in * of.pixels());
    }
  }
}

// The weights of some taps of a group, the window turned round, and the channels in and out swapped.
template <class T>
void flip(const Convolution& of, const Phase& rows, const Phase& columns, const T* w, T* flipped) {
  for (std::int64_t i = 0; i < of.in; ++i)
    for (std::int64_t o = 0; o < of.out; ++o)
      for (std::int64_t r = rows.axis.window; r-- > 0;)
        for (std::int64_t c = columns.axis.window; c-- > 0;)
          *flipped++ = w[((o * of.in + i) * of.rows.window + rows.first + r * rows.step) * of.columns.window +
                         columns.first + c * columns.step];
}

// Puts pixels of a phase where they belong in the image.
template <class T>
void take_back(const Convolution& of, std::int64_t row_phase, std::int64_t column_phase, const T* pixels,
               T* x) {
  const auto rows = places(of.rows, row_phase), columns = places(of.columns, column_phase);
  const std::int64_t height = of.row_phase(), width = of.pitch();
  for (std::int64_t channel = 0; channel < of.in; ++channel, pixels += height * width, x += of.pixels())
    for (std::int64_t m = rows.begin; m < rows.end; ++m) {
      T* const to = x + (m * of.rows.stride + rows.shift) * of.columns.extent + columns.shift;
      for (std::int64_t n = columns.begin; n < columns.end; ++n)
        to[n * of.columns.stride] = pixels[m * width + n];
    }
}

// Every phase of the image by itself: a convolution of stride 1 with the taps that read it.
template <class T>
void convolve_input(const Convolution& of, const T* w, const T* dy, T* dx, T* scratch) {
  if (of.flips()) return convolve_input_flipped(of, w, dy, dx, scratch);
  std::fill_n(dx, of.images * of.groups * of.in * of.pixels(), T(0));
  T* const weights = scratch;
  T* const pixels = weights + of.out * of.taps();
  T* const image = pixels + of.in * of.row_phase() * of.pitch();
  for (std::int64_t p = 0; p < of.rows.stride * of.columns.stride; ++p) {
    const std::int64_t row_phase = p / of.columns.stride, column_phase = p % of.columns.stride;
    const Phase rows(of.rows, of.row_phase(), row_phase), columns(of.columns, of.pitch(), column_phase);
    if (rows.axis.window == 0 || columns.axis.window == 0) continue;
    const Convolution turned =
        Convolution{of.images, of.groups, of.in, of.out, rows.axis, columns.axis}.flipped();
    std::fill_n(image, turned.image_elements(), T(0));
    for (std::int64_t g = 0; g < of.groups; ++g) {
      flip(of, rows, columns, w + g * of.out * of.taps(), weights);
      for (std::int64_t n = 0; n < of.images; ++n) {
        const std::int64_t i = n * of.groups + g;
        lay_out(turned, dy + i * of.out * of.results(), image);
        results_of<T>(turned, image, weights, nullptr, pixels);
        take_back(of, row_phase, column_phase, pixels, dx + i * of.in * of.pixels());
      }
    }
  }
}

template <class T>
void convolve_weight(const Convolution& of, const T* x, const T* dy, T* dw, T* scratch) {
  T* const joined = scratch + of.image_elements();
  std::fill_n(scratch, of.scratch_elements(false), T(0));  // the gaps of the joined row stay so, too
  std::fill_n(dw, of.groups * of.out * of.taps(), T(0));
  each_image(of, [&](std::int64_t g, std::int64_t i) {
    lay_out(of, x + i * of.in * of.pixels(), scratch);
    const bool joins = joins_gradients(of, scratch);
    const T* const gradients = dy + i * of.out * of.results();
    T* const into = dw + g * of.out * of.taps();
    share_channels(of, of.out, [&](std::int64_t first, std::int64_t last) {
      if (!joins) return loops<T>().weights(of, plain_results(of), scratch, gradients, into, first, last);
      each_joined_row(of, first, last, gradients, joined,
                      [&](const T* from, T* to) { std::copy_n(from, of.columns.results, to); });
      loops<T>().weights(of, joined_results(of), scratch, joined, into, first, last);
    });
  });
}

}  // namespace

void add_convolutions(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.convolve = convolve<T>;
    k.convolve_input = convolve_input<T>;
    k.convolve_weight = convolve_weight<T>;
  });
}

}  // namespace xgrad::kernels
