// Memory for storages and nodes: per-thread free lists by size, so that a warm training step never calls malloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace xgrad {

namespace pool {

/// Memory of at least `bytes` bytes, aligned to 64 when `bytes` is 512 or more, else to 16.
void* allocate(std::size_t bytes);

/// Takes back what `allocate(bytes)` gave, on any thread.
void deallocate(void* memory, std::size_t bytes) noexcept;

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

}  // namespace pool

/// What is alive now, summed over all threads.
struct LiveCounts {
  std::int64_t nodes = 0;          ///< nodes of recorded graphs, leaves included
  std::int64_t bytes = 0;          ///< bytes of storages and nodes in use
  std::int64_t peak_bytes = 0;     ///< the calling thread's largest `bytes` since its last reset_peak_bytes()
  std::int64_t reserved_bytes = 0; ///< bytes taken from the system, in use or cached
};

/// Counts of nodes and bytes alive, of all threads together.
LiveCounts live_counts();

/// Starts a new peak for the calling thread at what it has in use now.
void reset_peak_bytes();

/// Gives the calling thread's cached large blocks back to the system.
void empty_cache() noexcept;

}  // namespace xgrad
