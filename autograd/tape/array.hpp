// Tensors as xtensor arrays: views for reading and writing, without copying.
#pragma once

#include <array>

#include <xgrad/autograd/tape/tensor.hpp>
#include <xgrad/autograd/array/xtensor.hpp>

namespace xgrad {

/// Makes the views that Tensor::array() and Tensor::mutable_array() return.
template <class T>
struct ArrayView {
  static auto extents(const AnyTensor& tensor) {
    return xt::svector<std::size_t, Shape::max_rank>(tensor.shape().begin(), tensor.shape().end());
  }
  static auto make(const Tensor<T>& tensor) {
    return xt::adapt(tensor.data(), static_cast<std::size_t>(tensor.elements()), xt::no_ownership(),
                     extents(tensor));
  }
  static auto make_mutable(const AnyTensor& tensor, std::span<T> values) {
    return xt::adapt(values.data(), values.size(), xt::no_ownership(), extents(tensor));
  }
};

}  // namespace xgrad
