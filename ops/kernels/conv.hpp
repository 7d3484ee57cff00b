// Convolutions of one image and one group: loops for each instruction set, on an image that is laid out for
// them.
#pragma once

#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::kernels {

/// How results lie: rows of them, and channels.
struct ResultLayout {
  std::int64_t rows, columns, channel_step, row_step;
};
constexpr ResultLayout plain_results(const Convolution& of) {
  return {of.rows.results, of.columns.results, of.results(), of.columns.results};
}
constexpr ResultLayout joined_results(const Convolution& of) {
  const std::int64_t all = of.rows.results * of.pitch();
  return {1, all - of.pitch() + of.columns.results, all, 0};
}

/// Loops over the channels [first, last) of what they write. `image` is laid out as Convolution says.
template <class T>
struct ConvolutionLoops {
  using Int = std::int64_t;
  /// Results, where `at` says; bias may be null.
  void (*results)(const Convolution& of, const ResultLayout& at, const T* image, const T* w, const T* bias,
                  T* y, Int first, Int last);
  /// Adds to the gradient of the weights; `at` says where those of the results are.
  void (*weights)(const Convolution& of, const ResultLayout& at, const T* image, const T* dy, T* dw,
                  Int first, Int last);
};

struct AllConvolutionLoops {
  ConvolutionLoops<float> single_precision;
  ConvolutionLoops<double> double_precision;
};
XGRAD_SIMD_TABLE(AllConvolutionLoops, convolution_loops)

/// Where row i of the padded image is laid out.
constexpr std::int64_t row_place(const Convolution& of, std::int64_t i) {
  return i % of.rows.stride * of.row_phase() + i / of.rows.stride;
}

/// Where the first of the results, in row 0, finds what it reads through tap number `tap`.
constexpr std::int64_t tap_offset(const Convolution& of, std::int64_t channel, std::int64_t row,
                                  std::int64_t column) {
  const std::int64_t i = row * of.rows.dilation, j = column * of.columns.dilation;
  return channel * of.plane() + row_place(of, i) * of.pitch() + j % of.columns.stride * of.column_phase() +
         j / of.columns.stride;
}

}  // namespace xgrad::kernels
