// A table of vectors, one for each index.
#pragma once

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/core/random.hpp>
#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// torch.nn.Embedding: weight (rows, features), standard normal. `Embedding<>{rows, features}`.
template <Real T = float>
struct Embedding {
  using value_type = T;

  Tensor<T> weight;

  Embedding() = default;
  /// Throws ValueError for a negative size.
  Embedding(std::int64_t rows, std::int64_t features, Generator& generator = default_generator(),
            Location at = Location::current());

  /// The rows that the indices name: their shape with a last axis `features`. Throws ValueError before it has
  /// parameters, or for an index that is not below `rows`.
  Tensor<T> operator()(const Indices& indices, Location at = Location::current()) const;

  void visit(auto&& v) { v("weight", weight); }
  std::string attributes() const;
};

extern template struct Embedding<float>;
extern template struct Embedding<double>;

}  // namespace xgrad::nn
