// y = aᵀ W b + bias
#pragma once

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// torch.nn.Bilinear: weight (out, first, second), bias (out), both uniform in ±1/sqrt(first). `Bilinear<>{3,
/// 4, 5}`.
template <Real T = float>
struct Bilinear {
  using value_type = T;

  Tensor<T> weight, bias;  ///< bias is undefined where there is none

  Bilinear() = default;
  /// Throws ValueError for a size below 1.
  Bilinear(std::int64_t first, std::int64_t second, std::int64_t out, bool with_bias = true,
           Generator& generator = default_generator(), Location at = Location::current());

  /// (…, first) and (…, second) to (…, out). Throws ValueError before it has parameters, ShapeError for other
  /// shapes.
  Tensor<T> operator()(const Tensor<T>& a, const Tensor<T>& b, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("weight", weight);
    v("bias", bias);
  }
  std::string attributes() const;
};

extern template struct Bilinear<float>;
extern template struct Bilinear<double>;

}  // namespace xgrad::nn
