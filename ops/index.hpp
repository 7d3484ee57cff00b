// Reading and writing by index: index_select, gather, scatter_add, one_hot, embedding, masked_fill.
//
// Names and meanings are PyTorch's. An index out of range, also a negative one, throws ValueError with the
// index and its place.
#pragma once

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// The slices of x along an axis that `indices`, of one axis, names, in its order: its length takes the
/// extent's place.
template <Real T>
Tensor<T> index_select(const Tensor<T>& x, std::int64_t axis, const Indices& indices,
                       Location at = Location::current());

/// Rows of `weight` (rows, features), one for each index: shape of the indices + [features]
/// (torch.nn.functional.embedding, with the weight first). Its gradient touches only the rows that were read.
template <Real T>
Tensor<T> embedding(const Tensor<T>& weight, const Indices& indices, Location at = Location::current());

/// y[i, j, k] = x[indices[i, j, k], j, k] for axis 0, and so on: the index stands in place of the coordinate
/// along `axis`. `indices` has x's number of axes, none but `axis` longer than x's; the result has its shape.
template <Real T>
Tensor<T> gather(const Tensor<T>& x, std::int64_t axis, const Indices& indices,
                 Location at = Location::current());

/// x with source[i, j, k] added at [indices[i, j, k], j, k] for axis 0, and so on; sums where places
/// coincide. `indices` has as many axes as x and `source`, none longer than source's, and none but `axis`
/// longer than x's; what `source` has beyond them is not used.
template <Real T>
Tensor<T> scatter_add(const Tensor<T>& x, std::int64_t axis, const Indices& indices, const Tensor<T>& source,
                      Location at = Location::current());

/// 1 at each index and 0 elsewhere: shape of the indices + [classes]. Without `classes`, as many as the
/// largest index needs. Throws ValueError for no indices and no `classes`, and for a negative number. A
/// constant: there is no gradient.
template <Real T = float>
Tensor<T> one_hot(const Indices& indices, std::int64_t classes = -1, Location at = Location::current());

/// `value` where `mask` is not 0, else x. The mask broadcasts to x's shape (ShapeError otherwise) and gets no
/// gradient.
template <Real T>
Tensor<T> masked_fill(const Tensor<T>& x, const Tensor<T>& mask, double value,
                      Location at = Location::current());

}  // namespace xgrad
