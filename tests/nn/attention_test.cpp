// Attention, transformers and positions: names, masks, dropout, memory, errors.
#include <cmath>
#include <limits>

#include <xgrad/nn/attention.hpp>
#include <xgrad/nn/positions.hpp>
#include <xgrad/nn/sequential.hpp>
#include <xgrad/nn/transformer.hpp>
#include <xgrad/ops/attention.hpp>
#include <xgrad/ops/dropout.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/shape.hpp>
#include <xgrad/ops/softmax.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using Names = std::vector<std::string>;

template <class M>
Names names(const M& m) {
  Names result;
  for (const auto& [name, tensor] : nn::state_dict(m)) result.push_back(name);
  return result;
}

TEST_CASE("attention and transformers have PyTorch's names and initial values") {
  Generator generator(1);
  const nn::MultiheadAttention<> attention(8, 2, {}, generator);
  CHECK(names(attention) == Names{"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"});
  CHECK(attention.in_proj_weight.shape() == Shape{24, 8});
  CHECK(list(attention.in_proj_bias) == std::vector<float>(24, 0));
  CHECK(list(attention.out_proj.bias) == std::vector<float>(8, 0));
  CHECK(names(nn::MultiheadAttention<>(8, 2, {.bias = false})) == Names{"in_proj_weight", "out_proj.weight"});
  const nn::TransformerEncoder<> encoder(nn::TransformerEncoderLayer<>(4, 2, {.dim_feedforward = 5}), 2,
                                         nn::LayerNorm<>({4}));
  Names wanted;
  for (const std::string layer : {"layers.0.", "layers.1."})
    for (const char* name :
         {"self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight",
          "self_attn.out_proj.bias", "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias",
          "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"})
      wanted.push_back(layer + name);
  wanted.insert(wanted.end(), {"norm.weight", "norm.bias"});
  CHECK(names(encoder) == wanted);
  CHECK(encoder.layers[0].linear1.weight.data() != encoder.layers[1].linear1.weight.data());
  CHECK(same_bits(encoder.layers[0].linear1.weight, encoder.layers[1].linear1.weight));
}

TEST_CASE("blockwise attention is the composition, causal or not, over several blocks") {
  Generator generator(2);
  const auto q = randn<double>({2, 150, 3}, generator), k = randn<double>({2, 700, 3}, generator),
             v = randn<double>({2, 700, 2}, generator);
  for (const bool causal : {false, true}) {
    auto scores = matmul(q, k, {.transpose_b = true}) / std::sqrt(3.0);
    auto hidden = zeros<double>({150, 700});
    auto values = hidden.mutable_values();
    for (std::size_t i = 0; causal && i < values.size(); ++i)
      values[i] = i % 700 > i / 700 ? -std::numeric_limits<double>::infinity() : 0;
    const auto y = scaled_dot_product_attention(q, k, v, {.is_causal = causal});
    CHECK(allclose(y, matmul(softmax(scores + hidden), v), 1e-12, 1e-14));
  }
}

TEST_CASE(
    "what a mask hides has no part in a result or gradient, and a query that sees nothing gives zeros") {
  Generator generator(3);
  auto k = randn<double>({4, 2}, generator), v = randn<double>({4, 2}, generator);
  const auto q = randn<double>({3, 2}, generator).set_requires_grad();
  k.mutable_values()[7] = 1e300;
  v.mutable_values()[6] = 1e300;
  const Tensor<double> mask{{1, 1, 1, 0}, {0, 0, 0, 0}, {0, 1, 0, 0}};
  const auto y = scaled_dot_product_attention(q, k, v, {.attn_mask = mask});
  CHECK(list(select(y, 0, 1)) == std::vector<double>{0, 0});
  CHECK(same_bits(select(y, 0, 2), select(v, 0, 1)));
  sum(y).backward();
  CHECK(list(select(q.grad(), 0, 1)) == std::vector<double>{0, 0});
  for (const double g : q.grad().values()) CHECK(std::abs(g) < 100);
}

TEST_CASE("attention's dropout acts on its weights, as its generator says") {
  Generator a(5), b(5), values(1);
  const auto q = randn({1, 4, 6}, values), k = randn({1, 5, 6}, values), v = randn({1, 5, 6}, values);
  const auto y = scaled_dot_product_attention(q, k, v, {.dropout_p = 0.5, .generator = &a});
  const auto p = reshape(softmax(matmul(q / std::sqrt(6.0), k, {.transpose_b = true})), {1, 1, 4, 5});
  CHECK(allclose(y, matmul(reshape(dropout(p, 0.5, true, b), {1, 4, 5}), v), 1e-5, 1e-6));
  nn::MultiheadAttention<> module(6, 2, {.dropout = 0.5, .batch_first = true});
  CHECK_FALSE(allclose(module(q, k, v), module(q, k, v)));
  nn::eval(module);
  CHECK(same_bits(module(q, k, v), module(q, k, v)));
}

TEST_CASE("several heads agree with and without weights, batch first and unbatched") {
  Generator generator(4);
  nn::MultiheadAttention<double> rows(6, 3, {}, generator), batch(6, 3, {.batch_first = true});
  nn::load_state_dict(batch, nn::state_dict(rows));
  const auto x = randn<double>({4, 2, 6}, generator), turned = transpose(x, 0, 1);
  const auto y = rows(x, x, x, {.is_causal = true});
  CHECK(allclose(transpose(batch(turned, turned, turned, {.is_causal = true}), 0, 1), y, 1e-12, 1e-14));
  const auto [same, weights] = rows.with_weights(x, x, x, {.is_causal = true});
  CHECK(allclose(same, y, 1e-12, 1e-14));
  CHECK(weights.shape() == Shape{2, 4, 4});
  CHECK(allclose(sum(weights, -1), ones<double>({2, 4}), 1e-12));
  CHECK(rows.with_weights(x, x, x, {}, false).second.shape() == Shape{2, 3, 4, 4});
  const auto one = select(x, 1, 0);
  CHECK(allclose(rows(one, one, one, {.is_causal = true}), select(y, 1, 0), 1e-12, 1e-14));
}

