// One training step of a recurrent network: written by hand, and by the library with packed operands and
// without.
//
// Names are step/WORKLOAD/PROGRAM; `products` are the hand-written step's matrix products alone.
// --step_threads=N gives either program N threads (1): the one by hand those of BLAS, the library its own.
// Compare medians of --benchmark_repetitions with --benchmark_enable_random_interleaving.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/autograd/array/replay.hpp>
#include "handwritten/handwritten.hpp"
#include <xgrad/models/char_rnn.hpp>
#include <xgrad/ops/kernels/gemm.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/threads.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/clip.hpp>
#include <xgrad/optim/sgd.hpp>

// A function of OpenBLAS alone; weak, so that the program links with another BLAS too.
extern "C" [[gnu::weak]] char* openblas_get_config();

namespace {

using namespace xgrad;
using benchmarks::Cell;
using benchmarks::Handwritten;
using benchmarks::Sizes;
using benchmarks::Update;

constexpr Update sgd{.rule = Update::Rule::sgd, .lr = 0.1};
constexpr Update adam{.rule = Update::Rule::adam, .lr = 1e-3, .max_norm = 5};

struct Workload {
  const char* name;
  Cell cell;
  Sizes sizes;  // vocabulary, hidden, time, batch
  Update update;
};

constexpr Workload workloads[] = {
    {"hello", Cell::rnn, {4, 16, 4, 1}, sgd},
    {"floyd", Cell::rnn, {17, 12, 14, 3}, adam},
    {"medium_rnn", Cell::rnn, {65, 128, 64, 32}, adam},
    {"medium_lstm", Cell::lstm, {65, 128, 64, 32}, adam},
    {"medium_gru", Cell::gru, {65, 128, 64, 32}, adam},
    {"large_rnn", Cell::rnn, {65, 512, 100, 64}, adam},
    {"large_lstm", Cell::lstm, {65, 512, 100, 64}, adam},
};

/// What both programs step on: the same parameters, and one window that never changes.
struct Problem {
  explicit Problem(const Workload& w) {
    Generator generator(1);
    const nn::Cell cell = w.cell == Cell::lstm  ? nn::Cell::lstm
                          : w.cell == Cell::gru ? nn::Cell::gru
                                                : nn::Cell::rnn;
    model = models::CharRNN<>({.vocabulary = static_cast<std::int64_t>(w.sizes.vocabulary),
                               .hidden = static_cast<std::int64_t>(w.sizes.hidden),
                               .cell = cell},
                              generator);
    std::mt19937 random(7);
    for (std::size_t k = 0; k < w.sizes.time * w.sizes.batch; ++k) {
      inputs.push_back(static_cast<std::int64_t>(random() % w.sizes.vocabulary));
      targets.push_back(static_cast<std::int64_t>(random() % w.sizes.vocabulary));
    }
  }

