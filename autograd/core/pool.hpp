// Memory for storages and nodes: per-thread free lists by size, so that a warm training step never calls
// malloc.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad::detail::pool {

#if defined(__SANITIZE_ADDRESS__)
#define XGRAD_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define XGRAD_ASAN 1
#endif
#endif

#ifdef XGRAD_ASAN
inline constexpr bool cached =
    false;  // every block from the system, so that the sanitizer sees its bounds and its end
#else
inline constexpr bool cached = true;
#endif

inline constexpr std::int64_t in_cache = 1 << 20;  // so many bytes are no reason to ask for any early
inline constexpr std::size_t small_limit = 512;    // up to here a class for each multiple of 16

/// Nodes and data have free lists of their own: each is freed in the order, or its reverse, in which it was
/// made, so that a list stays in the order of addresses. Mixed they would shuffle it, and a long graph is
/// then three times as slow.
enum class Use : std::uint8_t { data, node };

inline constexpr std::size_t small_classes = 33;  // 16, 32, … 512 bytes, for each use
inline constexpr std::size_t all_small_classes = 2 * small_classes;
inline constexpr std::size_t classes = all_small_classes + 4 * 40;

struct FreeBlock {
  FreeBlock* next;
};

/// The free blocks of a thread, which no other sees. A list that is full is set aside; when another is, the
/// first goes to all threads.
struct FreeLists {
  std::array<FreeBlock*, classes> first{}, full{};
  std::array<std::uint32_t, classes> room{};  // how many more blocks `first` takes in before it is full
  ThreadState* owner = nullptr;
  FreeLists* next = nullptr;  // of another thread
};

/// Thrown where memory is short.
struct OutOfMemory : Error {
  using Error::Error;
};

constexpr std::size_t small_class(std::size_t bytes) { return std::max<std::size_t>((bytes + 15) / 16, 1); }
constexpr std::size_t small_class(std::size_t bytes, Use use) {
  return small_class(bytes) + static_cast<std::size_t>(use) * small_classes;
}

constexpr std::int64_t small_bytes(std::size_t bytes) {
  return static_cast<std::int64_t>(16 * small_class(bytes));
}

/// Starts to fetch the block that is to be used eight steps after `last`, if blocks go on as from `first`,
/// two steps before it: where a long graph is made, or freed, they do, and memory takes that long to answer.
inline void prefetch_after(const void* first, const void* last, Use use) {
  constexpr std::uintptr_t line = 64;
  const auto from = reinterpret_cast<std::uintptr_t>(first), to = reinterpret_cast<std::uintptr_t>(last);
  const std::uintptr_t there = to + 4 * (to - from);
  __builtin_prefetch(reinterpret_cast<const void*>(there), 1);
  __builtin_prefetch(reinterpret_cast<const void*>(there + line), 1);
  if (use == Use::node) __builtin_prefetch(reinterpret_cast<const void*>(there + 2 * line), 1);
}

void* allocate_slowly(std::size_t bytes, Use use);  // for large blocks, and where none is free
void deallocate_slowly(void* memory, std::size_t bytes, Use use) noexcept;
void set_aside(FreeLists& lists, std::size_t index) noexcept;

/// Memory of at least `bytes` bytes, aligned to 64 when `bytes` is more than 512, else to 16. Throws
/// OutOfMemory.
inline void* allocate(std::size_t bytes, Use use = Use::data) {
  ThreadState& thread = this_thread;
  const std::size_t index = small_class(bytes, use);
  if (bytes > small_limit) [[unlikely]]
    return allocate_slowly(bytes, use);
  FreeLists& lists = *thread.lists;
  FreeBlock* const block = lists.first[index];
  if (!block) [[unlikely]]
    return allocate_slowly(bytes, use);
  const std::int64_t live = thread.count_bytes(small_bytes(bytes));
  lists.first[index] = block->next;
  ++lists.room[index];
  if (live > in_cache && block->next) prefetch_after(block, block->next->next, use);
  return block;
}

/// Takes back what `allocate(bytes)` gave, on any thread.
inline void deallocate(void* memory, std::size_t bytes, Use use = Use::data) noexcept {
  ThreadState& thread = this_thread;
  if (!cached || bytes > small_limit || !thread.registered) [[unlikely]]
    return deallocate_slowly(memory, bytes, use);
  const std::size_t index = small_class(bytes, use);
  FreeLists& lists = *thread.lists;
  FreeBlock* const last = lists.first[index];
  const std::int64_t live = thread.count(thread.live_bytes, -small_bytes(bytes));
  if (live > in_cache && last) prefetch_after(last->next, memory, use);
  lists.first[index] = new (memory) FreeBlock{last};
  if (--lists.room[index] == 0) [[unlikely]]
    set_aside(lists, index);
}

/// Lets an STL container live in the pool.
template <class T>
struct Allocator {
  using value_type = T;
  Allocator() = default;
  template <class U>
  Allocator(const Allocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(pool::allocate(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) noexcept { pool::deallocate(p, n * sizeof(T)); }
  friend bool operator==(Allocator, Allocator) { return true; }
};

void promise_one_thread();  // see ops/threads.hpp

}  // namespace xgrad::detail::pool

namespace xgrad {

/// What is alive now, summed over all threads.
struct LiveCounts {
  std::int64_t nodes = 0;       ///< nodes of recorded graphs, leaves included
  std::int64_t bytes = 0;       ///< bytes of storages and nodes in use
  std::int64_t peak_bytes = 0;  ///< the calling thread's largest `bytes` since its last reset_peak_bytes()
  std::int64_t reserved_bytes = 0;  ///< bytes taken from the system, in use or cached
};

/// Counts of nodes and bytes alive, of all threads together.
LiveCounts live_counts();

/// Starts a new peak for the calling thread at what it has in use now.
void reset_peak_bytes();

/// Gives cached blocks of more than 512 bytes back to the system (PyTorch's torch.cuda.empty_cache): all but
/// those up to 64 KB that other threads keep, 128 KB of each size at most.
void empty_cache() noexcept;

}  // namespace xgrad
