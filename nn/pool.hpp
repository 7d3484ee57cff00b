// Pooling and resizing as modules.
#pragma once

#include <xgrad/nn/module.hpp>
#include <xgrad/ops/pool.hpp>

namespace xgrad::nn {

/// torch.nn.MaxPool1d: max_pool1d. `MaxPool1d{2}`. It and those below throw, when called, as their functions
/// do.
struct MaxPool1d {
  Size2 window;
  MaxPoolOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return max_pool1d(x, window, options, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.MaxPool2d: max_pool2d. `MaxPool2d{2}`, `MaxPool2d{3, {.stride = 2, .padding = 1}}`.
struct MaxPool2d {
  Size2 window;
  MaxPoolOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return max_pool2d(x, window, options, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.AvgPool1d: avg_pool1d
struct AvgPool1d {
  Size2 window;
  AvgPoolOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return avg_pool1d(x, window, options, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.AvgPool2d: avg_pool2d
struct AvgPool2d {
  Size2 window;
  AvgPoolOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return avg_pool2d(x, window, options, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.AdaptiveAvgPool2d: adaptive_avg_pool2d
struct AdaptiveAvgPool2d {
  Size2 results;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return adaptive_avg_pool2d(x, results, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Upsample: interpolate. `Upsample{{.scale_factor = 2, .mode = Interpolation::bilinear}}`.
struct Upsample {
  InterpolateOptions options;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return interpolate(x, options, at);
  }
  void visit(auto&&) {}
};

}  // namespace xgrad::nn
