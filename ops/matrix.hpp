// Parts of matrices, which are the last two axes, or axes that are named. Names and defaults are PyTorch's.
#pragma once

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// x at and below a diagonal, the `diagonal`-th above the main one, and 0 elsewhere. Throws ShapeError for
/// less than two axes.
template <Real T>
Tensor<T> tril(const Tensor<T>& x, std::int64_t diagonal = 0, Location at = Location::current());
/// x at and above a diagonal, and 0 elsewhere.
template <Real T>
Tensor<T> triu(const Tensor<T>& x, std::int64_t diagonal = 0, Location at = Location::current());

/// The elements with place j = i + offset along two axes, as a new last axis in place of the two. A copy.
/// Throws ShapeError for one axis named twice.
template <Real T>
Tensor<T> diagonal(const Tensor<T>& x, std::int64_t offset = 0, std::int64_t axis1 = 0,
                   std::int64_t axis2 = 1, Location at = Location::current());
/// Of a matrix, its diagonal; of a vector, the square matrix that has it as a diagonal and is 0 elsewhere.
/// Throws ShapeError for other numbers of axes.
template <Real T>
Tensor<T> diag(const Tensor<T>& x, std::int64_t diagonal = 0, Location at = Location::current());
/// The sum of a matrix' diagonal. Throws ShapeError unless x has two axes.
template <Real T>
Tensor<T> trace(const Tensor<T>& x, Location at = Location::current());

/// The Kronecker product: a with every element replaced by its product with the whole of b. Missing axes in
/// front count as 1.
template <Real T>
Tensor<T> kron(const Tensor<T>& a, const Tensor<T>& b, Location at = Location::current());

}  // namespace xgrad
