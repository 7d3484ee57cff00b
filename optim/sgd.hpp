// Stochastic gradient descent.
#pragma once

#include <xgrad/optim/optimizer.hpp>

namespace xgrad::optim {

/// Options of SGD.
struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
};

/// torch.optim.SGD: p -= lr * v with v = momentum * v + (1 - dampening) * g; v is g itself at the first step
/// and where momentum is 0; with `nesterov` g + momentum * v takes v's place.
template <Real T>
class SGD : public Optimizer<T> {
 public:
  /// Throws ValueError for no parameters, a negative or infinite option, and nesterov without momentum or
  /// with dampening.
  explicit SGD(std::vector<Tensor<T>> parameters, SGDOptions options = {});

  void step();

  SGDOptions options() const { return this->current(options_); }

 private:
  SGDOptions options_;
};

extern template class SGD<float>;
extern template class SGD<double>;

}  // namespace xgrad::optim
