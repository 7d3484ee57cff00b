// The layers of transformers, and stacks of them.
#pragma once

#include <optional>
#include <vector>

#include <xgrad/nn/attention.hpp>
#include <xgrad/nn/dropout.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/norm.hpp>

namespace xgrad::nn {

/// What stands between the two linear layers of a transformer's layer.
enum class FeedForward { relu, gelu };

/// Options of TransformerEncoderLayer and TransformerDecoderLayer.
struct TransformerOptions {
  std::int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  FeedForward activation = FeedForward::relu;
  double layer_norm_eps = 1e-5;
  bool batch_first = false;
  bool norm_first = false;  ///< whether each part normalises what goes in, rather than what comes out
  bool bias = true;
  Generator* generator = nullptr;  ///< of the dropout; the default one where null
};

/// torch.nn.TransformerEncoderLayer (Vaswani et al. 2017): self-attention and two linear layers, each with a
/// residual connection, dropout and LayerNorm. `TransformerEncoderLayer<>{features, heads}`.
template <Real T = float>
struct TransformerEncoderLayer {
  using value_type = T;

  MultiheadAttention<T> self_attn;
  Linear<T> linear1, linear2;
  LayerNorm<T> norm1, norm2;
  Dropout dropout, dropout1, dropout2;

  TransformerEncoderLayer() = default;
  /// Throws ValueError for what its parts refuse.
  TransformerEncoderLayer(std::int64_t features, std::int64_t heads, TransformerOptions options = {},
                          Generator& generator = default_generator());

  /// src (length, N, features), or with N first under batch_first, or without N; the result is shaped alike.
  /// Throws as MultiheadAttention does.
  Tensor<T> operator()(const Tensor<T>& src, const AttentionMasks<T>& masks = {},
                       Location at = Location::current()) const;

  void visit(auto&& v) {
    v("self_attn", self_attn);
    v("linear1", linear1);
    v("dropout", dropout);
    v("linear2", linear2);
    v("norm1", norm1);
    v("norm2", norm2);
    v("dropout1", dropout1);
    v("dropout2", dropout2);
  }

 private:
  TransformerOptions options_;
};

/// torch.nn.TransformerDecoderLayer: self-attention, attention to a memory, and two linear layers, likewise.
template <Real T = float>
struct TransformerDecoderLayer {
  using value_type = T;

  MultiheadAttention<T> self_attn, multihead_attn;
  Linear<T> linear1, linear2;
  LayerNorm<T> norm1, norm2, norm3;
  Dropout dropout, dropout1, dropout2, dropout3;

  TransformerDecoderLayer() = default;
  /// Throws ValueError for what its parts refuse.
  TransformerDecoderLayer(std::int64_t features, std::int64_t heads, TransformerOptions options = {},
                          Generator& generator = default_generator());

  /// tgt (length, N, features) and memory (other length, N, features), ordered as TransformerEncoderLayer's;
  /// `masks` are those of tgt, and `memory_masks` those of the memory.
  Tensor<T> operator()(const Tensor<T>& tgt, const Tensor<T>& memory, const AttentionMasks<T>& masks = {},
                       const AttentionMasks<T>& memory_masks = {}, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("self_attn", self_attn);
    v("multihead_attn", multihead_attn);
    v("linear1", linear1);
    v("dropout", dropout);
    v("linear2", linear2);
    v("norm1", norm1);
    v("norm2", norm2);
    v("norm3", norm3);
    v("dropout1", dropout1);
    v("dropout2", dropout2);
    v("dropout3", dropout3);
  }

 private:
  TransformerOptions options_;
};

/// torch.nn.TransformerEncoder: `count` copies of a layer, one after the other, and perhaps a norm at the
/// end. As in PyTorch the copies begin with the same values.
template <Real T = float>
struct TransformerEncoder {
  using value_type = T;

  std::vector<TransformerEncoderLayer<T>> layers;
  std::optional<LayerNorm<T>> norm;

  TransformerEncoder() = default;
  /// Throws ValueError for a negative count.
  TransformerEncoder(const TransformerEncoderLayer<T>& layer, std::int64_t count,
                     std::optional<LayerNorm<T>> final_norm = {});

  /// As the layer's; all get the same masks.
  Tensor<T> operator()(const Tensor<T>& src, const AttentionMasks<T>& masks = {},
                       Location at = Location::current()) const;

  void visit(auto&& v) {
    v("layers", layers);
    v("norm", norm);
  }
};

/// torch.nn.TransformerDecoder, likewise.
template <Real T = float>
struct TransformerDecoder {
  using value_type = T;

  std::vector<TransformerDecoderLayer<T>> layers;
  std::optional<LayerNorm<T>> norm;

  TransformerDecoder() = default;
  /// Throws ValueError for a negative count.
  TransformerDecoder(const TransformerDecoderLayer<T>& layer, std::int64_t count,
                     std::optional<LayerNorm<T>> final_norm = {});

  /// As the layer's; all get the same masks.
  Tensor<T> operator()(const Tensor<T>& tgt, const Tensor<T>& memory, const AttentionMasks<T>& masks = {},
                       const AttentionMasks<T>& memory_masks = {}, Location at = Location::current()) const;

  void visit(auto&& v) {
    v("layers", layers);
    v("norm", norm);
  }
};

extern template struct TransformerEncoderLayer<float>;
extern template struct TransformerEncoderLayer<double>;
extern template struct TransformerDecoderLayer<float>;
extern template struct TransformerDecoderLayer<double>;
extern template struct TransformerEncoder<float>;
extern template struct TransformerEncoder<double>;
extern template struct TransformerDecoder<float>;
extern template struct TransformerDecoder<double>;

}  // namespace xgrad::nn
