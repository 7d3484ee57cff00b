// The memory of a Replay: storages whose blocks stay at their addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <xgrad/autograd/core/storage.hpp>

namespace xgrad::detail {

/// Makes storages of memory that it does not give back before it is closed. Until then the block of one that
/// nothing refers to any more serves the next one of its size, as a pool's would.
class StorageArena {
 public:
  StorageArena() = default;
  StorageArena(const StorageArena&) = delete;
  StorageArena& operator=(const StorageArena&) = delete;

  /// As Storage::make.
  Storage* make(std::int64_t elements, DType type);
  bool made(const Storage& storage) const { return storage.in_arena() && place_of(storage).arena == this; }
  /// Those that something refers to.
  std::vector<Storage*> in_use() const;
  /// Gives unused memory back, and from now on each storage's with its last reference.
  void close() noexcept;

  void retain() { references_.add(); }
  void release() noexcept {
    if (references_.remove()) delete this;
  }

 private:
  friend class Storage;
  // Stands in front of each storage; of 64 bytes, so that large data starts on a cache line.
  struct Place {
    StorageArena* arena;
    std::size_t bytes;  // of place and storage
    Place* next_unused = nullptr;
    bool in_use = false;
    std::byte filling[64 - 25]{};
    Storage* storage() { return reinterpret_cast<Storage*>(this + 1); }
  };
  static_assert(sizeof(Place) == 64);
  static Place& place_of(const Storage& storage) {
    return reinterpret_cast<Place*>(const_cast<Storage*>(&storage))[-1];
  }

  ~StorageArena() = default;
  Place* take_place(std::size_t bytes);
  static void end(Storage& storage) noexcept;
  static void give_back(Place* place) noexcept;

  ReferenceCount references_;
  mutable std::mutex mutex_;  // storages may end on other threads
  std::vector<Place*> places_;
  std::unordered_map<std::size_t, Place*> unused_;  // lists of places of one size
  bool closed_ = false;
};

}  // namespace xgrad::detail
