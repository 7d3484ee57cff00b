// Matrix products of tensors: batches, broadcasting and packed operands on top of gemm.
#pragma once

#include "autograd/any_tensor.hpp"

namespace xgrad::kernels {

/// A matrix operand [..., rows, columns], or its last two axes swapped.
struct Matrices {
  const AnyTensor& tensor;
  bool transposed = false;
  bool constant = false;  ///< a right operand likely to come again unchanged, worth packing
};

/// c = a · b, or c += it. The axes in front of the last two broadcast against each other, those of c too:
/// where c has an extent of 1, or lacks an axis, the products are summed over it. A vector c is one row or
/// column. All are of one element type; c overlaps neither operand.
void product(const Matrices& a, const Matrices& b, AnyTensor& c, bool accumulate);

}  // namespace xgrad::kernels
