// Comparing a tensor with numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::testing {

/// Nothing, or what is wrong: the shape, or the first element further off than `limit` of the largest one
/// wanted, or of `scale` where that is larger: of the terms, say, whose sum may come near 0. NaN and
/// infinities must be matched.
template <Real T>
std::string off(const Tensor<T>& got, const Shape& shape, const std::vector<double>& want,
                double limit = 1e-14, double scale = 0) {
  if (got.shape() != shape) return "shape " + to_string(got.shape()) + ", wanted " + to_string(shape);
  for (const double w : want)
    if (std::isfinite(w)) scale = std::max(scale, std::abs(w));
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto g = static_cast<double>(got.values()[i]);
    const bool same = g == want[i] || (std::isnan(g) && std::isnan(want[i]));
    if (!same && !(std::abs(g - want[i]) <= limit * scale))
      return "element " + std::to_string(i) + " is " + std::to_string(g) + ", wanted " +
             std::to_string(want[i]);
  }
  return {};
}

}  // namespace xgrad::testing
