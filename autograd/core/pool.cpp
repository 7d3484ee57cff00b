// The pool: size classes, slabs for small blocks, and the registry of threads, for live_counts().
#include <xgrad/autograd/core/pool.hpp>

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {

using namespace detail;

constinit thread_local ThreadState detail::this_thread;
constinit std::atomic<bool> detail::one_thread_promised{false};

namespace {

constexpr std::size_t first_slab_bytes = 16 * 1024, last_slab_bytes = 1024 * 1024;

using pool::cached;
using pool::small_limit;

struct SizeClass {
  std::size_t index, bytes;
};

// Small: multiples of 16. Large: four steps to each doubling.
SizeClass size_class(std::size_t bytes, pool::Use use) {
  if (bytes <= small_limit)
    return {pool::small_class(bytes, use), static_cast<std::size_t>(pool::small_bytes(bytes))};
  const std::size_t exponent = std::bit_width(bytes - 1) - 1;  // 2^exponent < bytes <= 2^(exponent + 1)
  const std::size_t step = std::size_t{1} << (exponent - 2);
  const std::size_t quarter = (bytes - (std::size_t{1} << exponent) + step - 1) / step;  // 1 … 4
  return {ThreadState::all_small_classes + 4 * (exponent - 9) + quarter - 1,
          (std::size_t{1} << exponent) + quarter * step};
}

// Threads that have used the pool, for the sums; what ended threads left behind, for reuse.
struct Registry {
  std::mutex mutex;
  std::vector<ThreadState*> threads;
  std::vector<std::byte*> slabs;
  std::array<ThreadState::FreeBlock*, ThreadState::all_small_classes + ThreadState::large_classes> orphans{};
  std::int64_t ended_nodes = 0, ended_bytes = 0, ended_reserved = 0;
};

Registry& registry() {
  static auto* instance = new Registry;  // never destroyed: threads may end after static destruction began
  return *instance;
}

// Large blocks lie on huge pages, where the system has them: matrix products meet a new small one every few
// rows.
constexpr std::size_t huge_page = 2 << 20;
bool is_large(std::size_t bytes) { return bytes >= 2 * huge_page; }
std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{is_large(bytes) ? huge_page : 64};
}

void* system_allocate(ThreadState& thread, std::size_t bytes) {
  void* memory = ::operator new(bytes, alignment_of(bytes));
#ifdef MADV_HUGEPAGE
  if (is_large(bytes)) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  thread.count(thread.reserved_bytes, static_cast<std::int64_t>(bytes));
  return memory;
}

void system_free(ThreadState& thread, void* memory, std::size_t bytes) noexcept {
  thread.count(thread.reserved_bytes, -static_cast<std::int64_t>(bytes));
  ::operator delete(memory, alignment_of(bytes));
}

// Hands an ending thread's blocks on and folds its counts into the registry.
struct ThreadEnd {
  ~ThreadEnd() {
    ThreadState& thread = this_thread;
    Registry& all = registry();
    std::lock_guard lock(all.mutex);
    for (std::size_t i = 0; i < thread.free.size(); ++i)
      while (auto* block = thread.free[i]) {
        thread.free[i] = block->next;
        block->next = all.orphans[i];
        all.orphans[i] = block;
      }
    all.ended_nodes += thread.live_nodes;
    all.ended_bytes += thread.live_bytes;
    all.ended_reserved += thread.reserved_bytes;
    thread.live_nodes = thread.live_bytes = thread.reserved_bytes = 0;
    std::erase(all.threads, &thread);
    thread.registered = false;
    thread.ended = true;
  }
};

void enter_registry(ThreadState& thread) {
  thread_local ThreadEnd at_end;
  (void)at_end;
  std::lock_guard lock(registry().mutex);
  registry().threads.push_back(&thread);
  thread.registered = true;
}

void* take_orphan(std::size_t index) {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  auto* block = all.orphans[index];
  if (block) all.orphans[index] = block->next;
  return block;
}

// A slab, cut into free blocks of one class: they lie close together and in order, whatever other classes a
// program asks for in between. Each is twice as large as the one before, so no more lies idle than was used.
void* cut_slab(ThreadState& thread, SizeClass size) {
  const std::size_t bytes = first_slab_bytes << thread.doublings[size.index];
  auto* const slab = static_cast<std::byte*>(system_allocate(thread, bytes));
  if (bytes < last_slab_bytes) ++thread.doublings[size.index];
  {
    std::lock_guard lock(registry().mutex);
    registry().slabs.push_back(slab);
  }
  ThreadState::FreeBlock*& rest = thread.free[size.index];
  for (std::size_t at = (bytes / size.bytes - 1) * size.bytes; at > 0; at -= size.bytes)
    rest = new (slab + at) ThreadState::FreeBlock{rest};
  return slab;
}

// The slow path: nothing of this size is free.
[[gnu::noinline]] void* refill(ThreadState& thread, SizeClass size) {
  if (!thread.registered && !thread.ended) {
    if (one_thread_promised)
      throw GraphError(
          "a second thread makes a tensor in a program that called promise_one_thread(); leave that "
          "call out, or use tensors on the thread that made it only");
    enter_registry(thread);
  }
  if constexpr (!cached) return system_allocate(thread, size.bytes);
  if (void* block = take_orphan(size.index)) return block;
  if (size.bytes > small_limit) return system_allocate(thread, size.bytes);
  return cut_slab(thread, size);
}

}  // namespace

