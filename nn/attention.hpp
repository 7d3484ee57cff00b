// Attention of several heads, with its projections.
#pragma once

#include <string_view>
#include <utility>

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// Options of MultiheadAttention.
struct MultiheadOptions {
  double dropout = 0;  ///< of the weights, while training
  bool bias = true;
  bool batch_first = false;
  Generator* generator = nullptr;  ///< of the dropout; the default one where null
};

/// What a call of MultiheadAttention, or a layer of a transformer, is told of its keys. Masks are of 0 and 1,
/// and 1 is what is hidden, as in PyTorch's modules (and unlike scaled_dot_product_attention).
template <Real T = float>
struct AttentionMasks {
  Tensor<T> key_padding_mask = {};  ///< (N, keys): keys that nothing sees
  Tensor<T> attn_mask = {};         ///< (queries, keys), or (N · heads, queries, keys)
  Tensor<T> attn_bias = {};         ///< added to the scores; broadcasts to (N, heads, queries, keys)
  bool is_causal = false;           ///< whether query i sees the keys 0 to i only
};

/// torch.nn.MultiheadAttention: in_proj_weight (3 features, features), xavier_uniform, in_proj_bias of zeros,
/// and out_proj, a Linear with a bias of zeros. `MultiheadAttention<>{features, heads}`.
template <Real T = float>
struct MultiheadAttention {
  using value_type = T;

  Tensor<T> in_proj_weight, in_proj_bias;
  Linear<T> out_proj;
  bool training = true;

  MultiheadAttention() = default;
  /// Throws ValueError unless heads divides features, and for a dropout that is no probability.
  MultiheadAttention(std::int64_t features, std::int64_t heads, MultiheadOptions options = {},
                     Generator& generator = default_generator());

  /// query (queries, N, features), key and value (keys, N, features), with N first under batch_first, or
  /// without N; the result is shaped as query. Throws ShapeError where these do not fit, ValueError before it
  /// has parameters.
  Tensor<T> operator()(const Tensor<T>& query, const Tensor<T>& key, const Tensor<T>& value,
                       const AttentionMasks<T>& masks = {}, Location at = Location::current()) const;

  /// The same, and the weights (N, queries, keys), averaged over the heads, or (N, heads, queries, keys)
  /// (PyTorch's need_weights and average_attn_weights). They are those before dropout, where PyTorch's are
  /// after it.
  std::pair<Tensor<T>, Tensor<T>> with_weights(const Tensor<T>& query, const Tensor<T>& key,
                                               const Tensor<T>& value, const AttentionMasks<T>& masks = {},
                                               bool average = true, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("in_proj_weight", in_proj_weight);
    v("in_proj_bias", in_proj_bias);
    v("out_proj", out_proj);
    v.training(training);
  }
  std::string attributes() const;

 private:
  std::pair<Tensor<T>, Tensor<T>> attend(const Tensor<T>& query, const Tensor<T>& key, const Tensor<T>& value,
                                         const AttentionMasks<T>& masks, bool weights, Location at) const;

  std::int64_t heads_ = 0;
  MultiheadOptions options_;
};

extern template struct MultiheadAttention<float>;
extern template struct MultiheadAttention<double>;

}  // namespace xgrad::nn
