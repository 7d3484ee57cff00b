// Distances and similarities of vectors. Names and defaults are PyTorch's.
#pragma once

#include <xgrad/ops/reduce.hpp>

namespace xgrad {

namespace detail {

/// norm for those p that have no kernel.
template <Real T>
Tensor<T> norm_of_any_p(const Tensor<T>& x, double p, const Axes& axes, bool keepdims, Location at);

}  // namespace detail

/// x1 · x2 over the product of their lengths, each of which counts as eps at least, along an axis, which
/// vanishes; the shapes broadcast.
template <Real T>
Tensor<T> cosine_similarity(const Tensor<T>& x1, const Tensor<T>& x2, std::int64_t axis = 1,
                            double eps = 1e-8, Location at = Location::current());

/// The p-norm of x1 - x2 along the last axis, which vanishes (torch.nn.functional.pairwise_distance): eps is
/// added to each difference, so that the gradient is finite at equal vectors.
template <Real T>
Tensor<T> pairwise_distance(const Tensor<T>& x1, const Tensor<T>& x2, double p = 2, double eps = 1e-6,
                            bool keepdims = false, Location at = Location::current());

/// The distance, by the p-norm, of every row of x1, [..., m, k], from every row of x2, [..., n, k]: [..., m,
/// n]. Takes the differences themselves, without cancellation, a few rows of x1 at a time, and again in
/// backward: no more than a few MB of them are held. The gradient is 0 where rows are equal. Throws
/// ShapeError where widths differ.
template <Real T>
Tensor<T> cdist(const Tensor<T>& x1, const Tensor<T>& x2, double p = 2, Location at = Location::current());

}  // namespace xgrad
