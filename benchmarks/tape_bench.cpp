// What recording an op costs: forward, backward and release of long chains of small ops.
#include <benchmark/benchmark.h>

#include <ctime>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/ops/elementwise.hpp>

namespace {

using namespace xgrad;

constexpr auto fused_link = formula("link", [](auto x) { return tanh(x * 1.0 + 0.0); });

Tensor<> three_ops(const Tensor<>& x) { return tanh(x * 1.0f + 0.0f); }
Tensor<> one_formula(const Tensor<>& x) { return fused_link(x); }

double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// x <- link(x), so often that about `range(1)` ops of `range(0)` elements are recorded; then backward and
/// release. Reports CPU time and peak bytes for each op.
template <Tensor<> (*link)(const Tensor<>&), int ops_per_link>
void chain(benchmark::State& state) {
  const std::int64_t elements = state.range(0), links = state.range(1) / ops_per_link;
  auto x = full({elements}, 0.1f).set_requires_grad();
  const auto ones_like_x = ones({elements});
  const auto run = [&] {
    Tensor<> y = x;
    for (std::int64_t i = 0; i < links; ++i) y = link(y);
    y.backward(ones_like_x);
  };
  run();  // fills the pool
  x.zero_grad();
  const auto before = live_counts().bytes;
  reset_peak_bytes();
  for (auto _ : state) {
    const double start = thread_seconds();
    run();
    state.SetIterationTime(thread_seconds() - start);
  }
  const double ops = static_cast<double>(links * ops_per_link);
  state.counters["bytes/op"] = static_cast<double>(live_counts().peak_bytes - before) / ops;
  state.counters["s/op"] =
      benchmark::Counter(ops, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void lengths(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"elements", "ops"})
      ->ArgsProduct({{1, 16}, {1'000, 10'000, 100'000, 1'000'000, 10'000'000}})
      ->UseManualTime();
}

BENCHMARK(chain<three_ops, 3>)->Name("chain/three_ops")->Apply(lengths);
BENCHMARK(chain<one_formula, 1>)->Name("chain/one_formula")->Apply(lengths);

}  // namespace
