// What each thread keeps: its pool, its counters, and the modes it is in. One thread_local, found once per
// op.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <type_traits>
#include <utility>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define XGRAD_ASKS_LIBC
#endif

namespace xgrad {
class profile;
}

namespace xgrad::detail {

extern constinit std::atomic<bool> one_thread_promised;  // see promise_one_thread

/// Whether only one thread touches tensors: the program's only one, as far as the C library tells (it says so
/// no longer before a second one starts), or by the program's promise.
inline bool single_threaded() {
#ifdef XGRAD_ASKS_LIBC
  if (__libc_single_threaded) return true;
#endif
  return one_thread_promised.load(std::memory_order_relaxed);
}

class Engine;
class Node;
class StorageArena;
class KernelList;

struct ThreadState {
  static constexpr std::size_t small_classes = 33;  // 16, 32, … 512 bytes, for each use
  static constexpr std::size_t all_small_classes = 2 * small_classes;
  static constexpr std::size_t large_classes = 4 * 40;

  struct FreeBlock {
    FreeBlock* next;
  };

  bool recording = true;                 // grad mode
  bool anomaly = false;                  // look for the first non-finite value
  xgrad::profile* profile = nullptr;     // times ops, see profile.hpp
  KernelList* replay = nullptr;          // of the Replay whose function runs now, see kernel_list.hpp
  StorageArena* arena = nullptr;         // where storages are made then
  bool registered = false;               // known to the registry that sums the counters
  bool ended = false;                    // its clean-up has run; only static destructors come here now
  const std::source_location* call_site = nullptr;  // of the op under way, see call_site.hpp
  bool* values_read = nullptr;           // while a vjp is recorded: whether it has read elements, see op_node.hpp
  Engine* engine = nullptr;              // the backward pass under way, the innermost of several
  std::uint32_t scope = 0;               // annotation of nodes made now, see scope.hpp
  std::uint64_t sequence = 1;            // number of the next node

  // Written by the owning thread only, read by any: plain loads and stores, no read-modify-write.
  std::atomic<std::int64_t> live_nodes{0}, live_bytes{0}, reserved_bytes{0};
  std::int64_t peak_bytes = 0;

  std::array<FreeBlock*, all_small_classes + large_classes> free{};
  std::array<std::uint8_t, all_small_classes> doublings{};  // of the slab that a class gets next
  Node* dead = nullptr;                                     // nodes that wait for their end
  bool burying = false;                                     // the loop that ends them is running

  // These return the new count.
  std::int64_t count_bytes(std::int64_t change) {
    const std::int64_t bytes = count(live_bytes, change);
    peak_bytes = std::max(peak_bytes, bytes);
    return bytes;
  }
  std::int64_t count(std::atomic<std::int64_t>& counter, std::int64_t change) {
    const std::int64_t now = counter.load(std::memory_order_relaxed) + change;
    counter.store(now, std::memory_order_relaxed);
    return now;
  }
};

// constinit and trivially destructible: access needs no guard. Clean-up is arranged when a thread first comes
// to the pool.
extern constinit thread_local ThreadState this_thread;

/// Gives a setting of this thread another value until the end of the scope.
template <auto setting>
class SettingScope {
 public:
  using Value = std::remove_reference_t<decltype(this_thread.*setting)>;
  explicit SettingScope(Value value) : before_(std::exchange(this_thread.*setting, value)) {}
  SettingScope(const SettingScope&) = delete;
  SettingScope& operator=(const SettingScope&) = delete;
  ~SettingScope() { this_thread.*setting = before_; }

 private:
  Value before_;
};

}  // namespace xgrad::detail
