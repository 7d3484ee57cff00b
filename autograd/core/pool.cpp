// The pool: size classes, slabs for small blocks, what threads hand on to each other, and the registry of
// threads, for live_counts().
#include <xgrad/autograd/core/pool.hpp>

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

#include <xgrad/autograd/core/short_memory.hpp>
#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {

using namespace detail;
using namespace detail::pool;

constinit thread_local ThreadState detail::this_thread;
constinit std::atomic<bool> detail::one_thread_promised{false};
constinit FreeLists detail::pool::no_lists;

namespace {

constexpr std::size_t first_slab_bytes = 16 * 1024, last_slab_bytes = 1024 * 1024;
constexpr std::size_t slab_head_bytes = 64;

// A thread's list is full with so many bytes. Larger blocks are all threads' as soon as they are free.
constexpr std::size_t batch_bytes = 64 * 1024;

// Beside what is in use, as much may lie idle as was ever in use at once, and always so many bytes.
constexpr std::int64_t least_idle_bytes = 64 << 20;

// Small: multiples of 16, for each use. Large: four steps to each doubling.
std::size_t class_of(std::size_t bytes, Use use) {
  if (bytes <= small_limit) return small_class(bytes, use);
  const std::size_t exponent = std::bit_width(bytes - 1) - 1;  // 2^exponent < bytes <= 2^(exponent + 1)
  const std::size_t step = std::size_t{1} << (exponent - 2);
  const std::size_t quarter = (bytes - (std::size_t{1} << exponent) + step - 1) / step;  // 1 … 4
  return all_small_classes + 4 * (exponent - 9) + quarter - 1;
}

bool is_small(std::size_t index) { return index < all_small_classes; }

// How large the blocks of a class are.
std::size_t bytes_of(std::size_t index) {
  if (is_small(index)) return 16 * (index % small_classes);
  const std::size_t exponent = 9 + (index - all_small_classes) / 4,
                    quarter = (index - all_small_classes) % 4 + 1;
  return (std::size_t{1} << exponent) + quarter * (std::size_t{1} << (exponent - 2));
}

bool is_kept(std::size_t index) { return bytes_of(index) <= batch_bytes; }

std::uint32_t batch_blocks(std::size_t index) {
  return static_cast<std::uint32_t>(
      std::max<std::size_t>(batch_bytes / std::max<std::size_t>(bytes_of(index), 1), 1));
}

// A list of free blocks of one class, none more than a batch.
struct List {
  FreeBlock* first = nullptr;
  std::uint32_t count = 0;
};

// The first two blocks of a list that a thread passed on.
struct Batch : FreeBlock {
  Batch* next_batch;
};
struct Second : FreeBlock {
  std::uint32_t count;
};
static_assert(sizeof(Batch) <= 16 && sizeof(Second) <= 16);

// In front of a slab's blocks; slabs are never given back.
struct Slab {
  Slab* next;
};
static_assert(sizeof(Slab) <= slab_head_bytes);

// What threads share: free blocks that they passed on, or had when they ended; and for the sums, who they are.
struct Registry {
  std::mutex mutex;
  FreeLists* threads = nullptr;
  std::array<Batch*, classes> batches{};
  std::array<std::uint8_t, all_small_classes> doublings{};  // of the slab that a class gets next
  Slab* slabs = nullptr;                                    // where leak checkers find them
  std::int64_t ended_nodes = 0, ended_bytes = 0, ended_reserved = 0;
  std::int64_t most_live = 0;  // when a large block came from the system

  void put(std::size_t index, List list) {
    if (!list.first) return;
    FreeBlock* const second = list.first->next;
    if (second) {
      FreeBlock* const third = second->next;
      new (second) Second{{third}, list.count};
    }
    batches[index] = new (list.first) Batch{{second}, batches[index]};
  }
  List take(std::size_t index) {
    Batch* const batch = batches[index];
    if (!batch) return {};
    batches[index] = batch->next_batch;
    return {batch, batch->next ? static_cast<Second*>(batch->next)->count : 1};
  }

