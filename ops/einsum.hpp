// Sums of products, described by naming axes.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// Sums of products of any number of operands (numpy.einsum, torch.einsum): `einsum("bij,bjk->bik", {a, b})`.
///
/// Each operand's term names its axes, a letter each. Axes of one letter run together, one of extent 1 beside
/// longer ones as if it were as long: those that the result does not name are summed over, and a letter twice
/// in one term takes the diagonal. Without `->` the result has the letters that occur once, in alphabetical
/// order. `...` stands for any number of further axes, which are lined up from the right. Operands are
/// contracted two at a time, the cheapest pair first, as matrix products.
///
/// Throws ValueError for text that is no such description, ShapeError for operands that do not fit it.
template <Real T>
Tensor<T> einsum(std::string_view equation, std::span<const Tensor<T>> operands,
                 Location at = Location::current());
template <Real T>
Tensor<T> einsum(std::string_view equation, const std::vector<Tensor<T>>& operands,
                 Location at = Location::current()) {
  return einsum(equation, std::span<const Tensor<T>>(operands), at);
}
template <Real T>
Tensor<T> einsum(std::string_view equation, std::initializer_list<Tensor<T>> operands,
                 Location at = Location::current()) {
  return einsum(equation, std::span<const Tensor<T>>(operands.begin(), operands.size()), at);
}

}  // namespace xgrad
