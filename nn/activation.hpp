// Activation functions as modules, for Sequential.
#pragma once

#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/softmax.hpp>

namespace xgrad::nn {

/// torch.nn.Tanh: tanh(x)
struct Tanh {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return tanh(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Sigmoid: 1 / (1 + exp(-x))
struct Sigmoid {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return sigmoid(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.ReLU: max(x, 0)
struct ReLU {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return relu(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.LeakyReLU: x where positive, else negative_slope * x
struct LeakyReLU {
  double negative_slope = 0.01;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return leaky_relu(x, negative_slope, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.ELU: x where positive, else alpha * (exp(x) - 1)
struct ELU {
  double alpha = 1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return elu(x, alpha, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.GELU: x * Phi(x), Phi the normal distribution function
struct GELU {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return gelu(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.SiLU: x * sigmoid(x)
struct SiLU {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return silu(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Softmax: exp(x) / sum(exp(x)) along an axis
struct Softmax {
  std::int64_t axis = -1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return softmax(x, axis, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.LogSoftmax: log(softmax(x)) along an axis
struct LogSoftmax {
  std::int64_t axis = -1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return log_softmax(x, axis, at);
  }
  void visit(auto&&) {}
};

}  // namespace xgrad::nn
