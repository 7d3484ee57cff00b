// Scaled dot-product attention.
#pragma once

#include <optional>

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// Options of scaled_dot_product_attention.
template <Real T = float>
struct AttentionOptions {
  /// Of 0 and 1, that broadcasts to (…, queries, keys): where it is 0, the query does not see the key
  /// (PyTorch's attn_mask of type bool).
  Tensor<T> attn_mask = {};
  /// Added to the scores, and broadcast likewise; it may want a gradient (PyTorch's attn_mask of floats).
  Tensor<T> attn_bias = {};
  bool is_causal = false;            ///< whether query i sees the keys 0 to i only
  double dropout_p = 0;              ///< of the weights; used whenever it is not 0
  std::optional<double> scale = {};  ///< of the scores; 1 / sqrt(features) unless given
  Generator* generator = nullptr;    ///< of the dropout; the default one where null
};

/// softmax(query · keyᵀ · scale + mask) · value, for query (…, queries, features), key (…, keys, features)
/// and value (…, keys, value features), with equal axes in front; the result is (…, queries, value features)
/// (torch.nn.functional.scaled_dot_product_attention; Vaswani et al. 2017). A query that sees no key gives
/// zeros.
///
/// The weights are computed for some queries at a time, and again in backward, so that memory grows with
/// queries plus keys; but as a whole with dropout, for the gradient of an attn_bias, and for gradients of
/// gradients. Throws ShapeError for shapes that do not fit, ValueError for an attn_mask of other values than
/// 0 and 1.
template <Real T>
Tensor<T> scaled_dot_product_attention(const Tensor<T>& query, const Tensor<T>& key, const Tensor<T>& value,
                                       const AttentionOptions<T>& options = {},
                                       Location at = Location::current());

namespace detail {

/// How the axes of what attention reads lie: (…, rows, features), or with the heads beside each other in the
/// last axis as (batch, rows, heads · features) or (rows, batch, heads · features).
enum class HeadOrder { plain, batch_first, rows_first };

/// Attention of several heads in such an order; the mask broadcasts to (batch, heads, queries, keys).
template <Real T>
Tensor<T> attention_of_heads(std::string_view op, const Tensor<T>& query, const Tensor<T>& key,
                             const Tensor<T>& value, std::int64_t heads, HeadOrder order,
                             const AttentionOptions<T>& options, Location at);

/// The same, and the weights (batch, heads, queries, keys), before dropout.
template <Real T>
std::pair<Tensor<T>, Tensor<T>> attention_with_weights(std::string_view op, const Tensor<T>& query,
                                                       const Tensor<T>& key, const Tensor<T>& value,
                                                       std::int64_t heads, HeadOrder order,
                                                       const AttentionOptions<T>& options, Location at);

}  // namespace detail

}  // namespace xgrad
