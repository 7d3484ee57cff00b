// Convolutions as modules.
#pragma once

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/nn/module.hpp>
#include <xgrad/ops/conv.hpp>

namespace xgrad::nn {

/// torch.nn.Conv1d: weight (out, in / groups, window), bias (out), both uniform in ±1/sqrt(fan in), which is
/// kaiming_uniform with slope sqrt(5). `Conv1d<>{in, out, 3, {.padding = "same"}}`.
template <Real T = float>
struct Conv1d {
  using value_type = T;

  Tensor<T> weight, bias;  ///< bias is undefined where there is none

  Conv1d() = default;
  /// Throws ValueError for negative sizes, a window below 1, and options that conv1d refuses.
  Conv1d(std::int64_t in, std::int64_t out, std::int64_t window, ConvOptions options = {},
         bool with_bias = true, Generator& generator = default_generator());

  /// x of shape (N, in, length) or (in, length); as conv1d. Throws ShapeError for other channels, ValueError
  /// before it has parameters.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("weight", weight);
    v("bias", bias);
  }
  std::string attributes() const;

 private:
  ConvOptions options_;
};

/// torch.nn.Conv2d: weight (out, in / groups, rows, columns), bias (out), likewise. `Conv2d<>{in, out, 3}`.
template <Real T = float>
struct Conv2d {
  using value_type = T;

  Tensor<T> weight, bias;

  Conv2d() = default;
  /// As Conv1d's.
  Conv2d(std::int64_t in, std::int64_t out, Size2 window, ConvOptions options = {}, bool with_bias = true,
         Generator& generator = default_generator());

  /// x of shape (N, in, height, width) or (in, height, width); as conv2d, and as Conv1d's.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("weight", weight);
    v("bias", bias);
  }
  std::string attributes() const;

 private:
  ConvOptions options_;
};

/// torch.nn.ConvTranspose2d: weight (in, out / groups, rows, columns), bias (out), uniform in ±1/sqrt(fan),
/// where the fan is that of PyTorch: out / groups · rows · columns.
template <Real T = float>
struct ConvTranspose2d {
  using value_type = T;

  Tensor<T> weight, bias;

  ConvTranspose2d() = default;
  /// As Conv1d's.
  ConvTranspose2d(std::int64_t in, std::int64_t out, Size2 window, ConvTransposeOptions options = {},
                  bool with_bias = true, Generator& generator = default_generator());

  /// As conv_transpose2d, and as Conv1d's.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("weight", weight);
    v("bias", bias);
  }
  std::string attributes() const;

 private:
  ConvTransposeOptions options_;
};

extern template struct Conv1d<float>;
extern template struct Conv1d<double>;
extern template struct Conv2d<float>;
extern template struct Conv2d<double>;
extern template struct ConvTranspose2d<float>;
extern template struct ConvTranspose2d<double>;

}  // namespace xgrad::nn
