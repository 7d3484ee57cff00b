// Activation functions as modules, for Sequential.
#pragma once

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/module.hpp>
#include <xgrad/ops/activation.hpp>
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

/// torch.nn.LogSigmoid: log(sigmoid(x))
struct LogSigmoid {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return logsigmoid(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Softplus: log(1 + exp(x))
struct Softplus {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return softplus(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.ReLU6: min(max(x, 0), 6)
struct ReLU6 {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return relu6(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Hardtanh: x between low and high
struct Hardtanh {
  double low = -1, high = 1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return hardtanh(x, low, high, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Hardsigmoid: relu6(x + 3) / 6
struct Hardsigmoid {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return hardsigmoid(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Hardswish: x relu6(x + 3) / 6
struct Hardswish {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return hardswish(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.SELU: 1.0507… elu(x, 1.6733…)
struct SELU {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return selu(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.CELU: max(x, 0) + min(0, alpha (exp(x / alpha) - 1))
struct CELU {
  double alpha = 1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return celu(x, alpha, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Mish: x tanh(softplus(x))
struct Mish {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return mish(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Softsign: x / (1 + |x|)
struct Softsign {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return softsign(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Tanhshrink: x - tanh(x)
struct Tanhshrink {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return tanhshrink(x, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Hardshrink: x, but 0 where |x| <= lambd
struct Hardshrink {
  double lambd = 0.5;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return hardshrink(x, lambd, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Softshrink: x moved by lambd towards 0, which it does not pass
struct Softshrink {
  double lambd = 0.5;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return softshrink(x, lambd, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Threshold: x where it is above the threshold, else value
struct Threshold {
  double threshold = 0, value = 0;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return xgrad::threshold(x, threshold, value, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.GLU: a sigmoid(b), for the halves a and b of x along an axis
struct GLU {
  std::int64_t axis = -1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return glu(x, axis, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Softmin: exp(-x) / sum(exp(-x)) along an axis
struct Softmin {
  std::int64_t axis = -1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return softmax(-x, axis, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.PReLU: x where positive, else weight * x, with a weight for each of axis 1, or one for all, which
/// starts as `init`. `PReLU<>{}` or `PReLU<>{channels}`.
template <Real T = float>
struct PReLU {
  using value_type = T;

  Tensor<T> weight;

  explicit PReLU(std::int64_t channels = 1, double init = 0.25)
      : weight(full<T>({channels}, init).set_requires_grad()) {}

  /// Throws ShapeError where axis 1 of x has another extent.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return prelu(x, weight, at);
  }
  void visit(auto&& v) { v("weight", weight); }
};

}  // namespace xgrad::nn
