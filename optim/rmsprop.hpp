// RMSprop.
#pragma once

#include <xgrad/optim/formula_optimizer.hpp>

namespace xgrad::optim {

/// Options of RMSprop.
struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;  ///< decay of the mean square, in [0, 1)
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  double momentum = 0;
  bool centered = false;  ///< divide by the deviation instead of the root mean square
  bool maximize = false;  ///< go up the gradient instead of down
};

/// torch.optim.RMSprop (Tieleman & Hinton 2012; centered: Graves 2013).
template <Real T>
class RMSprop : public FormulaOptimizer<T, RMSpropOptions> {
 public:
  using FormulaOptimizer<T, RMSpropOptions>::FormulaOptimizer;
};
template <Real T>
RMSprop(std::vector<Tensor<T>>, RMSpropOptions = {}) -> RMSprop<T>;
template <Real T>
RMSprop(std::vector<ParamGroup<T, RMSpropOptions>>) -> RMSprop<T>;

extern template class FormulaOptimizer<float, RMSpropOptions>;
extern template class FormulaOptimizer<double, RMSpropOptions>;

}  // namespace xgrad::optim
