// What a training step takes, in counts that do not depend on the machine: allocations, nodes, bytes.
#include <malloc.h>

#include <atomic>
#include <cstdio>
#include <map>

#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "../../benchmarks/handwritten/handwritten.hpp"
#include "../../benchmarks/training_step.hpp"
#include "catch.hpp"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define XGRAD_COUNTS_ALLOCATIONS
#endif

#ifdef XGRAD_COUNTS_ALLOCATIONS
// The program's own malloc and its relatives: they count, and pass the call on.
namespace {
std::atomic<long> allocations{0};
}
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t n) { return ++allocations, __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t size) { return ++allocations, __libc_calloc(n, size); }
void* realloc(void* p, std::size_t n) { return ++allocations, __libc_realloc(p, n); }
void* memalign(std::size_t alignment, std::size_t n) { return ++allocations, __libc_memalign(alignment, n); }
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  return ++allocations, __libc_memalign(alignment, n);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t n) {
  *p = (++allocations, __libc_memalign(alignment, n));
  return *p ? 0 : 12;
}
}
#endif

namespace {

using namespace xgrad;
using namespace xgrad::benchmarks;

// Resident memory in bytes.
[[maybe_unused]] std::int64_t resident() {
  long pages = 0, total = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file && std::fscanf(file, "%ld %ld", &total, &pages) != 2) pages = 0;
  if (file) std::fclose(file);
  return std::int64_t{pages} * 4096;
}

TEST_CASE("counts: a warm training step allocates nothing", "[counts]") {
#ifdef XGRAD_COUNTS_ALLOCATIONS
  const auto cell = GENERATE(nn::Cell::rnn, nn::Cell::lstm, nn::Cell::gru);
  for (StepSizes sizes : {hello_sizes, small_lstm_sizes, StepSizes{cell, 65, 64, 20, 8}}) {
    sizes.cell = cell;
    TrainingStep step(sizes);
    for (const bool replayed : {false, true}) {
      if (replayed) step.replay();
      for (int i = 0; i < 3; ++i) step();
      const long before = allocations;
      for (int i = 0; i < 5; ++i) step();
      const long after = allocations;
      INFO(models::cell_name(cell) << ", hidden " << sizes.hidden << (replayed ? ", replayed" : ""));
      CHECK(after - before == 0);
    }
  }
  const long before = allocations;
  ::operator delete(::operator new(1));
  CHECK(allocations - before == 1);  // they are counted
#else
  WARN("skipped: malloc cannot be replaced beside a sanitizer's, or in another C library than glibc");
#endif
}

TEST_CASE("counts: the nodes of a step", "[counts]") {
  const auto nodes_of = [](const StepSizes& sizes) {
    const auto before = live_counts().nodes;
    TrainingStep step(sizes);
    step();
    return step.nodes() - before;
  };
  // Six parameters; the projected characters, their split over time, the joined states, the logits and the
  // loss; a node for each step.
  CHECK(nodes_of(hello_sizes) == 6 + 5 + 4);
  CHECK(nodes_of(small_lstm_sizes) == 6 + 5 + 8);
  CHECK(nodes_of({nn::Cell::gru, 17, 16, 8, 4}) == 6 + 5 + 8);
}

TEST_CASE("counts: a recorded op on one element takes at most 220 bytes, its data included", "[counts]") {
  constexpr auto link = formula("link", [](auto x) { return tanh(x * 1.0 + 0.0); });
  const auto peak_of = [](auto op) {
    const auto x = ones({1}).set_requires_grad();
    const auto seed = ones({1});
    const auto before = live_counts().bytes;
    reset_peak_bytes();
    Tensor<> y = x;
    for (int i = 0; i < 1000; ++i) y = op(y);
    y.backward(seed);
    return live_counts().peak_bytes - before;
  };
  CHECK(peak_of(link) < 220 * 1000 + 1000);  // and the pass itself
  CHECK(peak_of([](const Tensor<>& y) { return tanh(y * 1.0f + 0.0f); }) < 3 * 220 * 1000);
}

TEST_CASE("counts: the memory of a large step is near that of the step written by hand", "[counts]") {
  const auto [cell, cell_by_hand] = GENERATE(std::pair(nn::Cell::rnn, benchmarks::Cell::rnn),
                                             std::pair(nn::Cell::lstm, benchmarks::Cell::lstm),
                                             std::pair(nn::Cell::gru, benchmarks::Cell::gru));
  const auto before = live_counts().bytes;
  StepSizes large = large_rnn_sizes;
  large.cell = cell;
  TrainingStep step(large);
  step();
  reset_peak_bytes();
  step();
  const auto bytes = static_cast<double>(live_counts().peak_bytes - before);

  const benchmarks::Sizes sizes{65, 512, 100, 64};
  benchmarks::Arrays<float> arrays;
  models::CharRNN<> model({.vocabulary = 65, .hidden = 512, .cell = cell});
  for (const auto& [name, parameter] : nn::named_parameters(model))
    arrays[name] = {parameter.values().begin(), parameter.values().end()};
  const benchmarks::Handwritten<float> by_hand(cell_by_hand, sizes, arrays);
  INFO(models::cell_name(cell) << ": " << bytes << " bytes, and " << by_hand.bytes() << " by hand");
  CHECK(bytes < 1.2 * static_cast<double>(by_hand.bytes()));
}

TEST_CASE("counts: a replayed step takes little more memory", "[counts]") {
  const auto cell = GENERATE(nn::Cell::rnn, nn::Cell::lstm, nn::Cell::gru);
  const auto peak_of = [&](bool replayed) {
    const auto before = live_counts().bytes;
    TrainingStep step({cell, 65, 128, 64, 32});
    if (replayed) step.replay();
    step();
    reset_peak_bytes();
    step();
    return static_cast<double>(live_counts().peak_bytes - before);
  };
  CHECK(peak_of(true) < 1.1 * peak_of(false));
}

TEST_CASE("counts: memory is linear in the number of time steps", "[counts]") {
  const auto bytes_of = [](std::int64_t time) {
    TrainingStep step({nn::Cell::lstm, 17, 16, time, 1});
    step();
    const auto before = live_counts().bytes;
    reset_peak_bytes();
    step();
    return static_cast<double>(live_counts().peak_bytes - before);
  };
  const double short_one = bytes_of(100), long_one = bytes_of(10'000);
  CHECK(long_one < 1.05 * 100 * short_one);  // blocks are rounded up to the pool's sizes
}

TEST_CASE("counts: ten thousand steps leave memory as ten do", "[counts]") {
  TrainingStep step(hello_sizes);
  for (int i = 0; i < 10; ++i) step();
  const auto bytes = live_counts().bytes, nodes = live_counts().nodes,
             reserved = live_counts().reserved_bytes;
  [[maybe_unused]] const std::int64_t pages = resident();
  for (int i = 0; i < 10'000; ++i) step();
  CHECK(live_counts().bytes == bytes);
  CHECK(live_counts().nodes == nodes);
  CHECK(live_counts().reserved_bytes == reserved);
#ifdef XGRAD_COUNTS_ALLOCATIONS
  CHECK(resident() <= pages + (1 << 20));  // what the test program itself prints and keeps
#endif
}

}  // namespace
