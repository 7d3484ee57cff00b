// Dropout.
#pragma once

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// While training, every element is 0 with probability p and else divided by 1 - p; otherwise x itself
/// (inverted dropout, Srivastava et al. 2014; PyTorch's dropout). The generator's state decides which, the
/// same ones in float and double. Throws ValueError unless 0 <= p <= 1.
template <Real T>
Tensor<T> dropout(const Tensor<T>& x, double p = 0.5, bool training = true,
                  Generator& generator = default_generator(), Location at = Location::current());

}  // namespace xgrad
