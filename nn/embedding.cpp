// A table of vectors, one for each index.
#include <xgrad/nn/embedding.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/integer.hpp>
#include <xgrad/ops/shape.hpp>

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
Embedding<T>::Embedding(std::int64_t rows, std::int64_t features, const EmbeddingOptions& chosen,
                        Generator& generator, Location at)
    : Embedding(rows, features, generator, at) {
  const xgrad::detail::CallSite call(at);
  options = chosen;
  if (options.padding_idx >= rows)
    throw ValueError(
        fmt::format("Embedding: padding_idx is {}, and the rows are 0 to {}; below 0 there is none",
                    options.padding_idx, rows - 1));
  if (!(options.max_norm >= 0))
    throw ValueError(
        fmt::format("Embedding: max_norm is {}; it is at least 0, which is none", options.max_norm));
  if (options.padding_idx >= 0)
    std::ranges::fill(
        weight.mutable_values(at).subspan(static_cast<std::size_t>(options.padding_idx * features),
                                          static_cast<std::size_t>(features)),
        T(0));
}

namespace {

// Rows that are used and too long, scaled in place.
template <Real T>
void limit_norms(Tensor<T> weight, const Indices& indices, double max_norm) {
  if (indices.elements() == 0) return;
  const auto features = static_cast<std::size_t>(weight.shape()[1]);
  const std::span<T> values = weight.mutable_values();
  for (const std::int64_t row : indices.values()) {
    if (row < 0 || row >= weight.shape()[0]) continue;  // which the lookup refuses
    const auto one = values.subspan(static_cast<std::size_t>(row) * features, features);
    double squares = 0;
    for (const T v : one) squares += static_cast<double>(v) * static_cast<double>(v);
    if (const double norm = std::sqrt(squares); norm > max_norm)
      for (T& v : one) v = static_cast<T>(static_cast<double>(v) * (max_norm / (norm + 1e-7)));
  }
}

}  // namespace

template <Real T>
Tensor<T> Embedding<T>::operator()(const Indices& indices, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    if (!weight.defined())
      throw ValueError(
          "Embedding: used before it has parameters; construct it with its sizes, Embedding<>{rows, "
          "features}");
    if (options.max_norm > 0) limit_norms(weight, indices, options.max_norm);
    const Tensor<T> rows = embedding(weight, indices, at);
    if (options.padding_idx < 0) return rows;
    const Tensor<T> padding =
        unsqueeze(to_tensor<T>(indices, at) == static_cast<double>(options.padding_idx), -1, at);
    return where(padding, rows.detach(), rows, at);
  });
}

template <Real T>
std::string Embedding<T>::attributes() const {
  if (!weight.defined()) return "no parameters";
  std::string text = fmt::format("{}, {}", weight.shape()[0], weight.shape()[1]);
  if (options.padding_idx >= 0) text += fmt::format(", padding_idx={}", options.padding_idx);
  if (options.max_norm > 0) text += fmt::format(", max_norm={}", options.max_norm);
  return text;
}

#define XGRAD_INSTANTIATE(T) template struct Embedding<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
