// Storage blocks: layout and life.
#include "autograd/storage.hpp"

#include <fmt/format.h>

#include <new>

#include "autograd/error.hpp"
#include "autograd/schedule.hpp"

namespace xgrad {

namespace {

// A block has room for a header, elements and slack; in an arena, with its place in front.
struct Layout {
  std::size_t offset, bytes;  // of the elements; of all

  Layout(std::int64_t elements, DType type) {
    if (elements > Storage::max_elements)
      throw ValueError(
          fmt::format("a tensor of {} elements is more than any memory holds; check its shape", elements));
    const std::size_t data_bytes = static_cast<std::size_t>(elements) * size_of(type) + Storage::slack;
    offset = data_bytes < 512 ? 32 : 64;  // large data starts on a cache line
    static_assert(sizeof(Storage) <= 32);
    bytes = offset + data_bytes;
  }
};

[[noreturn]] void out_of_memory(std::int64_t elements, std::size_t bytes) {
  throw Error(
      fmt::format("out of memory: a tensor of {} elements takes {} bytes, and {} are in use by tensors and "
                  "graphs; check its shape, take smaller batches, or keep fewer tensors and graphs",
                  elements, bytes, live_counts().bytes));
}

}  // namespace

Storage* Storage::make(std::int64_t elements, DType type) {
  if (this_thread.schedule) [[unlikely]]
    return this_thread.schedule->arena().make(elements, type);
  const Layout layout(elements, type);
  try {
    return new (pool::allocate(layout.bytes))
        Storage(layout.bytes, static_cast<std::uint8_t>(layout.offset), type);
  } catch (const std::bad_alloc&) {
    out_of_memory(elements, layout.bytes);
  }
}

StorageMemo* Storage::attach_memo(std::unique_ptr<StorageMemo> memo) {
  StorageMemo* there = nullptr;
  if (memo_.compare_exchange_strong(there, memo.get(), std::memory_order_acq_rel)) return memo.release();
  return there;
}

void Storage::destroy() noexcept {
  if (in_arena_) {
    StorageArena::Place& place = StorageArena::Place::of(*this);
    return place.arena->end(place);
  }
  const std::size_t bytes = block_bytes_;
  this->~Storage();
  pool::deallocate(this, bytes);
}

Storage* StorageArena::make(std::int64_t elements, DType type) {
  const Layout layout(elements, type);
  const std::size_t bytes = sizeof(Place) + layout.bytes;
  try {
    Place*& known = places_.emplace_back(nullptr);
    auto* place = new (pool::allocate(bytes)) Place{this, bytes};
    auto* storage = new (place + 1) Storage(layout.bytes, static_cast<std::uint8_t>(layout.offset), type);
    storage->in_arena_ = true;
    retain();
    known = place;
    return storage;
  } catch (const std::bad_alloc&) {
    out_of_memory(elements, bytes);
  }
}

void StorageArena::free(Place* place) noexcept {
  const std::size_t bytes = place->bytes;
  place->storage()->~Storage();
  pool::deallocate(place, bytes);
}

void StorageArena::end(Place& place) noexcept {
  {
    const std::lock_guard lock(mutex_);
    place.in_use = false;
    if (closed_) free(&place);
  }
  release();
}

void StorageArena::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Place* place : places_)
    if (place && !place->in_use) free(place);
}

}  // namespace xgrad
