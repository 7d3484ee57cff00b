// Activation functions as modules, for Sequential.
#pragma once

#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/softmax.hpp>

namespace xgrad::nn {

struct Tanh {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return tanh(x, at);
  }
  void visit(auto&&) {}
};

struct Sigmoid {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return sigmoid(x, at);
  }
  void visit(auto&&) {}
};

struct ReLU {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return relu(x, at);
  }
  void visit(auto&&) {}
};

struct LeakyReLU {
  double negative_slope = 0.01;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return leaky_relu(x, negative_slope, at);
  }
  void visit(auto&&) {}
};

struct ELU {
  double alpha = 1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return elu(x, alpha, at);
  }
  void visit(auto&&) {}
};

struct GELU {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return gelu(x, at);
  }
  void visit(auto&&) {}
};

struct SiLU {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return silu(x, at);
  }
  void visit(auto&&) {}
};

struct Softmax {
  std::int64_t axis = -1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return softmax(x, axis, at);
  }
  void visit(auto&&) {}
};

struct LogSoftmax {
  std::int64_t axis = -1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return log_softmax(x, axis, at);
  }
  void visit(auto&&) {}
};

}  // namespace xgrad::nn
