// Dropout as a module.
#include <xgrad/nn/dropout.hpp>

#include <fmt/format.h>

#include <xgrad/ops/dropout.hpp>

namespace xgrad::nn {

template <Real T>
Tensor<T> Dropout::operator()(const Tensor<T>& x, Location at) const {
  return dropout(x, p, training, generator ? *generator : default_generator(), at);
}

std::string Dropout::attributes() const { return fmt::format("p={}", p); }

#define XGRAD_INSTANTIATE(T) template Tensor<T> Dropout::operator()(const Tensor<T>&, Location) const;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
