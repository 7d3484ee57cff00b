// Storage blocks: layout and life.
#include <xgrad/autograd/core/storage.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/arena.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/short_memory.hpp>

namespace xgrad::detail {

static_assert(sizeof(Storage) <= 32);  // where small data begins

void Storage::too_large(std::int64_t elements) {
  throw ValueError(
      fmt::format("a tensor of {} elements is more than any memory holds; check its shape", elements));
}

void Storage::out_of_memory(std::int64_t elements, std::size_t bytes) {
  throw_short_of_memory([&] {
    return fmt::format(
        "out of memory: a tensor of {} elements takes {} bytes, and {} are in use by tensors and "
        "graphs; check its shape, take smaller batches, or keep fewer tensors and graphs",
        elements, bytes, live_counts().bytes);
  });
}

Storage* Storage::make(std::int64_t elements, DType type) {
  if (this_thread.arena) [[unlikely]]
    return this_thread.arena->make(elements, type);
  const Layout layout(elements, type);
  try {
    return new (pool::allocate(layout.bytes))
        Storage(layout.bytes, static_cast<std::ptrdiff_t>(layout.offset), type, Device::cpu(), false);
  } catch (const pool::OutOfMemory&) {
    out_of_memory(elements, layout.bytes);
  }
}

StorageMemo* Storage::attach_memo(std::unique_ptr<StorageMemo> memo) {
  memo->next = memos_.load(std::memory_order_acquire);
  do {
    if (StorageMemo* const there = this->memo(memo->kind)) return there;
  } while (!memos_.compare_exchange_weak(memo->next, memo.get(), std::memory_order_acq_rel));
  return memo.release();
}

void Storage::delete_memos() noexcept {
  for (StorageMemo* memo = memos_.load(std::memory_order_relaxed); memo;)
    delete std::exchange(memo, memo->next);
}

// What is freed with adopted memory; it follows the header.
struct Storage::Adopted {
  std::byte* data;
  Free free;
  void* context;
};

Storage* Storage::adopt(std::byte* data, std::int64_t elements, DType type, Device device, Free free,
                        void* context) {
  if (elements > max_elements) too_large(elements);
  const std::size_t bytes = sizeof(Storage) + sizeof(Adopted);
  std::byte* const block = static_cast<std::byte*>(pool::allocate(bytes));
  auto* const storage = new (block) Storage(bytes, data - block, type, device, false);
  new (block + sizeof(Storage)) Adopted{data, free, context};
  storage->adopted_ = true;
  return storage;
}

void Storage::destroy() noexcept {
  if (in_arena_) return StorageArena::end(*this);
  if (adopted_) {
    const auto [data, free, context] = *reinterpret_cast<Adopted*>(this + 1);
    free(data, context);
  }
  const std::size_t bytes = block_bytes_;
  this->~Storage();
  pool::deallocate(this, bytes);
}

}  // namespace xgrad::detail
