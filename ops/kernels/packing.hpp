// Packed forms of constant right operands of matrix products, kept with their storage from one product to the next.
#pragma once

#include "autograd/any_tensor.hpp"

namespace xgrad {

/// Whether products with a parameter (a leaf that asks for gradients) on their right use a packed form of it: reordered
/// the way the loops read it, kept beside the parameter, and made anew after its version was raised. On unless the
/// environment variable XGRAD_PACKING is 0. Changing it changes results by rounding only.
bool packing();

/// Sets that for the whole process.
void set_packing(bool on);

namespace kernels {

/// c = a · op(b), or c += it, by way of a packed form of b: a is m × k, op(b) is k × n, c is m × n, all contiguous.
/// Returns false, having done nothing, where plain gemm is no slower. What it decides, and every bit of what it
/// computes, depends on m, n, k, the number of BLAS threads and packing() alone: not on whether the form was there already.
bool packed_product(const AnyTensor& a, const AnyTensor& b, bool transpose_b, std::int64_t m, std::int64_t n,
                    std::int64_t k, bool accumulate, AnyTensor& c);

}  // namespace kernels

}  // namespace xgrad
