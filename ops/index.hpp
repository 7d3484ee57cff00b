// Reading and writing by index and by mask.
//
// Names and meanings are PyTorch's. An index out of range, also a negative one, throws ValueError with the
// index and its place.
#pragma once

#include <vector>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/tape/create.hpp>
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

/// gather, with `indices` and x broadcast to each other along all other axes.
template <Real T>
Tensor<T> take_along_dim(const Tensor<T>& x, const Indices& indices, std::int64_t axis,
                         Location at = Location::current());

/// x with source[i, j, k] put at [indices[i, j, k], j, k] for axis 0, and so on: as scatter_add, but the
/// elements of x are replaced. Where places coincide the last element counts, and only that one has a
/// gradient.
template <Real T>
Tensor<T> scatter(const Tensor<T>& x, std::int64_t axis, const Indices& indices, const Tensor<T>& source,
                  Location at = Location::current());
/// The same with one value for all places.
template <Real T>
Tensor<T> scatter(const Tensor<T>& x, std::int64_t axis, const Indices& indices, double value,
                  Location at = Location::current());

/// x with alpha · source added, slice k of it at index k along the axis; sums where places coincide.
/// `indices` has one axis, and `source` x's shape but for its length. Throws ShapeError otherwise.
template <Real T>
Tensor<T> index_add(const Tensor<T>& x, std::int64_t axis, const Indices& indices, const Tensor<T>& source,
                    double alpha = 1, Location at = Location::current());

/// x[i, j, …]: the elements, or slices, that one index for each of the first axes names; the indices
/// broadcast, and their shape takes the place of those axes. Throws ShapeError for none, or more than x has
/// axes.
template <Real T>
Tensor<T> index(const Tensor<T>& x, const std::vector<Indices>& indices, Location at = Location::current());

/// x with x[i, j, …] replaced by `values`, which broadcast to that shape; or added to, where `accumulate` is
/// set. Where places coincide the last one counts, or all are added.
template <Real T>
Tensor<T> index_put(const Tensor<T>& x, const std::vector<Indices>& indices, const Tensor<T>& values,
                    bool accumulate = false, Location at = Location::current());

/// The places of all elements that are not 0, a row of x.rank() indices for each. Throws GraphError inside
/// the function of a Replay, as the number of them depends on the values.
template <Real T>
Indices nonzero(const Tensor<T>& x, Location at = Location::current());

/// The elements of x where `mask` is not 0, as one axis; the two broadcast. Throws GraphError in a Replay, as
/// nonzero.
template <Real T>
Tensor<T> masked_select(const Tensor<T>& x, const Tensor<T>& mask, Location at = Location::current());

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
