// The gradient of the ADBench LSTM, one sequence after another: with formulas, and by hand.
//
// Both have the instruction set that this file is compiled for.
#include <benchmark/benchmark.h>

#include "adbench_lstm.hpp"

namespace {

using namespace xgrad::benchmarks;

template <class Lstm, std::int64_t layers, std::int64_t steps>
void gradient(benchmark::State& state) {
  const DiagonalLstmProblem problem(layers, steps, 14);
  Lstm lstm(problem);
  state.counters["loss"] = lstm.step();
  lstm.step();  // by now all memory is there
  for (auto _ : state) benchmark::DoNotOptimize(lstm.step());
}

void milliseconds(benchmark::internal::Benchmark* bench) { bench->Unit(benchmark::kMillisecond); }

BENCHMARK(gradient<FormulaLstm, 2, 1024>)->Name("adbench_lstm/l2_c1024/xgrad")->Apply(milliseconds);
BENCHMARK(gradient<HandwrittenLstm, 2, 1024>)->Name("adbench_lstm/l2_c1024/handwritten")->Apply(milliseconds);
BENCHMARK(gradient<FormulaLstm, 4, 4096>)->Name("adbench_lstm/l4_c4096/xgrad")->Apply(milliseconds);
BENCHMARK(gradient<HandwrittenLstm, 4, 4096>)->Name("adbench_lstm/l4_c4096/handwritten")->Apply(milliseconds);

}  // namespace