  LiveCounts sum() const {
    LiveCounts all{ended_nodes, ended_bytes, this_thread.peak_bytes, ended_reserved};
    for (const FreeLists* lists = threads; lists; lists = lists->next) {
      all.nodes += lists->owner->live_nodes.load(std::memory_order_relaxed);
      all.bytes += lists->owner->live_bytes.load(std::memory_order_relaxed);
      all.reserved_bytes += lists->owner->reserved_bytes.load(std::memory_order_relaxed);
    }
    return all;
  }
};

// Never destroyed: threads may end after static destruction began.
static_assert(std::is_trivially_destructible_v<Registry>);
constinit Registry registry;

void put(std::size_t index, List list) {
  const std::lock_guard lock(registry.mutex);
  registry.put(index, list);
}

// Large blocks lie on huge pages, where the system has them: matrix products meet a new small one every few
// rows.
constexpr std::size_t huge_page = 2 << 20;
bool is_huge(std::size_t bytes) { return bytes >= 2 * huge_page; }
std::align_val_t alignment_of(std::size_t bytes) { return std::align_val_t{is_huge(bytes) ? huge_page : 64}; }

void system_free(void* memory, std::size_t bytes) noexcept { ::operator delete(memory, alignment_of(bytes)); }

// Gives back the large blocks that nothing uses, as far as they are not in other threads' lists.
void release_large(ThreadState& thread) noexcept {
  const std::lock_guard lock(registry.mutex);
  for (std::size_t i = all_small_classes; i < classes; ++i) {
    const auto release = [&](FreeBlock* list) {
      while (list) {
        system_free(std::exchange(list, list->next), bytes_of(i));
        registry.ended_reserved -= static_cast<std::int64_t>(bytes_of(i));
      }
    };
    while (FreeBlock* const batch = registry.take(i).first) release(batch);
    if (!thread.registered) continue;
    release(std::exchange(thread.lists->first[i], nullptr));
    release(std::exchange(thread.lists->full[i], nullptr));
    thread.lists->room[i] = batch_blocks(i);
  }
}

void* system_allocate(ThreadState& thread, std::size_t bytes) {
  void* memory = ::operator new(bytes, alignment_of(bytes), std::nothrow);
  if (!memory) {
    release_large(thread);
    memory = ::operator new(bytes, alignment_of(bytes), std::nothrow);
  }
  if (!memory)
    throw_short_of_memory<OutOfMemory>([&] {
      return fmt::format(
          "out of memory: {} bytes more are wanted, and {} are in use by tensors and graphs; take smaller "
          "batches, or keep fewer tensors and graphs",
          bytes, live_counts().bytes);
    });
#ifdef MADV_HUGEPAGE
  if (is_huge(bytes)) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  thread.count(thread.reserved_bytes, static_cast<std::int64_t>(bytes));
  return memory;
}

// Before so many bytes more come from the system: makes sure that not too much lies idle in other sizes.
void limit_idle(ThreadState& thread, std::size_t bytes) {
  bool too_much = false;
  {
    const std::lock_guard lock(registry.mutex);
    const LiveCounts now = registry.sum();
    const auto more = static_cast<std::int64_t>(bytes);
    registry.most_live = std::max(registry.most_live, now.bytes + more);
    too_much =
        now.reserved_bytes + more > registry.most_live + std::max(registry.most_live, least_idle_bytes);
  }
  if (too_much) release_large(thread);
}

// Hands an ending thread's blocks on and folds its counts into the registry.
struct ThreadEnd {
  ~ThreadEnd() {
    ThreadState& thread = this_thread;
    const std::lock_guard lock(registry.mutex);
    FreeLists* const lists = std::exchange(thread.lists, &no_lists);
    for (std::size_t i = 0; i < classes; ++i) {
      registry.put(i, {lists->first[i], batch_blocks(i) - lists->room[i]});
      registry.put(i, {lists->full[i], batch_blocks(i)});
    }
    registry.ended_nodes += thread.live_nodes;
    registry.ended_bytes += thread.live_bytes;
    registry.ended_reserved += thread.reserved_bytes;
    thread.live_nodes = thread.live_bytes = thread.reserved_bytes = 0;
    FreeLists** place = &registry.threads;
    while (*place != lists) place = &(*place)->next;
    *place = lists->next;
    delete lists;
    thread.registered = false;
    thread.ended = true;
  }
};

// Gives a thread lists of its own; returns whether it has some, for at its end, and where memory is short, it
// has none.
bool enter_registry(ThreadState& thread) noexcept {
  if (thread.registered || thread.ended) return thread.registered;
  auto* const lists = new (std::nothrow) FreeLists;
  if (!lists) return false;
  thread_local ThreadEnd at_end;
  (void)at_end;
  const std::lock_guard lock(registry.mutex);
  for (std::size_t i = 0; i < classes; ++i) lists->room[i] = batch_blocks(i);
  lists->owner = &thread;
  lists->next = std::exchange(registry.threads, lists);
  thread.lists = lists;
  thread.registered = true;
  return true;
}

// A slab, cut into free blocks of one class: they lie close together and in order, whatever other classes a
// program asks for in between. Each is twice as large as the one before, so no more lies idle than was used.
// Returns the first batch, and leaves the others to all.
List cut_slab(ThreadState& thread, std::size_t index) {
  const std::size_t each = bytes_of(index);
  const std::uint32_t in_batch = batch_blocks(index);
  std::size_t slab_bytes = 0;
  {
    const std::lock_guard lock(registry.mutex);
    slab_bytes = first_slab_bytes << registry.doublings[index];
  }
  auto* const slab = static_cast<std::byte*>(system_allocate(thread, slab_bytes));
  {
    const std::lock_guard lock(registry.mutex);
    registry.slabs = new (slab) Slab{registry.slabs};
    if (slab_bytes < last_slab_bytes) ++registry.doublings[index];
  }
  List list;
  for (std::size_t k = (slab_bytes - slab_head_bytes) / each; k-- > 0;) {
    list = {new (slab + slab_head_bytes + k * each) FreeBlock{list.first}, list.count + 1};
    if (k % in_batch == 0 && k > 0) put(index, std::exchange(list, {}));
  }
  return list;
}

List new_blocks(ThreadState& thread, std::size_t index) {
  if (is_small(index)) return cut_slab(thread, index);
  limit_idle(thread, bytes_of(index));
  return {new (system_allocate(thread, bytes_of(index))) FreeBlock{nullptr}, 1};
}

List passed_on(std::size_t index) {
  const std::lock_guard lock(registry.mutex);
  return registry.take(index);
}

// The slow path: the thread has none of this class.
[[gnu::noinline]] void* refill(ThreadState& thread, std::size_t index) {
  if (one_thread_promised && !thread.registered && !thread.ended)
    throw GraphError(
        "a second thread makes a tensor in a program that called promise_one_thread(); leave that "
        "call out, or use tensors on the thread that made it only");
  const bool keeps = enter_registry(thread) && is_kept(index);
  if constexpr (!cached) return system_allocate(thread, bytes_of(index));
  FreeLists& lists = *thread.lists;
  List list;
  if (keeps) list = {std::exchange(lists.full[index], nullptr), batch_blocks(index)};
  if (!list.first) list = passed_on(index);
  if (!list.first) list = new_blocks(thread, index);
  if (keeps) {
    lists.first[index] = list.first->next;
    lists.room[index] = batch_blocks(index) - (list.count - 1);
  } else {
    put(index, {list.first->next, list.count - 1});
  }
  return list.first;
}

}  // namespace

