// Derivatives of every order of functions of one tensor, element by element.
#pragma once

#include <string>
#include <vector>

#include <xgrad/autograd/tape/tensor.hpp>
#include <xgrad/ops/reduce.hpp>
#include "near.hpp"

namespace xgrad::testing {

/// Nothing, or what is wrong with the derivatives of an elementwise f at x: `wanted[k]` are those of order
/// k + 1, computed with and without recording. `limit` as for off().
template <class F, Real T>
std::string off_derivatives(F f, const Tensor<T>& x, const std::vector<std::vector<double>>& wanted,
                            double limit = 1e-14) {
  const Tensor<T> leaf = x.clone().set_requires_grad();
  Tensor<T> y = f(leaf);
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    const Tensor<T> plain = grad(sum(y), leaf, {.retain_graph = true});
    y = grad(sum(y), leaf, {.create_graph = true});
    for (const Tensor<T>& got : {plain, y.detach()})
      if (const std::string wrong = off(got, x.shape(), wanted[k], limit); !wrong.empty())
        return "order " + std::to_string(k + 1) + ": " + wrong;
    if (!y.requires_grad()) y = y + 0 * leaf;  // a constant, whose derivatives are 0
  }
  return {};
}

}  // namespace xgrad::testing
