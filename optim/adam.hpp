// Adam and AdamW.
#pragma once

#include <array>

#include <xgrad/optim/formula_optimizer.hpp>

namespace xgrad::optim {

/// Options of Adam.
struct AdamOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9,
                                 0.999};  ///< decay of the mean gradient and of its mean square, in [0, 1)
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  bool amsgrad = false;     ///< divide by the largest mean square so far (Reddi et al. 2018)
  bool maximize = false;    ///< go up the gradient instead of down
};

/// torch.optim.Adam (Kingma & Ba 2015).
template <Real T>
class Adam : public FormulaOptimizer<T, AdamOptions> {
 public:
  using FormulaOptimizer<T, AdamOptions>::FormulaOptimizer;
};
template <Real T>
Adam(std::vector<Tensor<T>>, AdamOptions = {}) -> Adam<T>;
template <Real T>
Adam(std::vector<ParamGroup<T, AdamOptions>>) -> Adam<T>;

/// Those of Adam with another default.
struct AdamWOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 1e-2;  ///< each step shrinks the parameter by lr * weight_decay of itself
  bool amsgrad = false;
  bool maximize = false;
};

/// torch.optim.AdamW (Loshchilov & Hutter 2019): Adam with its weight decay apart from the gradient.
template <Real T>
class AdamW : public FormulaOptimizer<T, AdamWOptions> {
 public:
  using FormulaOptimizer<T, AdamWOptions>::FormulaOptimizer;
};
template <Real T>
AdamW(std::vector<Tensor<T>>, AdamWOptions = {}) -> AdamW<T>;
template <Real T>
AdamW(std::vector<ParamGroup<T, AdamWOptions>>) -> AdamW<T>;

extern template class FormulaOptimizer<float, AdamOptions>;
extern template class FormulaOptimizer<double, AdamOptions>;
extern template class FormulaOptimizer<float, AdamWOptions>;
extern template class FormulaOptimizer<double, AdamWOptions>;

}  // namespace xgrad::optim
