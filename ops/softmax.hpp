// softmax and log_softmax.
#pragma once

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// exp(x) / sum(exp(x)) along an axis, without overflow (PyTorch's softmax). Throws ShapeError for an axis x
/// lacks.
template <Real T>
Tensor<T> softmax(const Tensor<T>& x, std::int64_t axis = -1, Location at = Location::current());

/// log(softmax(x)), also where that rounds to log(0) (PyTorch's log_softmax).
template <Real T>
Tensor<T> log_softmax(const Tensor<T>& x, std::int64_t axis = -1, Location at = Location::current());

}  // namespace xgrad
