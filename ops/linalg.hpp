// Linear systems, inverses, determinants and decompositions of matrices, through LAPACK.
//
// Matrices are the last two axes; any number of axes may stand in front of them, and each matrix is taken by
// itself. A matrix that is not square where it has to be throws ShapeError; one for which there is no result
// throws ValueError and is named by its place. Gradients hold wherever the function has them.
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

/// X with a · X = b for a triangle of a, of which the rest is not read, as its diagonal is not where it is
/// said to be of ones (`unitriangular`). `b` is [..., n, k]. Throws ValueError for a 0 on the diagonal.
template <Real T>
Tensor<T> solve_triangular(const Tensor<T>& a, const Tensor<T>& b, bool upper, bool unitriangular = false,
                           Location at = Location::current());

/// q, [..., m, k] with orthonormal columns, and r, [..., k, n], upper triangular, whose product is a; k is
/// the smaller one of m and n.
template <Real T>
struct QR {
  Tensor<T> q, r;
};
/// The reduced QR decomposition. Backward throws ValueError where the first k columns of a are dependent.
template <Real T>
QR<T> qr(const Tensor<T>& a, Location at = Location::current());

/// Eigenvalues, in ascending order, and eigenvectors, as columns, of symmetric matrices.
template <Real T>
struct Eigh {
  Tensor<T> eigenvalues, eigenvectors;
};
/// The eigendecomposition of the symmetric part, (a + aᵀ) / 2. The gradient by eigenvectors is infinite or
/// NaN where eigenvalues are equal; and since their signs are free, only what does not depend on those has a
/// meaning. Throws ValueError for a matrix that is not finite.
template <Real T>
Eigh<T> eigh(const Tensor<T>& a, Location at = Location::current());

/// a = u · diag(s) · vh with k, the smaller one of rows and columns, columns in u, rows in vh, and numbers in
/// s, in descending order.
template <Real T>
struct SVD {
  Tensor<T> u, s, vh;
};
/// The reduced singular value decomposition (torch.linalg.svd with full_matrices=False). Gradients by u and
/// vh are infinite or NaN where singular values are equal or 0, and have a meaning only for what the signs do
/// not change. Throws ValueError for a matrix that is not finite.
template <Real T>
SVD<T> svd(const Tensor<T>& a, Location at = Location::current());

/// The Moore-Penrose inverse; singular values up to `rcond` times the largest one count as 0 (by default: the
/// larger extent times the precision of T). Differentiable at matrices of constant rank (Golub and Pereyra
/// 1973).
template <Real T>
Tensor<T> pinv(const Tensor<T>& a, double rcond = -1, Location at = Location::current());

/// The X of least squares, for which a · X is nearest to b, [..., m, k]; of several the smallest. Throws
/// ValueError for an a that has not full rank (torch.linalg.lstsq gives a result there: so does pinv(a) · b).
template <Real T>
Tensor<T> lstsq(const Tensor<T>& a, const Tensor<T>& b, Location at = Location::current());

/// a · … · a, n times: the identity for 0, powers of the inverse below.
template <Real T>
Tensor<T> matrix_power(const Tensor<T>& a, std::int64_t n, Location at = Location::current());

/// I + a + a² / 2 + a³ / 6 + … (Higham 2005: scaling, a Padé approximant, squaring). Throws ValueError for a
/// matrix that is not finite.
template <Real T>
Tensor<T> matrix_exp(const Tensor<T>& a, Location at = Location::current());

}  // namespace xgrad
