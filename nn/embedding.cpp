// A table of vectors, one for each index.
#include <xgrad/nn/embedding.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/ops/index.hpp>

namespace xgrad::nn {

template <Real T>
Embedding<T>::Embedding(std::int64_t rows, std::int64_t features, Generator& generator, Location at) {
  const xgrad::detail::CallSite call(at);
  if (rows < 0 || features < 0)
    throw ValueError(
        fmt::format("Embedding: sizes must not be negative, got rows = {}, features = {}", rows, features));
  weight = randn<T>({rows, features}, generator).set_requires_grad();
}

template <Real T>
Tensor<T> Embedding<T>::operator()(const Indices& indices, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    if (!weight.defined())
      throw ValueError(
          "Embedding: used before it has parameters; construct it with its sizes, Embedding<>{rows, features}");
    return embedding(weight, indices, at);
  });
}

template <Real T>
std::string Embedding<T>::attributes() const {
  return weight.defined() ? fmt::format("{}, {}", weight.shape()[0], weight.shape()[1]) : "no parameters";
}

#define XGRAD_INSTANTIATE(T) template struct Embedding<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
