// A step of each optimizer, and of clipping: over one large parameter, and over many small ones.
#include <benchmark/benchmark.h>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/clip.hpp>
#include <xgrad/optim/rmsprop.hpp>
#include <xgrad/optim/sgd.hpp>

namespace {

using namespace xgrad;
using Parameters = std::vector<Tensor<>>;

Parameters parameters(const benchmark::State& state) {
  Generator generator(1);
  Parameters list;
  for (std::int64_t k = 0; k < state.range(0); ++k) {
    list.push_back(randn({state.range(1)}, generator).set_requires_grad());
    list.back().set_grad(randn({state.range(1)}, generator));
  }
  return list;
}

template <auto make>
void step(benchmark::State& state) {
  auto optimizer = make(parameters(state));
  for (auto _ : state) optimizer.step();
}

template <auto clip>
void clipping(benchmark::State& state) {
  const Parameters list = parameters(state);
  for (auto _ : state) clip(list);
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"parameters", "elements"})->Args({1, 1'000'000})->Args({20, 100});
}

BENCHMARK(step<[](Parameters p) { return optim::SGD(p); }>)->Name("SGD")->Apply(sizes);
BENCHMARK(step<[](Parameters p) { return optim::SGD(p, {.momentum = 0.9}); }>)
    ->Name("SGD/momentum")
    ->Apply(sizes);
BENCHMARK(step<[](Parameters p) { return optim::Adam(p); }>)->Name("Adam")->Apply(sizes);
BENCHMARK(step<[](Parameters p) { return optim::Adam(p, {.amsgrad = true}); }>)
    ->Name("Adam/amsgrad")
    ->Apply(sizes);
BENCHMARK(step<[](Parameters p) { return optim::AdamW(p); }>)->Name("AdamW")->Apply(sizes);
BENCHMARK(step<[](Parameters p) { return optim::RMSprop(p); }>)->Name("RMSprop")->Apply(sizes);
BENCHMARK(step<[](Parameters p) { return optim::RMSprop(p, {.momentum = 0.9, .centered = true}); }>)
    ->Name("RMSprop/momentum/centered")
    ->Apply(sizes);
BENCHMARK(clipping<[](const Parameters& p) { optim::clip_grad_norm(p, 1e9); }>)
    ->Name("clip_grad_norm/below")
    ->Apply(sizes);
BENCHMARK(clipping<[](const Parameters& p) { optim::clip_grad_norm(p, 0); }>)
    ->Name("clip_grad_norm/scaled")
    ->Apply(sizes);
BENCHMARK(clipping<[](const Parameters& p) { optim::clip_grad_value(p, 0.5); }>)
    ->Name("clip_grad_value")
    ->Apply(sizes);

}  // namespace
