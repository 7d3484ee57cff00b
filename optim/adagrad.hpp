// Optimizers with a rate for each element: Adagrad, Adadelta and Rprop.
#pragma once

#include <array>

#include <xgrad/optim/formula_optimizer.hpp>

namespace xgrad::optim {

/// Options of Adagrad.
struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;      ///< the rate of step t is lr / (1 + (t - 1) * lr_decay)
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  double initial_accumulator_value = 0;
  double eps = 1e-10;
  bool maximize = false;  ///< go up the gradient instead of down
};

/// torch.optim.Adagrad (Duchi et al. 2011): p -= lr * g / (√(the sum of all g²) + eps).
template <Real T>
class Adagrad : public FormulaOptimizer<T, AdagradOptions> {
 public:
  using FormulaOptimizer<T, AdagradOptions>::FormulaOptimizer;
};
template <Real T>
Adagrad(std::vector<Tensor<T>>, AdagradOptions = {}) -> Adagrad<T>;
template <Real T>
Adagrad(std::vector<ParamGroup<T, AdagradOptions>>) -> Adagrad<T>;

/// Options of Adadelta.
struct AdadeltaOptions {
  double lr = 1;
  double rho = 0.9;  ///< decay of the mean squares, in [0, 1]
  double eps = 1e-6;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  bool maximize = false;    ///< go up the gradient instead of down
};

/// torch.optim.Adadelta (Zeiler 2012): a step is as large as the last ones were, relative to the gradient.
template <Real T>
class Adadelta : public FormulaOptimizer<T, AdadeltaOptions> {
 public:
  using FormulaOptimizer<T, AdadeltaOptions>::FormulaOptimizer;
};
template <Real T>
Adadelta(std::vector<Tensor<T>>, AdadeltaOptions = {}) -> Adadelta<T>;
template <Real T>
Adadelta(std::vector<ParamGroup<T, AdadeltaOptions>>) -> Adadelta<T>;

/// Options of Rprop.
struct RpropOptions {
  double lr = 1e-2;                         ///< the first step of every element
  std::array<double, 2> etas = {0.5, 1.2};  ///< factors of a step whose sign changed, and of one that went on
  std::array<double, 2> step_sizes = {1e-6, 50};  ///< the least and the largest
  bool maximize = false;                          ///< go up the gradient instead of down
};

/// torch.optim.Rprop (Riedmiller & Braun 1993): steps by the sign of the gradient alone, for gradients of the
/// whole set of samples.
template <Real T>
class Rprop : public FormulaOptimizer<T, RpropOptions> {
 public:
  using FormulaOptimizer<T, RpropOptions>::FormulaOptimizer;
};
template <Real T>
Rprop(std::vector<Tensor<T>>, RpropOptions = {}) -> Rprop<T>;
template <Real T>
Rprop(std::vector<ParamGroup<T, RpropOptions>>) -> Rprop<T>;

extern template class FormulaOptimizer<float, AdagradOptions>;
extern template class FormulaOptimizer<double, AdagradOptions>;
extern template class FormulaOptimizer<float, AdadeltaOptions>;
extern template class FormulaOptimizer<double, AdadeltaOptions>;
extern template class FormulaOptimizer<float, RpropOptions>;
extern template class FormulaOptimizer<double, RpropOptions>;

}  // namespace xgrad::optim
