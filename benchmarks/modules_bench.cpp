// Modules, forward and backward, at the sizes that benchmarks/pytorch_modules.py runs in PyTorch.
#include <benchmark/benchmark.h>

#include <xgrad/xgrad.hpp>

namespace {

using namespace xgrad;

constexpr std::int64_t batch = 32;

// Times f(x), the sum of its result's gradient, and clears what gradients there are.
template <class F>
void forward_and_backward(benchmark::State& state, Tensor<> x, F f) {
  x.set_requires_grad();
  const Tensor<> g = randn(f(x).shape());
  for (auto _ : state) {
    f(x).backward(g);
    x.zero_grad();
  }
}
template <class M>
void module(benchmark::State& state, const M& m, const Shape& shape) {
  forward_and_backward(state, randn(shape), [&](const Tensor<>& x) {
    nn::zero_grad(m);
    return m(x);
  });
}

void layer_norm(benchmark::State& state) { module(state, nn::LayerNorm<>({512}), {batch, 512, 512}); }
void conv2d(benchmark::State& state) {
  module(state, nn::Conv2d<>(16, 32, 3, {.padding = 1}), {batch, 16, 32, 32});
}
void batch_norm2d(benchmark::State& state) { module(state, nn::BatchNorm2d<>(16), {batch, 16, 32, 32}); }
// Self-attention, and a layer of a transformer, on batch first sequences.
void multihead_attention(benchmark::State& state) {
  const nn::MultiheadAttention<> attention(512, 8, {.batch_first = true});
  forward_and_backward(state, randn({batch, 128, 512}), [&](const Tensor<>& x) {
    nn::zero_grad(attention);
    return attention(x, x, x);
  });
}
void transformer_layer(benchmark::State& state) {
  module(state, nn::TransformerEncoderLayer<>(512, 8, {.dropout = 0, .batch_first = true}), {batch, 128, 512});
}
// A step of the two layers that a small model of characters has, without the update.
void small_transformer(benchmark::State& state) {
  const nn::TransformerOptions options{.dim_feedforward = 512, .dropout = 0, .batch_first = true};
  const nn::Embedding<> embedding(65, 128);
  const nn::TransformerEncoder<> layers(nn::TransformerEncoderLayer<>(128, 4, options), 2);
  const nn::Linear<> out(128, 65);
  const Indices x = to_indices(rand({batch, 64}) * 65), y = to_indices(rand({batch, 64}) * 65);
  for (auto _ : state) {
    nn::zero_grad(embedding), nn::zero_grad(layers), nn::zero_grad(out);
    cross_entropy(out(layers(embedding(x), {.is_causal = true})), y).backward();
  }
}
void gemm(benchmark::State& state) {  // how fast products are, for most of the others is products
  const Tensor<> a = randn({1024, 1024}), b = randn({1024, 1024});
  for (auto _ : state) matmul(a, b);
}
BENCHMARK(gemm)->Unit(benchmark::kMicrosecond);
BENCHMARK(multihead_attention)->Unit(benchmark::kMicrosecond);
BENCHMARK(transformer_layer)->Unit(benchmark::kMicrosecond);
BENCHMARK(small_transformer)->Unit(benchmark::kMicrosecond);
void max_pool2d(benchmark::State& state) {
  forward_and_backward(state, randn({batch, 16, 32, 32}), nn::MaxPool2d{2});
}
BENCHMARK(max_pool2d)->Unit(benchmark::kMicrosecond);
BENCHMARK(layer_norm)->Unit(benchmark::kMicrosecond);
BENCHMARK(conv2d)->Unit(benchmark::kMicrosecond);
BENCHMARK(batch_norm2d)->Unit(benchmark::kMicrosecond);

}  // namespace
