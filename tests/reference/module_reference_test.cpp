// Modules load PyTorch's state dicts by name, and give its results, gradients and buffers.
#include "module_reference.hpp"
#include <xgrad/nn/conv.hpp>
#include <xgrad/nn/norm.hpp>
#include <xgrad/nn/transformer.hpp>
#include "catch.hpp"

namespace xgrad::testing {

TEST_CASE("normalising modules give PyTorch's numbers") {
  const ModuleReference reference;
  CHECK(reference.check("LayerNorm", nn::LayerNorm<double>({2, 3})) == "");
  CHECK(reference.check("LayerNorm without bias", nn::LayerNorm<double>({5}, {.bias = false})) == "");
  CHECK(reference.check("RMSNorm", nn::RMSNorm<double>({5})) == "");
  CHECK(reference.check("GroupNorm", nn::GroupNorm<double>(2, 4)) == "");
  CHECK(reference.check("BatchNorm1d", nn::BatchNorm1d<double>(3)) == "");
  CHECK(reference.check("BatchNorm1d cumulative", nn::BatchNorm1d<double>(3, {.momentum = {}})) == "");
  CHECK(reference.check("BatchNorm2d", nn::BatchNorm2d<double>(3, {.momentum = 0.3})) == "");
  nn::BatchNorm2d<double> fixed(3), bare(3, {.track_running_stats = false});
  nn::eval(fixed), nn::eval(bare);
  CHECK(reference.check("BatchNorm2d evaluation", fixed) == "");
  CHECK(reference.check("BatchNorm2d without statistics", bare) == "");
}

TEST_CASE("convolving modules give PyTorch's numbers") {
  const ModuleReference reference;
  CHECK(reference.check("Conv1d", nn::Conv1d<double>(2, 3, 3, {.stride = 2, .padding = 1})) == "");
  CHECK(reference.check("Conv2d", nn::Conv2d<double>(4, 6, {3, 2},
                                                     {.padding = "same", .dilation = 2, .groups = 2})) == "");
  const ConvTransposeOptions up{.stride = 2, .padding = 1, .output_padding = 1, .groups = 2};
  CHECK(reference.check("ConvTranspose2d", nn::ConvTranspose2d<double>(4, 6, 3, up, false)) == "");
}

TEST_CASE("attention gives PyTorch's numbers as a module") {
  const ModuleReference reference;
  nn::MultiheadAttention<double> attention(6, 3), batch_first(6, 2, {.bias = false, .batch_first = true});
  CHECK(reference.check("MultiheadAttention", attention,
                        [](const auto& m, const auto& x, const auto&) { return m(x[0], x[1], x[2]); }) == "");
  nn::zero_grad(attention);
  CHECK(reference.check("MultiheadAttention masks", attention,
                        [](const auto& m, const auto& x, const auto& masks) {
                          return m(x[0], x[1], x[2], {.key_padding_mask = masks[0], .attn_mask = masks[1]});
                        }) == "");
  CHECK(reference.check("MultiheadAttention weights", batch_first,
                        [](const auto& m, const auto& x, const auto& masks) {
                          const auto [y, weights] =
                              m.with_weights(x[0], x[1], x[2], {.key_padding_mask = masks[0]}, false);
                          return cat({flatten(y), flatten(weights)});
                        }) == "");
}

TEST_CASE("transformers give PyTorch's numbers") {
  using nn::FeedForward;
  const ModuleReference reference;
  for (const bool first : {false, true}) {
    const std::string name = first ? " norm_first=True" : " norm_first=False";
    nn::TransformerOptions options{.dim_feedforward = 5, .dropout = 0, .norm_first = first};
    options.activation = first ? FeedForward::gelu : FeedForward::relu;
    nn::TransformerEncoderLayer<double> encoder(4, 2, options);
    CHECK(reference.check("TransformerEncoderLayer" + name, encoder,
                          [](const auto& m, const auto& x, const auto& masks) {
                            return m(x[0], {.key_padding_mask = masks[0]});
                          }) == "");
    options.activation = first ? FeedForward::relu : FeedForward::gelu;
    options.batch_first = true;
    nn::TransformerDecoderLayer<double> decoder(4, 2, options);
    CHECK(reference.check("TransformerDecoderLayer" + name, decoder,
                          [](const auto& m, const auto& x, const auto& masks) {
                            return m(x[0], x[1], {.is_causal = true}, {.key_padding_mask = masks[0]});
                          }) == "");
  }
  const nn::TransformerOptions options{.dim_feedforward = 5, .dropout = 0};
  CHECK(reference.check("TransformerEncoder",
                        nn::TransformerEncoder<double>(nn::TransformerEncoderLayer<double>(4, 2, options), 2,
                                                       nn::LayerNorm<double>({4}))) == "");
  nn::TransformerDecoder<double> decoder(nn::TransformerDecoderLayer<double>(4, 2, options), 2);
  CHECK(reference.check("TransformerDecoder", decoder,
                        [](const auto& m, const auto& x, const auto&) { return m(x[0], x[1]); }) == "");
}

}  // namespace xgrad::testing