TEST_CASE("positions: sinusoidal values, and rotations that depend on distances only") {
  const auto table = nn::sinusoidal_positions<double>(5, 6);
  CHECK(table.shape() == Shape{5, 6});
  CHECK(at(table, {3, 2}) == Approx(std::sin(3 / std::pow(10000, 2.0 / 6))));
  CHECK(at(table, {3, 3}) == Approx(std::cos(3 / std::pow(10000, 2.0 / 6))));
  CHECK(nn::sinusoidal_positions(2, 3).shape() == Shape{2, 3});
  Generator generator(6);
  const auto q = expand(randn<double>({1, 6}, generator), {4, 6}),
             k = expand(randn<double>({1, 6}, generator), {4, 6});
  for (const bool interleaved : {false, true}) {
    const auto scores = matmul(nn::rotary_positions(q, {.offset = 3, .interleaved = interleaved}),
                               nn::rotary_positions(k, {.interleaved = interleaved}), {.transpose_b = true});
    CHECK(at(scores, {0, 1}) == Approx(at(scores, {2, 3})));
    CHECK(at(scores, {1, 0}) == Approx(at(scores, {3, 2})));
    const auto turned = nn::rotary_positions(q, {.interleaved = interleaved});
    CHECK(allclose(sum(square(turned), -1), sum(square(q), -1), 1e-12));
    CHECK(same_bits(select(turned, 0, 0), select(q, 0, 0)));
  }
  const auto x = Tensor<double>{{0, 0, 0, 0}, {1, 2, 3, 4}};
  const auto turned = nn::rotary_positions(x);
  CHECK(at(turned, {1, 0}) == Approx(std::cos(1) - 3 * std::sin(1)));
  CHECK(at(turned, {1, 3}) == Approx(4 * std::cos(0.01) + 2 * std::sin(0.01)));
}

TEST_CASE("attention refuses what does not fit") {
  const auto x = ones({2, 3, 4});
  CHECK_THROWS_WITH(
      scaled_dot_product_attention(x, ones({2, 3, 5}), x),
      Contains("scaled_dot_product_attention: query [2, 3, 4], key [2, 3, 5] and value [2, 3, 4]"));
  CHECK_THROWS_WITH(scaled_dot_product_attention(x, x, ones({2, 4, 4})),
                    Contains("key and value have equal rows"));
  CHECK_THROWS_WITH(
      scaled_dot_product_attention(x, x, x, {.attn_mask = full({3, 3}, -1)}),
      Contains("a mask holds -1; it is of 0 and 1, and what is added to the scores is attn_bias"));
  CHECK_THROWS_WITH(
      scaled_dot_product_attention(x, x, x, {.attn_bias = ones({2, 4})}),
      Contains("attn_bias has shape [2, 4], which does not broadcast to the scores', [2, 3, 3]"));
  CHECK_THROWS_WITH(scaled_dot_product_attention(Tensor<>(), x, x), Contains("operand 0 is undefined"));
  CHECK_THROWS_WITH(scaled_dot_product_attention(x, x, x, {.dropout_p = 2}), Contains("p is 2"));
  CHECK_THROWS_WITH(nn::MultiheadAttention<>(6, 4),
                    Contains("6 features and 4 heads; heads must divide features"));
  CHECK_THROWS_WITH(nn::MultiheadAttention<>(6, 2, {.dropout = -1}), Contains("dropout is -1"));
  const nn::MultiheadAttention<> attention(4, 2);
  CHECK_THROWS_WITH(attention(x, x, ones({3, 4})),
                    Contains("MultiheadAttention(4, 2): query, key or value has shape [3, 4]"));
  CHECK_THROWS_WITH(attention(x, x, x, {.key_padding_mask = ones({2, 3})}),
                    Contains("key_padding_mask has shape [2, 3]; it must be [3, 2]"));
  CHECK_THROWS_WITH(attention(x, x, x, {.attn_mask = ones({3, 2})}),
                    Contains("attn_mask has shape [3, 2]; it must be [2, 2] or [6, 2, 2]"));
  CHECK_THROWS_WITH(attention(x, x, x, {.attn_mask = full({2, 2}, -std::numeric_limits<double>::infinity())}),
                    Contains("it is of 0 and 1"));
  CHECK_THROWS_WITH(nn::MultiheadAttention<>()(x, x, x), Contains("used before it has parameters"));
  CHECK_THROWS_WITH(nn::TransformerEncoder<>(nn::TransformerEncoderLayer<>(4, 2), -1), Contains("-1 layers"));
  CHECK_THROWS_WITH(nn::TransformerDecoder<>(nn::TransformerDecoderLayer<>(4, 2), -1), Contains("-1 layers"));
  CHECK_THROWS_WITH(nn::sinusoidal_positions(-1, 2), Contains("length -1"));
  CHECK_THROWS_WITH(nn::sinusoidal_positions(1, 2, 0), Contains("base is 0"));
  CHECK_THROWS_WITH(nn::rotary_positions(ones({2, 3})), Contains("with an even number of features"));
  const nn::TransformerEncoder<> encoder(nn::TransformerEncoderLayer<>(4, 2), 1);
  nn::parameters(encoder);
  CHECK_THROWS_WITH(encoder(ones({2, 3, 5})), Contains("(in the module 'layers.0.self_attn')"));
}

}  // namespace
