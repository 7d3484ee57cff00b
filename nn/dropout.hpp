// Dropout as a module.
#pragma once

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// torch.nn.Dropout: while training, every element is 0 with probability p and else divided by 1 - p; after
/// eval(m) everything passes. `Dropout{0.2}`.
struct Dropout {
  double p = 0.5;
  bool training = true;
  Generator* generator = nullptr;  ///< the default one where null

  /// Throws ValueError unless 0 <= p <= 1.
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const;

  std::string attributes() const;
};

}  // namespace xgrad::nn
