// Matrix products. Every one of them, and every gradient of one, is a GEMM.
#pragma once

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// Which operands of a product are taken with their last two axes swapped. They are not copied for it.
struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;
};

/// a · b (numpy.matmul, torch.matmul). Matrices are the last two axes; those in front of them broadcast. A
/// vector on the left is a row, one on the right a column, and the axis it lacks is missing in the result
/// too: two vectors give a scalar. (For a vector the transpose options mean nothing.) Throws ShapeError for
/// scalars, for inner dimensions that differ and for leading axes that do not broadcast.
template <Real T>
Tensor<T> matmul(const Tensor<T>& a, const Tensor<T>& b, MatmulOptions options = {},
                 Location at = Location::current());

/// x · weightᵀ, over the last axis of x: [..., in] and [out, in] give [..., out]
/// (torch.nn.functional.linear). Throws ShapeError where they do not fit.
template <Real T>
Tensor<T> linear(const Tensor<T>& x, const Tensor<T>& weight, Location at = Location::current());

/// x · weightᵀ + bias, with a bias [out].
template <Real T>
Tensor<T> linear(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias,
                 Location at = Location::current());

/// a[i] * b[j] of two vectors (torch.outer). Throws ShapeError for anything else.
template <Real T>
Tensor<T> outer(const Tensor<T>& a, const Tensor<T>& b, Location at = Location::current());

/// Whether products with a parameter on their right use a packed form of it, which is kept beside the
/// parameter for as long as it stays the same. On, unless the environment variable XGRAD_PACKING is 0.
/// Results differ by rounding only.
bool packing();

/// Sets that, for the whole process and all threads.
void set_packing(bool on);

}  // namespace xgrad
