// Convolutions of sequences and images, and their transposes.
#pragma once

#include <concepts>
#include <string_view>

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// A number for rows and one for columns of an image: `3` for both, or `{3, 5}`. Of a sequence both are the
/// same.
struct Size2 {
  std::int64_t rows = 1, columns = 1;
  constexpr Size2() = default;
  constexpr Size2(std::integral auto both)
      : rows(static_cast<std::int64_t>(both)), columns(static_cast<std::int64_t>(both)) {}
  constexpr Size2(std::integral auto r, std::integral auto c)
      : rows(static_cast<std::int64_t>(r)), columns(static_cast<std::int64_t>(c)) {}
  bool operator==(const Size2&) const = default;
};

/// How many zeros stand on each side of an image: a number, one for rows and one for columns, "valid" for
/// none, or "same" for as many results as there are pixels, with the odd one at the end. Throws ValueError
/// for another word.
class ConvPadding {
 public:
  ConvPadding(std::integral auto both) : size_(both) {}
  ConvPadding(std::integral auto rows, std::integral auto columns) : size_(rows, columns) {}
  ConvPadding(Size2 size) : size_(size) {}
  ConvPadding(const char* word);
  bool same() const { return same_; }
  Size2 size() const { return size_; }

 private:
  Size2 size_ = 0;
  bool same_ = false;
};

/// Options of conv1d and conv2d.
struct ConvOptions {
  Size2 stride = 1;
  ConvPadding padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;
};

/// Options of conv_transpose2d. `output_padding` lines more at the end of the result, which a stride leaves
/// open.
struct ConvTransposeOptions {
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 output_padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;
};

/// x (N, in, length), weight (out, in / groups, window), bias (out) or undefined; the result is (N, out,
/// results), or without N where x is (in, length) (torch.nn.functional.conv1d: a correlation, the window is
/// not turned round). Throws ShapeError where these do not fit, and ValueError for strides, dilations and
/// groups below 1 and a negative padding.
template <Real T>
Tensor<T> conv1d(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias = {},
                 const ConvOptions& options = {}, Location at = Location::current());

/// x (N, in, height, width), weight (out, in / groups, rows, columns), bias (out) or undefined; likewise
/// (torch.nn.functional.conv2d).
template <Real T>
Tensor<T> conv2d(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias = {},
                 const ConvOptions& options = {}, Location at = Location::current());

/// The adjoint of conv2d by its image: x (N, in, height, width), weight (in, out / groups, rows, columns),
/// bias (out) or undefined; each side of the result is (extent - 1) · stride - 2 · padding + dilation ·
/// (window - 1) + output_padding + 1 (torch.nn.functional.conv_transpose2d). Throws as conv2d does, and
/// ValueError for an output_padding that is not less than the stride or the dilation.
template <Real T>
Tensor<T> conv_transpose2d(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias = {},
                           const ConvTransposeOptions& options = {}, Location at = Location::current());

}  // namespace xgrad
