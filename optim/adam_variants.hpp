// What became of Adam: NAdam, RAdam, Adamax and Lion.
#pragma once

#include <array>

#include <xgrad/optim/formula_optimizer.hpp>

namespace xgrad::optim {

/// Options of NAdam.
struct NAdamOptions {
  double lr = 2e-3;
  std::array<double, 2> betas = {0.9,
                                 0.999};  ///< decay of the mean gradient and of its mean square, in [0, 1)
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum_decay = 4e-3;  ///< how slowly betas[0] is warmed up
  bool decoupled_weight_decay =
      false;              ///< shrink the parameter, as AdamW does, instead of changing the gradient
  bool maximize = false;  ///< go up the gradient instead of down
};

/// torch.optim.NAdam (Dozat 2016): Adam with Nesterov's look ahead. A betas[0] that a schedule moves counts
/// as if it had been so from the first step on.
template <Real T>
class NAdam : public FormulaOptimizer<T, NAdamOptions> {
 public:
  using FormulaOptimizer<T, NAdamOptions>::FormulaOptimizer;
};
template <Real T>
NAdam(std::vector<Tensor<T>>, NAdamOptions = {}) -> NAdam<T>;
template <Real T>
NAdam(std::vector<ParamGroup<T, NAdamOptions>>) -> NAdam<T>;

/// Options of RAdam.
struct RAdamOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9,
                                 0.999};  ///< decay of the mean gradient and of its mean square, in [0, 1)
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled_weight_decay =
      false;              ///< shrink the parameter, as AdamW does, instead of changing the gradient
  bool maximize = false;  ///< go up the gradient instead of down
};

/// torch.optim.RAdam (Liu et al. 2020): Adam that does not divide by the mean square while too few gradients
/// were seen for it.
template <Real T>
class RAdam : public FormulaOptimizer<T, RAdamOptions> {
 public:
  using FormulaOptimizer<T, RAdamOptions>::FormulaOptimizer;
};
template <Real T>
RAdam(std::vector<Tensor<T>>, RAdamOptions = {}) -> RAdam<T>;
template <Real T>
RAdam(std::vector<ParamGroup<T, RAdamOptions>>) -> RAdam<T>;

/// Options of Adamax.
struct AdamaxOptions {
  double lr = 2e-3;
  std::array<double, 2> betas = {0.9,
                                 0.999};  ///< decay of the mean gradient and of its largest size, in [0, 1)
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  bool maximize = false;    ///< go up the gradient instead of down
};

/// torch.optim.Adamax (Kingma & Ba 2015): Adam by the largest gradient instead of the mean square.
template <Real T>
class Adamax : public FormulaOptimizer<T, AdamaxOptions> {
 public:
  using FormulaOptimizer<T, AdamaxOptions>::FormulaOptimizer;
};
template <Real T>
Adamax(std::vector<Tensor<T>>, AdamaxOptions = {}) -> Adamax<T>;
template <Real T>
Adamax(std::vector<ParamGroup<T, AdamaxOptions>>) -> Adamax<T>;

/// Options of Lion.
struct LionOptions {
  double lr = 1e-4;
  std::array<double, 2> betas = {0.9, 0.99};  ///< weight of the mean in a step, and its decay, in [0, 1)
  double weight_decay = 0;  ///< each step shrinks the parameter by lr * weight_decay of itself
  bool maximize = false;    ///< go up the gradient instead of down
};

/// Lion (Chen et al. 2023), which PyTorch does not have: p -= lr * sign(betas[0] * m + (1 - betas[0]) * g),
/// then m = betas[1] * m + (1 - betas[1]) * g.
template <Real T>
class Lion : public FormulaOptimizer<T, LionOptions> {
 public:
  using FormulaOptimizer<T, LionOptions>::FormulaOptimizer;
};
template <Real T>
Lion(std::vector<Tensor<T>>, LionOptions = {}) -> Lion<T>;
template <Real T>
Lion(std::vector<ParamGroup<T, LionOptions>>) -> Lion<T>;

extern template class FormulaOptimizer<float, NAdamOptions>;
extern template class FormulaOptimizer<double, NAdamOptions>;
extern template class FormulaOptimizer<float, RAdamOptions>;
extern template class FormulaOptimizer<double, RAdamOptions>;
extern template class FormulaOptimizer<float, AdamaxOptions>;
extern template class FormulaOptimizer<double, AdamaxOptions>;
extern template class FormulaOptimizer<float, LionOptions>;
extern template class FormulaOptimizer<double, LionOptions>;

}  // namespace xgrad::optim
