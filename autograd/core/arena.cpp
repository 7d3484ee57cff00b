// The memory of a Replay.
#include <xgrad/autograd/core/arena.hpp>

#include <new>
#include <utility>

namespace xgrad::detail {

StorageArena::Place* StorageArena::take_place(std::size_t bytes) {
  Place*& unused = unused_[bytes];
  if (Place* const place = unused) {
    unused = place->next_unused;
    place->storage()->~Storage();  // kept until now: kernels may still raise its version
    return place;
  }
  places_.push_back(nullptr);  // before there is memory that might not be kept in it
  return places_.back() = new (pool::allocate(bytes)) Place{this, bytes};
}

Storage* StorageArena::make(std::int64_t elements, DType type) {
  const Storage::Layout layout(elements, type);
  const std::lock_guard lock(mutex_);
  try {
    Place* const place = take_place(sizeof(Place) + layout.bytes);
    place->in_use = true;
    retain();
    return new (place->storage())
        Storage(layout.bytes, static_cast<std::ptrdiff_t>(layout.offset), type, Device::cpu(), true);
  } catch (const pool::OutOfMemory&) {
    Storage::out_of_memory(elements, layout.bytes);
  }
}

std::vector<Storage*> StorageArena::in_use() const {
  const std::lock_guard lock(mutex_);
  std::vector<Storage*> result;
  for (Place* place : places_)
    if (place && place->in_use) result.push_back(place->storage());
  return result;
}

void StorageArena::give_back(Place* place) noexcept {
  const std::size_t bytes = place->bytes;
  place->storage()->~Storage();
  pool::deallocate(place, bytes);
}

void StorageArena::end(Storage& storage) noexcept {
  Place& place = place_of(storage);
  StorageArena& arena = *place.arena;
  {
    const std::lock_guard lock(arena.mutex_);
    place.in_use = false;
    if (arena.closed_)
      give_back(&place);
    else
      place.next_unused = std::exchange(arena.unused_.find(place.bytes)->second, &place);
  }
  arena.release();
}

void StorageArena::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Place* place : places_)
    if (place && !place->in_use) give_back(place);
}

}  // namespace xgrad::detail
