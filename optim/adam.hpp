// Adam and AdamW.
#pragma once

#include <array>

#include <xgrad/optim/optimizer.hpp>

namespace xgrad::optim {

/// Options of Adam.
struct AdamOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};  ///< decay of the mean gradient and of its mean square
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  bool amsgrad = false;     ///< divide by the largest mean square so far (Reddi et al. 2018)
};

/// torch.optim.Adam (Kingma & Ba 2015).
template <Real T>
class Adam : public Optimizer<T> {
 public:
  /// Throws ValueError for no parameters, a negative or infinite option, or a beta outside [0, 1).
  explicit Adam(std::vector<Tensor<T>> parameters, AdamOptions options = {})
      : Adam("Adam", std::move(parameters), options, false) {}

  void step();

  AdamOptions options() const { return this->current(options_); }

 protected:
  Adam(const char* name, std::vector<Tensor<T>> parameters, AdamOptions options, bool decoupled);

 private:
  AdamOptions options_;
  bool decoupled_;  // weight decay shrinks the parameter instead of entering the gradient
};

/// Those of Adam with another default.
struct AdamWOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 1e-2;  ///< each step shrinks the parameter by lr * weight_decay of itself
  bool amsgrad = false;
};

/// torch.optim.AdamW (Loshchilov & Hutter 2019): Adam with its weight decay apart from the gradient.
template <Real T>
class AdamW : public Adam<T> {
 public:
  /// Throws as Adam does.
  explicit AdamW(std::vector<Tensor<T>> parameters, AdamWOptions o = {})
      : Adam<T>("AdamW", std::move(parameters), {o.lr, o.betas, o.eps, o.weight_decay, o.amsgrad}, true) {}
};

extern template class Adam<float>;
extern template class Adam<double>;

}  // namespace xgrad::optim
