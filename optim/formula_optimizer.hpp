// The base of the library's optimizers whose update is a formula.
#pragma once

#include <xgrad/optim/optimizer.hpp>

namespace xgrad::optim {

/// An optimizer whose step is a formula over each parameter, its gradient and its buffers; which one the
/// options say (optim/update.hpp).
template <Real T, class Options>
class FormulaOptimizer : public OptimizerWith<T, Options> {
 public:
  /// Throws ValueError for no parameters, one that can have no gradient or is given twice, and by name for
  /// options that are negative, not finite, or outside what their header says.
  explicit FormulaOptimizer(std::vector<Tensor<T>> parameters, Options options = {})
      : FormulaOptimizer(std::vector<ParamGroup<T, Options>>{{std::move(parameters), std::move(options)}}) {}
  /// Of several groups, each with options of its own.
  explicit FormulaOptimizer(std::vector<ParamGroup<T, Options>> groups);

  using Optimizer<T>::step;
  void step() override;

 protected:
  void check(const Options& options) const override;
  void add_buffers_to(std::size_t group) override;
  double* momentum_place(std::size_t group) override;

 private:
  std::vector<bool> with_momentum_;  // the groups that were made with one
};

}  // namespace xgrad::optim
