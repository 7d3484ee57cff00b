// The layers of transformers: residual connections around attention and two linear layers.
#include <xgrad/nn/transformer.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/ops/elementwise.hpp>

namespace xgrad::nn {

namespace {

MultiheadOptions attention_options(const TransformerOptions& o) {
  return {.dropout = o.dropout, .bias = o.bias, .batch_first = o.batch_first, .generator = o.generator};
}
NormOptions norm_options(const TransformerOptions& o) { return {.eps = o.layer_norm_eps, .bias = o.bias}; }
Dropout dropout_of(const TransformerOptions& o) { return {.p = o.dropout, .generator = o.generator}; }

// The two linear layers of a layer.
template <class Layer, Real T>
Tensor<T> feed_forward(const Layer& layer, FeedForward activation, const Tensor<T>& x, Location at) {
  const Tensor<T> inner = layer.linear1(x, at);
  return layer.linear2(layer.dropout(activation == FeedForward::relu ? relu(inner, at) : gelu(inner, at), at),
                       at);
}

// x and what `part` makes of it, with the norm before or after.
template <Real T, class F>
Tensor<T> residual(const Tensor<T>& x, const LayerNorm<T>& norm, const Dropout& dropout, bool norm_first,
                   Location at, F part) {
  if (norm_first) return x + dropout(part(norm(x, at)), at);
  return norm(x + dropout(part(x), at), at);
}

template <class Layer>
std::vector<Layer> copies(const char* name, const Layer& layer, std::int64_t count) {
  if (count < 0) throw ValueError(fmt::format("{}: {} layers; give 0 or more", name, count));
  std::vector<Layer> result;
  for (std::int64_t i = 0; i < count; ++i) result.push_back(clone(layer));
  return result;
}

}  // namespace

template <Real T>
TransformerEncoderLayer<T>::TransformerEncoderLayer(std::int64_t features, std::int64_t heads,
                                                    TransformerOptions options, Generator& generator)
    : self_attn(features, heads, attention_options(options), generator),
      linear1(features, options.dim_feedforward, options.bias, generator),
      linear2(options.dim_feedforward, features, options.bias, generator),
      norm1({features}, norm_options(options)),
      norm2({features}, norm_options(options)),
      dropout(dropout_of(options)),
      dropout1(dropout),
      dropout2(dropout),
      options_(options) {}

template <Real T>
Tensor<T> TransformerEncoderLayer<T>::operator()(const Tensor<T>& src, const AttentionMasks<T>& masks,
                                                 Location at) const {
  const xgrad::detail::CallSite call(at);
  const bool first = options_.norm_first;
  const Tensor<T> x = residual(src, norm1, dropout1, first, at,
                               [&](const Tensor<T>& in) { return self_attn(in, in, in, masks, at); });
  return residual(x, norm2, dropout2, first, at,
                  [&](const Tensor<T>& in) { return feed_forward(*this, options_.activation, in, at); });
}

template <Real T>
TransformerDecoderLayer<T>::TransformerDecoderLayer(std::int64_t features, std::int64_t heads,
                                                    TransformerOptions options, Generator& generator)
    : self_attn(features, heads, attention_options(options), generator),
      multihead_attn(features, heads, attention_options(options), generator),
      linear1(features, options.dim_feedforward, options.bias, generator),
      linear2(options.dim_feedforward, features, options.bias, generator),
      norm1({features}, norm_options(options)),
      norm2({features}, norm_options(options)),
      norm3({features}, norm_options(options)),
      dropout(dropout_of(options)),
      dropout1(dropout),
      dropout2(dropout),
      dropout3(dropout),
      options_(options) {}

template <Real T>
Tensor<T> TransformerDecoderLayer<T>::operator()(const Tensor<T>& tgt, const Tensor<T>& memory,
                                                 const AttentionMasks<T>& masks,
                                                 const AttentionMasks<T>& memory_masks, Location at) const {
  const xgrad::detail::CallSite call(at);
  const bool first = options_.norm_first;
  Tensor<T> x = residual(tgt, norm1, dropout1, first, at,
                         [&](const Tensor<T>& in) { return self_attn(in, in, in, masks, at); });
  x = residual(x, norm2, dropout2, first, at,
               [&](const Tensor<T>& in) { return multihead_attn(in, memory, memory, memory_masks, at); });
  return residual(x, norm3, dropout3, first, at,
                  [&](const Tensor<T>& in) { return feed_forward(*this, options_.activation, in, at); });
}

template <Real T>
TransformerEncoder<T>::TransformerEncoder(const TransformerEncoderLayer<T>& layer, std::int64_t count,
                                          std::optional<LayerNorm<T>> final_norm)
    : layers(copies("TransformerEncoder", layer, count)), norm(std::move(final_norm)) {}

template <Real T>
Tensor<T> TransformerEncoder<T>::operator()(const Tensor<T>& src, const AttentionMasks<T>& masks,
                                            Location at) const {
  const xgrad::detail::CallSite call(at);
  Tensor<T> x = src;
  for (const auto& layer : layers) x = layer(x, masks, at);
  return norm ? (*norm)(x, at) : x;
}

template <Real T>
TransformerDecoder<T>::TransformerDecoder(const TransformerDecoderLayer<T>& layer, std::int64_t count,
                                          std::optional<LayerNorm<T>> final_norm)
    : layers(copies("TransformerDecoder", layer, count)), norm(std::move(final_norm)) {}

template <Real T>
Tensor<T> TransformerDecoder<T>::operator()(const Tensor<T>& tgt, const Tensor<T>& memory,
                                            const AttentionMasks<T>& masks,
                                            const AttentionMasks<T>& memory_masks, Location at) const {
  const xgrad::detail::CallSite call(at);
  Tensor<T> x = tgt;
  for (const auto& layer : layers) x = layer(x, memory, masks, memory_masks, at);
  return norm ? (*norm)(x, at) : x;
}

#define XGRAD_INSTANTIATE(T)                  \
  template struct TransformerEncoderLayer<T>; \
  template struct TransformerDecoderLayer<T>; \
  template struct TransformerEncoder<T>;      \
  template struct TransformerDecoder<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
