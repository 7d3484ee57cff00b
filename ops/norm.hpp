// Normalisation: layer_norm, rms_norm, group_norm and batch_norm.
#pragma once

#include <optional>

#include <xgrad/ops/shape.hpp>

namespace xgrad {

/// (x - mean) / sqrt(variance + eps) · weight + bias over the last axes, which are `normalized_shape`, as are
/// weight and bias; either may be undefined (torch.nn.functional.layer_norm; Ba, Kiros & Hinton 2016). Throws
/// ShapeError where x does not end in that shape, or a weight has another.
template <Real T>
Tensor<T> layer_norm(const Tensor<T>& x, const IntList& normalized_shape, const Tensor<T>& weight = {},
                     const Tensor<T>& bias = {}, double eps = 1e-5, Location at = Location::current());

/// x / sqrt(mean(x²) + eps) · weight, likewise; eps is the element type's epsilon where it is not given
/// (torch.nn.functional.rms_norm; Zhang & Sennrich 2019).
template <Real T>
Tensor<T> rms_norm(const Tensor<T>& x, const IntList& normalized_shape, const Tensor<T>& weight = {},
                   std::optional<double> eps = {}, Location at = Location::current());

/// x of shape (N, C, …), normalised over `groups` groups of channels with all that follows; weight and bias
/// are (C) (torch.nn.functional.group_norm; Wu & He 2018). Throws ShapeError where groups does not divide C,
/// or a weight has another shape.
template <Real T>
Tensor<T> group_norm(const Tensor<T>& x, std::int64_t groups, const Tensor<T>& weight = {},
                     const Tensor<T>& bias = {}, double eps = 1e-5, Location at = Location::current());

/// Options of batch_norm.
struct BatchNormOptions {
  bool training = false;
  /// The part of the new in the running statistics.
  double momentum = 0.1;
  double eps = 1e-5;
};

/// x of shape (N, C, …), each channel normalised over everything else; weight and bias are (C), and may be
/// undefined (torch.nn.functional.batch_norm; Ioffe & Szegedy 2015). In training by the batch's own
/// statistics, which also move the running ones, of shape (C), in place where these are defined; else by the
/// running ones. Throws ShapeError for other shapes, ValueError where training has no more than one value for
/// a channel, or where running statistics are needed and undefined.
template <Real T>
Tensor<T> batch_norm(const Tensor<T>& x, const Tensor<T>& running_mean, const Tensor<T>& running_var,
                     const Tensor<T>& weight = {}, const Tensor<T>& bias = {}, BatchNormOptions options = {},
                     Location at = Location::current());

}  // namespace xgrad