void* detail::pool::allocate_slowly(std::size_t bytes, Use use) {
  ThreadState& thread = this_thread;
  const SizeClass size = size_class(bytes, use);
  auto*& head = thread.free[size.index];
  void* block = head ? std::exchange(head, head->next) : refill(thread, size);
  thread.count_bytes(static_cast<std::int64_t>(size.bytes));
  return block;
}

void detail::pool::deallocate_slowly(void* memory, std::size_t bytes, Use use) noexcept {
  ThreadState& thread = this_thread;
  const SizeClass size = size_class(bytes, use);
  if (!thread.registered && !thread.ended) enter_registry(thread);
  thread.count_bytes(-static_cast<std::int64_t>(size.bytes));
  if constexpr (!cached) return system_free(thread, memory, size.bytes);
  thread.free[size.index] = new (memory) ThreadState::FreeBlock{thread.free[size.index]};
}

LiveCounts live_counts() {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  LiveCounts sum{all.ended_nodes, all.ended_bytes, this_thread.peak_bytes, all.ended_reserved};
  for (const ThreadState* thread : all.threads) {
    sum.nodes += thread->live_nodes.load(std::memory_order_relaxed);
    sum.bytes += thread->live_bytes.load(std::memory_order_relaxed);
    sum.reserved_bytes += thread->reserved_bytes.load(std::memory_order_relaxed);
  }
  return sum;
}

void detail::pool::promise_one_thread() {
  Registry& all = registry();
  if (!this_thread.registered) enter_registry(this_thread);
  std::lock_guard lock(all.mutex);
  if (all.threads.size() > 1)
    throw GraphError(fmt::format(
        "promise_one_thread: {} threads have made tensors; call it before the first one does, or not at all",
        all.threads.size()));
  one_thread_promised = true;
}

void reset_peak_bytes() { this_thread.peak_bytes = this_thread.live_bytes; }

void empty_cache() noexcept {
  ThreadState& thread = this_thread;
  std::size_t bytes = small_limit;
  for (std::size_t i = ThreadState::all_small_classes; i < thread.free.size(); ++i) {
    bytes = size_class(bytes + 1, pool::Use::data).bytes;  // the classes in order
    while (auto* block = thread.free[i]) {
      thread.free[i] = block->next;
      system_free(thread, block, bytes);
    }
  }
}

}  // namespace xgrad
