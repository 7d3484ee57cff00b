// The ops that formulas themselves need: broadcasting, its adjoint, and column blocks.
#pragma once

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/location.hpp>

namespace xgrad::detail {

/// `tensor` copied out to `shape`, which it broadcasts to. Differentiable.
AnyTensor broadcast_to(const AnyTensor& tensor, const Shape& shape, Location at = Location::current());

/// The sum over the axes along which `shape` broadcasts to the tensor's. Differentiable.
AnyTensor sum_to(const AnyTensor& tensor, const Shape& shape, Location at = Location::current());

/// Block `block` of `blocks` equal parts of the last axis, copied out; and the adjoint: zeros but for that
/// block.
AnyTensor column_block(const AnyTensor& tensor, int block, int blocks, Location at);
AnyTensor from_column_block(const AnyTensor& part, int block, int blocks, Location at);

}  // namespace xgrad::detail
