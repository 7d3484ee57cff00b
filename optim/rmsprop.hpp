// RMSprop.
#pragma once

#include <xgrad/optim/optimizer.hpp>

namespace xgrad::optim {

/// Options of RMSprop.
struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;  ///< decay of the mean square
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  double momentum = 0;
  bool centered = false;  ///< divide by the deviation instead of the root mean square
};

/// torch.optim.RMSprop (Tieleman & Hinton 2012; centered: Graves 2013).
template <Real T>
class RMSprop : public Optimizer<T> {
 public:
  /// Throws ValueError for no parameters, a negative or infinite option, or an alpha outside [0, 1).
  explicit RMSprop(std::vector<Tensor<T>> parameters, RMSpropOptions options = {});

  void step();

  RMSpropOptions options() const { return this->current(options_); }

 private:
  RMSpropOptions options_;
};

extern template class RMSprop<float>;
extern template class RMSprop<double>;

}  // namespace xgrad::optim
