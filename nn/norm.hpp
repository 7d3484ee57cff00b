// Normalisation as modules.
#pragma once

#include <optional>

#include <xgrad/nn/module.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn {

/// Options of the normalising modules. Without `affine` (PyTorch's elementwise_affine of LayerNorm and
/// RMSNorm) they have no weight and bias.
struct NormOptions {
  double eps = 1e-5;
  bool affine = true;
  bool bias = true;  ///< LayerNorm's; a BatchNorm and a GroupNorm always have one beside a weight
};

/// torch.nn.LayerNorm: weight of ones and bias of zeros, of the normalised shape. `LayerNorm<>{{512}}`.
template <Real T = float>
struct LayerNorm {
  using value_type = T;

  Tensor<T> weight, bias;

  LayerNorm() = default;
  /// Throws ShapeError for an empty shape, ValueError for a negative eps.
  explicit LayerNorm(const IntList& normalized_shape, NormOptions options = {});

  /// x whose last axes are the normalised shape. Throws ShapeError for another, ValueError before it has a
  /// shape.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("weight", weight);
    v("bias", bias);
  }
  std::string attributes() const;

 private:
  Shape shape_;
  NormOptions options_;
};

/// torch.nn.RMSNorm: weight of ones, of the normalised shape; eps is the element type's epsilon unless given.
template <Real T = float>
struct RMSNorm {
  using value_type = T;

  Tensor<T> weight;

  RMSNorm() = default;
  /// Throws ShapeError for an empty shape, ValueError for a negative eps.
  explicit RMSNorm(const IntList& normalized_shape, std::optional<double> eps = {}, bool affine = true);

  /// As LayerNorm's.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const;

  void visit(auto&& v) { v("weight", weight); }
  std::string attributes() const;

 private:
  Shape shape_;
  std::optional<double> eps_;
};

/// torch.nn.GroupNorm: weight of ones and bias of zeros, (channels). `GroupNorm<>{groups, channels}`.
template <Real T = float>
struct GroupNorm {
  using value_type = T;

  Tensor<T> weight, bias;

  GroupNorm() = default;
  /// Throws ValueError unless groups divides channels, and for a negative eps.
  GroupNorm(std::int64_t groups, std::int64_t channels, NormOptions options = {});

  /// x of shape (N, channels, …). Throws ShapeError for another, ValueError before it has sizes.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("weight", weight);
    v("bias", bias);
  }
  std::string attributes() const;

 private:
  std::int64_t groups_ = 0, channels_ = 0;
  NormOptions options_;
};

/// Options of BatchNorm1d and BatchNorm2d.
struct BatchNormModuleOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< none: running statistics are the mean of all batches so far
  bool affine = true;                    ///< whether there are weight and bias
  bool track_running_stats = true;       ///< without, the batch's own statistics serve in evaluation too
};

namespace detail {

/// What BatchNorm1d and BatchNorm2d have in common: `spatial` axes follow that of the channels.
template <Real T>
struct BatchNorm {
  using value_type = T;

  Tensor<T> weight, bias;
  Buffer<T> running_mean, running_var;
  Buffer<double> num_batches_tracked;  ///< a scalar
  bool training = true;

  BatchNorm() = default;
  BatchNorm(const char* name, std::int64_t channels, const BatchNormModuleOptions& options);

  Tensor<T> normalized(const char* name, const Tensor<T>& x, bool fits, const char* wanted,
                       Location at) const;

  void visit(auto&& v) {
    v("weight", weight);
    v("bias", bias);
    v("running_mean", running_mean);
    v("running_var", running_var);
    v("num_batches_tracked", num_batches_tracked);
    v.training(training);
  }
  std::string attributes() const;

 private:
  std::int64_t channels_ = 0;
  BatchNormModuleOptions options_;
};

}  // namespace detail

/// torch.nn.BatchNorm1d: weight of ones and bias of zeros, (channels); the buffers running_mean, running_var
/// and num_batches_tracked, which calls in training change. `BatchNorm1d<>{channels}`.
template <Real T = float>
struct BatchNorm1d : detail::BatchNorm<T> {
  BatchNorm1d() = default;
  /// Throws ValueError for a negative size or eps, and a momentum out of [0, 1].
  explicit BatchNorm1d(std::int64_t channels, BatchNormModuleOptions options = {})
      : detail::BatchNorm<T>("BatchNorm1d", channels, options) {}

  /// x of shape (N, channels) or (N, channels, length). Throws ShapeError for another, ValueError for one
  /// value a channel in training, and before it has a size.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return this->normalized("BatchNorm1d", x, !x.defined() || x.rank() == 2 || x.rank() == 3,
                            "(batch, channels) or (batch, channels, length)", at);
  }
};

/// torch.nn.BatchNorm2d, likewise, for images.
template <Real T = float>
struct BatchNorm2d : detail::BatchNorm<T> {
  BatchNorm2d() = default;
  /// As BatchNorm1d's.
  explicit BatchNorm2d(std::int64_t channels, BatchNormModuleOptions options = {})
      : detail::BatchNorm<T>("BatchNorm2d", channels, options) {}

  /// x of shape (N, channels, height, width); as BatchNorm1d's.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return this->normalized("BatchNorm2d", x, !x.defined() || x.rank() == 4,
                            "(batch, channels, height, width)", at);
  }
};

extern template struct LayerNorm<float>;
extern template struct LayerNorm<double>;
extern template struct RMSNorm<float>;
extern template struct RMSNorm<double>;
extern template struct GroupNorm<float>;
extern template struct GroupNorm<double>;

}  // namespace xgrad::nn
