// The pool: what is alive is counted, nothing grows, and memory finds its way home.
#include <xgrad/autograd/core/pool.hpp>

#include <pthread.h>

#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool cached = false;  // the sanitizer gets every block back at once
#else
constexpr bool cached = true;
#endif

TEST_CASE("pool: blocks of every size are aligned, distinct and writable to the end", "[pool]") {
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (std::size_t bytes = 0; bytes < 1100; bytes += bytes < 530 ? 1 : 7)
    blocks.emplace_back(detail::pool::allocate(bytes), bytes);
  for (std::size_t bytes : {4096, 5000, 65536, 65537, 1 << 20, (1 << 20) + 1, 3 << 20})
    blocks.emplace_back(detail::pool::allocate(bytes), bytes);
  for (auto [block, bytes] : blocks) {
    CHECK(reinterpret_cast<std::uintptr_t>(block) % (bytes > 512 ? 64 : 16) == 0);
    std::memset(block, static_cast<int>(bytes % 251), bytes);
  }
  for (auto [block, bytes] : blocks) {  // none was written over
    const auto* bytes_of = static_cast<const unsigned char*>(block);
    for (std::size_t i = 0; i < bytes; i += 1 + bytes / 97) REQUIRE(bytes_of[i] == bytes % 251);
    if (bytes) REQUIRE(bytes_of[bytes - 1] == bytes % 251);
  }
  for (auto [block, bytes] : blocks) detail::pool::deallocate(block, bytes);
}

TEST_CASE("pool: a block that was given back is used again", "[pool]") {
  if (!cached) return;
  for (const std::size_t bytes : {24, 500, 700, 100000}) {
    void* block = detail::pool::allocate(bytes);
    detail::pool::deallocate(block, bytes);
    CHECK(detail::pool::allocate(bytes) == block);
    detail::pool::deallocate(block, bytes);
  }
}

TEST_CASE("pool: live counts", "[pool]") {
  const auto before = live_counts();
  {
    auto x = zeros<double>({1000}).set_requires_grad();
    const auto y = x * 2;
    const auto now = live_counts();
    CHECK(now.nodes == before.nodes + 2);
    CHECK(now.bytes >= before.bytes + 16000);
    CHECK(now.bytes < before.bytes + 25000);
    CHECK(now.reserved_bytes >= now.bytes);
  }
  CHECK(live_counts().nodes == before.nodes);
  CHECK(live_counts().bytes == before.bytes);
}

TEST_CASE("pool: peak", "[pool]") {
  reset_peak_bytes();
  const auto start = live_counts().peak_bytes;
  { const auto x = zeros<double>({100000}); }
  CHECK(live_counts().peak_bytes >= start + 800000);
  reset_peak_bytes();
  CHECK(live_counts().peak_bytes < start + 800000);
}

TEST_CASE("pool: a warm loop does not grow", "[pool]") {
  auto w = full<double>({8, 8}, 0.1).set_requires_grad();
  const auto x = ones<double>({8, 4});
  const auto wide = ones<double>({8, 8});
  const auto run = [&] {
    auto h = wide * w;
    for (int t = 0; t < 4; ++t) h = tanh(h * w + wide) - sigmoid(h) * 0.5;
    const auto [g] = grad(h, {w}, {.grad_outputs = {wide}, .create_graph = true});
    (g * h).backward(wide);
    w.zero_grad();
  };
  for (int i = 0; i < 20; ++i) run();
  const auto warm = live_counts();
  for (int i = 0; i < 1000; ++i) run();
  const auto after = live_counts();
  CHECK(after.nodes == warm.nodes);
  CHECK(after.bytes == warm.bytes);
  CHECK(after.reserved_bytes == warm.reserved_bytes);
}

TEST_CASE("pool: memory freed by another thread comes back into use", "[pool]") {
  const auto exchange = [] {
    auto x = ones<double>({300}).set_requires_grad();
    Tensor<double> y = x * 2 + x;
    std::thread([y = std::move(y)]() mutable { y = {}; }).join();
  };
  for (int i = 0; i < 20; ++i) exchange();
  const auto warm = live_counts();
  for (int i = 0; i < 300; ++i) exchange();
  const auto after = live_counts();
  CHECK(after.bytes == warm.bytes);
  CHECK(after.nodes == warm.nodes);
  CHECK(after.reserved_bytes <= warm.reserved_bytes + (1 << 20));
}

TEST_CASE("pool: threads that come and go leave little behind", "[pool]") {
  const auto visit = [](std::int64_t n) {
    std::thread([n] {
      auto x = ones<double>({n}).set_requires_grad();
      auto y = x;
      for (int i = 0; i < 10; ++i) y = tanh(y) + x;
      y.backward(ones<double>({n}));
    }).join();
  };
  for (std::int64_t n = 1; n < 60; ++n) visit(n);
  const auto warm = live_counts();
  for (int repeat = 0; repeat < 10; ++repeat)
    for (std::int64_t n = 1; n < 60; ++n) visit(n);
  const auto after = live_counts();
  CHECK(after.bytes == warm.bytes);
  CHECK(after.reserved_bytes <= warm.reserved_bytes + (1 << 20));
  CHECK(warm.reserved_bytes < (64 << 20));
}

// Made before a thread's first tensor, so it ends after what the pool keeps for the thread.
struct EndsLast {
  bool makes_tensor = false;
  ~EndsLast() {
    if (makes_tensor) zeros<float>({7});
  }
};
thread_local EndsLast ends_last;

TEST_CASE("pool: a thread may make tensors until its very end", "[pool]") {
  const auto before = live_counts().bytes;
  pthread_attr_t large_stack;  // which the system takes back at once: what still points there would be found
  pthread_attr_init(&large_stack);
  pthread_attr_setstacksize(&large_stack, 256 << 20);
  const auto body = [](void*) -> void* {
    ends_last.makes_tensor = true;
    zeros<float>({5});
    return nullptr;
  };
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &large_stack, body, nullptr) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&large_stack);
  CHECK(live_counts().bytes == before);
}

TEST_CASE("pool: empty_cache gives large blocks back", "[pool]") {
  if (!cached) return;
  const auto before = live_counts();
  { const auto x = zeros<double>({1 << 20}); }
  CHECK(live_counts().reserved_bytes >= before.reserved_bytes + (8 << 20));
  empty_cache();
  CHECK(live_counts().reserved_bytes <= before.reserved_bytes);
  const auto x = ones<double>({1 << 20});  // and the pool still works
  CHECK(std::accumulate(x.values().begin(), x.values().end(), 0.0) == 1 << 20);
}

}  // namespace
