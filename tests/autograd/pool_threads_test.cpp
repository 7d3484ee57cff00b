// The pool between threads: what one makes and another drops is used again, by whoever needs it.
#include <xgrad/autograd/core/pool.hpp>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;

constexpr std::int64_t megabyte = 1 << 20;

// Hands things from threads to others, at most four at a time.
template <class T>
class Queue {
 public:
  void push(T value) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return values_.size() < 4; });
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  T pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !values_.empty(); });
    T value = std::move(values_.front());
    values_.pop_front();
    changed_.notify_all();
    return value;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
};

TEST_CASE("pool: four workers take gradients, and another thread sums them", "[threads]") {
  const auto before = live_counts();
  {
    const auto w = full<float>({64, 16}, 0.5).set_requires_grad();
    constexpr int steps = 4000;
    Queue<Tensor<>> gradients;
    std::vector<std::thread> workers;
    for (int i = 0; i < 4; ++i)
      workers.emplace_back([&] {
        for (int step = 0; step < steps / 4; ++step) gradients.push(grad(sum(tanh(w * 2.0f) * w), {w})[0]);
      });
    Tensor<> total = zeros<float>({64, 16});
    for (int step = 0; step < steps; ++step) total += gradients.pop();  // 16 MB in all
    for (auto& worker : workers) worker.join();
    CHECK(live_counts().reserved_bytes - before.reserved_bytes < 8 * megabyte);
  }
  CHECK(live_counts().bytes == before.bytes);
  CHECK(live_counts().nodes == before.nodes);
}

TEST_CASE("pool: batches of small tensors are made by short-lived threads", "[threads]") {
  const auto before = live_counts();
  for (int batch = 0; batch < 200; ++batch) {  // 40 MB in all
    const auto made = std::async(std::launch::async, [] {
      std::vector<Tensor<>> tensors;
      for (int i = 0; i < 1000; ++i) tensors.push_back(full<float>({20}, static_cast<float>(i)));
      return tensors;
    });
    made.wait();
  }
  CHECK(live_counts().reserved_bytes - before.reserved_bytes < 8 * megabyte);
  CHECK(live_counts().bytes == before.bytes);
}

TEST_CASE("pool: a queue of large tensors that are read ahead", "[threads]") {
  const auto before = live_counts();
  Queue<Tensor<>> batches;
  std::thread reader([&] {
    for (int i = 0; i < 200; ++i) batches.push(full<float>({1 << 18}, 1));
  });
  for (int i = 0; i < 200; ++i) CHECK(batches.pop().values()[0] == 1);  // 200 MB in all
  reader.join();
  CHECK(live_counts().reserved_bytes - before.reserved_bytes < 20 * megabyte);
  CHECK(live_counts().bytes == before.bytes);
}

TEST_CASE("pool: what one thread hands on, empty_cache of another gives back", "[threads]") {
  if (!detail::pool::cached) return;
  empty_cache();
  const auto before = live_counts();
  std::thread([] { const std::vector<Tensor<>> large(3, full<float>({1 << 20}, 1).clone()); }).join();
  CHECK(live_counts().reserved_bytes > before.reserved_bytes + 4 * megabyte);
  empty_cache();
  CHECK(live_counts().reserved_bytes < before.reserved_bytes + megabyte);
}

TEST_CASE("pool: what lies idle in other sizes is limited", "[pool]") {
  if (!detail::pool::cached) return;
  empty_cache();
  const std::int64_t before = live_counts().reserved_bytes;
  const auto kept = AnyTensor::empty({48 * megabyte / 4}, DType::float32);
  std::int64_t most = 0;
  for (std::int64_t size = 1; size <= 400; size = size * 9 / 8 + 1) {
    AnyTensor::empty({size * megabyte / 4}, DType::float32);
    most = std::max(most, live_counts().reserved_bytes - before);
  }
  CHECK(most >= 400 * megabyte);
  CHECK(most < 1000 * megabyte);  // and all sizes together are several GB
}

TEST_CASE("pool: blocks that go from thread to thread have one owner at a time", "[threads]") {
  struct Block {
    unsigned char* data;
    std::size_t bytes;
    unsigned char pattern;
  };
  constexpr int count = 4;
  std::array<Queue<Block>, count> queues;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      std::mt19937 random(static_cast<unsigned>(i));
      const auto take_back = [&](const Block& block) {
        for (std::size_t k = 0; k < block.bytes; k += 1 + k / 4) wrong += block.data[k] != block.pattern;
        detail::pool::deallocate(block.data, block.bytes);
      };
      for (int turn = 0; turn < 3000; ++turn) {
        const std::size_t bytes = random() % 3 ? 1 + random() % 600 : 1 + random() % 20000;
        Block block{static_cast<unsigned char*>(detail::pool::allocate(bytes)), bytes,
                    static_cast<unsigned char>(random())};
        std::memset(block.data, block.pattern, bytes);
        queues[static_cast<std::size_t>((i + 1) % count)].push(block);
        take_back(queues[static_cast<std::size_t>(i)].pop());
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

}  // namespace