void* detail::pool::allocate_slowly(std::size_t bytes, Use use) {
  ThreadState& thread = this_thread;
  const std::size_t index = class_of(bytes, use);
  void* block = thread.lists->first[index];
  if (block) {
    thread.lists->first[index] = thread.lists->first[index]->next;
    ++thread.lists->room[index];
  } else {
    block = refill(thread, index);
  }
  thread.count_bytes(static_cast<std::int64_t>(bytes_of(index)));
  return block;
}

void detail::pool::deallocate_slowly(void* memory, std::size_t bytes, Use use) noexcept {
  ThreadState& thread = this_thread;
  const std::size_t index = class_of(bytes, use);
  const bool keeps = enter_registry(thread) && is_kept(index);
  thread.count(thread.live_bytes, -static_cast<std::int64_t>(bytes_of(index)));
  if constexpr (!cached) {
    thread.count(thread.reserved_bytes, -static_cast<std::int64_t>(bytes_of(index)));
    return system_free(memory, bytes_of(index));
  }
  if (!keeps) return put(index, {new (memory) FreeBlock{nullptr}, 1});
  FreeLists& lists = *thread.lists;
  lists.first[index] = new (memory) FreeBlock{lists.first[index]};
  if (--lists.room[index] == 0) set_aside(lists, index);
}

void detail::pool::set_aside(FreeLists& lists, std::size_t index) noexcept {
  if (FreeBlock* const before = std::exchange(lists.full[index], std::exchange(lists.first[index], nullptr)))
    put(index, {before, batch_blocks(index)});
  lists.room[index] = batch_blocks(index);
}

LiveCounts live_counts() {
  const std::lock_guard lock(registry.mutex);
  return registry.sum();
}

void detail::pool::promise_one_thread() {
  if (!enter_registry(this_thread)) short_of_memory("promise_one_thread");
  const std::lock_guard lock(registry.mutex);
  int count = 0;
  for (const FreeLists* lists = registry.threads; lists; lists = lists->next) ++count;
  if (count > 1)
    throw GraphError(fmt::format(
        "promise_one_thread: {} threads have made tensors; call it before the first one does, or not at all",
        count));
  one_thread_promised = true;
}

void reset_peak_bytes() { this_thread.peak_bytes = this_thread.live_bytes; }

void empty_cache() noexcept { release_large(this_thread); }

}  // namespace xgrad
