// Pooling and resizing of sequences and images.
#pragma once

#include <optional>
#include <utility>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/ops/conv.hpp>

namespace xgrad {

/// Options of max_pool1d and max_pool2d.
struct MaxPoolOptions {
  Size2 stride = 0;  ///< 0: the window
  Size2 padding = 0;
  Size2 dilation = 1;
  bool ceil_mode = false;  ///< whether a window may end after the image
};

/// Options of avg_pool1d and avg_pool2d.
struct AvgPoolOptions {
  Size2 stride = 0;  ///< 0: the window
  Size2 padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;             ///< whether the zeros around the image count
  std::optional<std::int64_t> divisor = {};  ///< instead of the number of pixels (PyTorch's divisor_override)
};

/// The largest element of each window over the last axis of x (N, C, length) or (C, length); NaN where there
/// is one (torch.nn.functional.max_pool1d). Of elements that tie the first gets the gradient. Throws
/// ShapeError where no window fits, ValueError for windows and dilations below 1, negative strides, and a
/// padding of more than half a window.
template <Real T>
Tensor<T> max_pool1d(const Tensor<T>& x, Size2 window, const MaxPoolOptions& options = {},
                     Location at = Location::current());

/// The same over the last two axes of x (N, C, height, width) or (C, height, width)
/// (torch.nn.functional.max_pool2d).
template <Real T>
Tensor<T> max_pool2d(const Tensor<T>& x, Size2 window, const MaxPoolOptions& options = {},
                     Location at = Location::current());

/// max_pool2d, and where in its plane, height · width elements in a row, each largest element stands
/// (torch.nn.functional.max_pool2d_with_indices).
template <Real T>
std::pair<Tensor<T>, Indices> max_pool2d_with_indices(const Tensor<T>& x, Size2 window,
                                                      const MaxPoolOptions& options = {},
                                                      Location at = Location::current());

/// The mean of each window, on the same terms (torch.nn.functional.avg_pool1d, avg_pool2d).
template <Real T>
Tensor<T> avg_pool1d(const Tensor<T>& x, Size2 window, const AvgPoolOptions& options = {},
                     Location at = Location::current());
template <Real T>
Tensor<T> avg_pool2d(const Tensor<T>& x, Size2 window, const AvgPoolOptions& options = {},
                     Location at = Location::current());

/// Means over windows chosen so that there are `results` of them (torch.nn.functional.adaptive_avg_pool2d):
/// result i of n is that of the pixels from i · extent / n, rounded down, to (i + 1) · extent / n, rounded
/// up. Throws ShapeError for other than three or four axes, ValueError for results below 1 and images without
/// pixels.
template <Real T>
Tensor<T> adaptive_avg_pool2d(const Tensor<T>& x, Size2 results, Location at = Location::current());

/// How interpolate finds what lies between pixels.
enum class Interpolation { nearest, bilinear };

/// Options of interpolate: either a size or a factor.
struct InterpolateOptions {
  Size2 size = 0;           ///< 0: given by the factor
  double scale_factor = 0;  ///< 0: given by the size
  Interpolation mode = Interpolation::nearest;
  bool align_corners = false;  ///< bilinear: whether the corner pixels keep their values
};

/// x (N, C, height, width), or (N, C, length), in another size (torch.nn.functional.interpolate; of a
/// sequence bilinear is PyTorch's linear). Throws ShapeError for another number of axes, ValueError unless
/// there is one of size and scale_factor and it gives at least one pixel.
template <Real T>
Tensor<T> interpolate(const Tensor<T>& x, const InterpolateOptions& options,
                      Location at = Location::current());

}  // namespace xgrad
