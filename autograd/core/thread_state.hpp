// What each thread keeps: its counters, the modes it is in, and where its free memory is. One thread_local,
// found once per op.
#pragma once

#include <algorithm>
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

namespace xgrad::detail::pool {
struct FreeLists;
extern constinit FreeLists no_lists;  // all empty, for a thread that has none
}  // namespace xgrad::detail::pool

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
  bool recording = true;              // grad mode
  bool anomaly = false;               // look for the first non-finite value
  bool registered = false;            // has lists of its own, and is known to the registry of the pool
  bool ended = false;                 // its clean-up has run; only static destructors come here now
  bool burying = false;               // the loop that ends `dead` is running
  std::uint32_t scope = 0;            // annotation of nodes made now, see scope.hpp
  xgrad::profile* profile = nullptr;  // times ops, see profile.hpp
  KernelList* replay = nullptr;       // of the Replay whose function runs now, see kernel_list.hpp
  StorageArena* arena = nullptr;      // where storages are made then
  std::source_location call_site;     // of the op under way, see call_site.hpp
  bool* values_read = nullptr;        // while a vjp is recorded: whether it has read elements, see op_node.hpp
  Engine* engine = nullptr;           // the backward pass under way, the innermost of several
  std::uint64_t sequence = 1;         // number of the next node
  Node* dead = nullptr;               // nodes that wait for their end
  pool::FreeLists* lists = &pool::no_lists;

  // Written by the owning thread only, read by any: plain loads and stores, no read-modify-write.
  std::atomic<std::int64_t> live_nodes{0}, live_bytes{0}, reserved_bytes{0};
  std::int64_t peak_bytes = 0;

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

// A library that is loaded by dlopen gets its initial-exec thread_locals from a few hundred bytes that every
// process has to spare; any other model costs up to 15 ns an access.
static_assert(sizeof(ThreadState) <= 128);

// constinit and trivially destructible: access needs no guard. Clean-up is arranged when a thread first comes
// to the pool.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local ThreadState this_thread;

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
