// Positions in a sequence, as transformers are told them: sinusoidal and rotary.
#pragma once

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::nn {

/// The table (length, features) of Vaswani et al. 2017, to be added to embeddings: at position p the features
/// 2 i and 2 i + 1 are sin and cos of p / base^(2 i / features). Throws ValueError for negative sizes, and a
/// base that is not positive.
template <Real T = float>
Tensor<T> sinusoidal_positions(std::int64_t length, std::int64_t features, double base = 10000);

/// Options of rotary_positions.
struct RotaryOptions {
  double base = 10000;
  std::int64_t offset = 0;   ///< the position of the first row
  bool interleaved = false;  ///< whether neighbours make a pair, rather than features i and i + features / 2
};

/// Queries or keys (…, length, features), each pair of features turned by its position · base^(-2 i /
/// features) (Su et al. 2021): products of two turned rows depend on the distance of their positions only.
/// Throws ShapeError for less than two axes and an odd number of features.
template <Real T>
Tensor<T> rotary_positions(const Tensor<T>& x, const RotaryOptions& options = {},
                           Location at = Location::current());

}  // namespace xgrad::nn
