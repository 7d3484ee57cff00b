// y = x Wᵀ + b
#pragma once

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// torch.nn.Linear: weight (out, in), bias (out), both uniform in ±1/sqrt(in). `Linear<>{in, out}`.
template <Real T = float>
struct Linear {
  using value_type = T;

  Tensor<T> weight, bias;  ///< bias is undefined where there is none

  Linear() = default;
  /// Throws ValueError for a negative size.
  Linear(std::int64_t in, std::int64_t out, bool with_bias = true,
         Generator& generator = default_generator(), Location at = Location::current());

  /// x of shape (…, in) gives (…, out). Throws ValueError before it has parameters, ShapeError for another
  /// last axis.
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("weight", weight);
    v("bias", bias);
  }
  std::string attributes() const;
};

extern template struct Linear<float>;
extern template struct Linear<double>;

}  // namespace xgrad::nn
