// Convolutions of one image and one group: loops for each instruction set, on an image that is laid out for
// them.
#pragma once

#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::kernels {

/// Loops over the channels [first, last) of what they write. `image` is laid out as Convolution says.
template <class T>
struct ConvolutionLoops {
  using Int = std::int64_t;
  /// Results; bias may be null.
  void (*results)(const Convolution& of, const T* image, const T* w, const T* bias, T* y, Int first,
                  Int last);
  /// Adds to the image what the gradient of the results gives it.
  void (*image)(const Convolution& of, const T* w, const T* dy, T* image, Int first, Int last);
  /// Adds to the gradient of the weights.
  void (*weights)(const Convolution& of, const T* image, const T* dy, T* dw, Int first, Int last);
};

struct AllConvolutionLoops {
  ConvolutionLoops<float> single_precision;
  ConvolutionLoops<double> double_precision;
};
XGRAD_SIMD_TABLE(AllConvolutionLoops, convolution_loops)

/// Where the first of the results, in row 0, finds what it reads through tap number `tap`.
constexpr std::int64_t tap_offset(const Convolution& of, std::int64_t channel, std::int64_t row,
                                  std::int64_t column) {
  const std::int64_t at = column * of.columns.dilation;
  return channel * of.plane() + row * of.rows.dilation * of.pitch() + at % of.columns.stride * of.phase() +
         at / of.columns.stride;
}

}  // namespace xgrad::kernels
