// A table of vectors, one for each index.
#pragma once

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/core/random.hpp>
#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// Options of Embedding.
struct EmbeddingOptions {
  std::int64_t padding_idx =
      -1;               ///< the row of padding: 0 at first, and without a gradient; below 0 there is none
  double max_norm = 0;  ///< rows that are used are scaled to at most this norm, in place; 0: they are not
};

/// torch.nn.Embedding: weight (rows, features), standard normal. `Embedding<>{rows, features}`.
template <Real T = float>
struct Embedding {
  using value_type = T;

  Tensor<T> weight;
  EmbeddingOptions options;

  Embedding() = default;
  /// Throws ValueError for a negative size.
  Embedding(std::int64_t rows, std::int64_t features, Generator& generator = default_generator(),
            Location at = Location::current());

  /// Throws ValueError for a padding_idx that is no row, or a max_norm that is not at least 0.
  Embedding(std::int64_t rows, std::int64_t features, const EmbeddingOptions& options,
            Generator& generator = default_generator(), Location at = Location::current());

  /// The rows that the indices name: their shape with a last axis `features`. Throws ValueError before it has
  /// parameters, or for an index that is not below `rows`.
  Tensor<T> operator()(const Indices& indices, Location at = Location::current()) const;

  void visit(auto&& v) { v("weight", weight); }
  std::string attributes() const;
};

extern template struct Embedding<float>;
extern template struct Embedding<double>;

}  // namespace xgrad::nn
