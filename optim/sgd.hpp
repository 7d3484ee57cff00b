// Stochastic gradient descent.
#pragma once

#include <xgrad/optim/formula_optimizer.hpp>

namespace xgrad::optim {

/// Options of SGD.
struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;    ///< needs a momentum, and no dampening
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  bool maximize = false;    ///< go up the gradient instead of down
};

/// torch.optim.SGD: p -= lr * v with v = momentum * v + (1 - dampening) * g; v is g itself at the first step
/// and where momentum is 0; with `nesterov` g + momentum * v takes v's place.
template <Real T>
class SGD : public FormulaOptimizer<T, SGDOptions> {
 public:
  using FormulaOptimizer<T, SGDOptions>::FormulaOptimizer;
};
template <Real T>
SGD(std::vector<Tensor<T>>, SGDOptions = {}) -> SGD<T>;
template <Real T>
SGD(std::vector<ParamGroup<T, SGDOptions>>) -> SGD<T>;

extern template class FormulaOptimizer<float, SGDOptions>;
extern template class FormulaOptimizer<double, SGDOptions>;

}  // namespace xgrad::optim
