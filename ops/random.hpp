// Drawing from distributions: constants, without a gradient. None of these can be used inside the function of
// a Replay.
#pragma once

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// 1 with probability p[i], else 0, in p's shape. Throws ValueError for a p that is not in [0, 1].
template <Real T>
Tensor<T> bernoulli(const Tensor<T>& p, Generator& generator = default_generator(),
                    Location at = Location::current());

/// `count` draws from each row of weights, which need not add up to 1: shape (count) for a vector, (rows,
/// count) for a matrix; without replacement each place is drawn once at most. Throws ValueError for weights
/// that are negative or not finite, or fewer positive ones in a row than are drawn.
template <Real T>
Indices multinomial(const Tensor<T>& weights, std::int64_t count, bool replacement = false,
                    Generator& generator = default_generator(), Location at = Location::current());

/// The integers from 0 to n - 1 in random order, each order as likely. Throws ValueError for a negative n.
Indices randperm(std::int64_t n, Generator& generator = default_generator());

}  // namespace xgrad