  models::CharRNN<> model;
  std::vector<std::int64_t> inputs, targets;
};

Handwritten<float> handwritten(const Workload& w, const Problem& problem) {
  benchmarks::Arrays<float> arrays;
  for (const auto& [name, parameter] : nn::named_parameters(problem.model))
    arrays[name] = {parameter.values().begin(), parameter.values().end()};
  return {w.cell, w.sizes, arrays};
}

/// Times `step`, which returns the loss. The loss of the first step is reported: it is the same for all
/// programs.
template <class Step>
void time_steps(benchmark::State& state, Step step) {
  state.counters["loss"] = step();
  step();  // by now all memory is there
  for (auto _ : state) benchmark::DoNotOptimize(step());
}

int step_threads = 1;

void run_handwritten(benchmark::State& state, const Workload& w) {
  kernels::set_blas_threads(step_threads);
  const Problem problem(w);
  auto by_hand = handwritten(w, problem);
  const auto h = by_hand.h(), c = by_hand.c();  // zeros
  time_steps(state, [&] {
    by_hand.set_state(h, c);
    return by_hand.step(problem.inputs, problem.targets, w.update);
  });
}

void run_products(benchmark::State& state, const Workload& w) {
  kernels::set_blas_threads(step_threads);
  auto by_hand = handwritten(w, Problem(w));
  by_hand.run_products();
  for (auto _ : state) by_hand.run_products();
}

struct Variant {
  bool packed = false, replayed = false;
};

template <class Optimizer>
void run_xgrad(benchmark::State& state, const Workload& w, Variant variant, const Problem& problem,
               Optimizer optimizer) {
  const Shape shape{static_cast<std::int64_t>(w.sizes.time), static_cast<std::int64_t>(w.sizes.batch)};
  const Indices inputs(shape, problem.inputs), targets(shape, problem.targets);
  const auto& model = problem.model;
  const auto forward_and_backward = [&] {
    optimizer.zero_grad();
    const auto output = model(inputs, model.zero_state(shape[1]));
    const Tensor<> loss = model.loss(output.logits, targets);
    loss.backward();
    return loss.detach();
  };
  std::optional<Replay<Tensor<>>> replay;
  if (variant.replayed) replay.emplace(forward_and_backward);
  time_steps(state, [&] {
    const Tensor<> loss = replay ? (*replay)() : forward_and_backward();
    if (w.update.max_norm > 0) optim::clip_grad_norm(optimizer.parameters(), w.update.max_norm);
    optimizer.step();
    return loss.item();
  });
}

void run_xgrad(benchmark::State& state, const Workload& w, Variant variant) {
  set_threads(step_threads);
  set_packing(variant.packed);
  const Problem problem(w);
  const auto parameters = nn::parameters(problem.model);
  if (w.update.rule == Update::Rule::sgd)
    run_xgrad(state, w, variant, problem, optim::SGD<float>(parameters, {.lr = w.update.lr}));
  else
    run_xgrad(state, w, variant, problem, optim::Adam<float>(parameters, {.lr = w.update.lr}));
}

void add(const Workload& w) {
  const auto add = [&](const char* program, auto run) {
    benchmark::RegisterBenchmark(("step/" + std::string(w.name) + "/" + program).c_str(), run)
        ->Unit(w.sizes.hidden < 100 ? benchmark::kMicrosecond : benchmark::kMillisecond);
  };
  add("handwritten", [&w](benchmark::State& state) { run_handwritten(state, w); });
  add("products", [&w](benchmark::State& state) { run_products(state, w); });
  add("xgrad", [&w](benchmark::State& state) { run_xgrad(state, w, {}); });
  add("xgrad_packed", [&w](benchmark::State& state) { run_xgrad(state, w, {.packed = true}); });
  add("xgrad_replayed", [&w](benchmark::State& state) { run_xgrad(state, w, {.replayed = true}); });
}

/// Takes --step_threads=N out of the arguments; 1 without it.
int take_threads(int& argc, char** argv) {
  constexpr std::string_view flag = "--step_threads=";
  const auto is_flag = [&](std::string_view argument) { return argument.starts_with(flag); };
  char** const found = std::find_if(argv + 1, argv + argc, is_flag);
  if (found == argv + argc) return 1;
  const int threads = std::atoi(*found + flag.size());
  std::copy(found + 1, argv + argc, found);
  --argc;
  return threads;
}

}  // namespace

int main(int argc, char** argv) {
  promise_one_thread();
  step_threads = take_threads(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
#ifdef __clang__
  benchmark::AddCustomContext("compiler", __VERSION__);
#else
  benchmark::AddCustomContext("compiler", "GCC " __VERSION__);
#endif
  benchmark::AddCustomContext("simd", kernels::simd_level_name(kernels::simd_level()));
  benchmark::AddCustomContext("blas", openblas_get_config ? openblas_get_config() : "not OpenBLAS");
  benchmark::AddCustomContext("threads", std::to_string(step_threads));
  for (const Workload& w : workloads) add(w);
  benchmark::RunSpecifiedBenchmarks();
}
