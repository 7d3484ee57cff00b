// Linear systems, inverses, determinants and Cholesky factors of square matrices, through LAPACK.
//
// Matrices are the last two axes; any number of axes may stand in front of them, and each matrix is taken by
// itself. A matrix that is not square throws ShapeError; one for which there is no result throws ValueError
// and is named by its place. Gradients hold wherever the function has them.
#pragma once

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// X with a · X = b (numpy.linalg.solve, torch.linalg.solve). `b` is [..., n, k], k right sides as columns;
/// or one vector: [n], or a shape that is a's without its last axis. Axes in front broadcast. Throws
/// ValueError for a singular matrix, or one that is not finite.
template <Real T>
Tensor<T> solve(const Tensor<T>& a, const Tensor<T>& b, Location at = Location::current());

/// The inverse. Throws ValueError for a singular matrix, or one that is not finite. (To multiply with it,
/// solve() is more accurate.)
template <Real T>
Tensor<T> inv(const Tensor<T>& a, Location at = Location::current());

/// The determinant. At a singular matrix its gradient is computed from powers of the matrix: exact in theory,
/// of use up to a dozen rows. At one that is not finite backward throws ValueError.
template <Real T>
Tensor<T> det(const Tensor<T>& a, Location at = Location::current());

/// A determinant as sign · exp(logabsdet). The sign, 1, 0 or -1, has no gradient.
template <Real T>
struct SignLogdet {
  Tensor<T> sign, logabsdet;
};

/// Sign and logarithm of the determinant's size; 0 and -infinity for a singular matrix, whose gradient throws
/// ValueError: `auto [sign, logabsdet] = slogdet(a);`
template <Real T>
SignLogdet<T> slogdet(const Tensor<T>& a, Location at = Location::current());

/// The lower triangular L with L · Lᵀ = a. Of a matrix that is not symmetric it takes the symmetric part,
/// (a + aᵀ) / 2. Throws ValueError for one that is not positive definite.
template <Real T>
Tensor<T> cholesky(const Tensor<T>& a, Location at = Location::current());

}  // namespace xgrad
