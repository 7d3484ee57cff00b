// Refcounted flat memory that tensors share.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <xgrad/autograd/core/device.hpp>
#include <xgrad/autograd/core/dtype.hpp>
#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/autograd/core/reference.hpp>

namespace xgrad::detail {

/// What may be attached to a storage for as long as it lives, one of each kind, such as its packed forms.
struct StorageMemo {
  enum class Kind : std::uint8_t { packed_forms, leaves } kind;
  StorageMemo* next = nullptr;

  explicit StorageMemo(Kind of) : kind(of) {}
  StorageMemo(const StorageMemo&) = delete;
  virtual ~StorageMemo() = default;
};

class StorageArena;

/// Header of a block from the pool; the elements follow it, or lie elsewhere, where they were adopted. After
/// the elements there is room: loops may read a whole register from any element on, and write it where
/// nothing else follows, so they need no scalar tail.
class Storage {
 public:
  static constexpr std::size_t widest_register = 64;
  static constexpr std::int64_t max_elements = std::int64_t{1} << 42;

  /// Throws ValueError for more than max_elements, and Error where memory is short.
  static Storage* make(std::int64_t elements, DType type);
  /// Memory that lies elsewhere, such as a device's: `data` has room for the elements and, after the last
  /// one, for a register that begins there. `free(data, context)` is called with the last reference.
  using Free = void (*)(std::byte* data, void* context) noexcept;
  static Storage* adopt(std::byte* data, std::int64_t elements, DType type, Device device, Free free,
                        void* context);
  /// Whether this is just as large as `make(elements, dtype())` makes it.
  bool fits(std::int64_t elements) const {
    return static_cast<std::ptrdiff_t>(block_bytes_) - data_offset_ ==
           static_cast<std::ptrdiff_t>(data_bytes(elements, dtype_));
  }

  std::byte* data() { return reinterpret_cast<std::byte*>(this) + data_offset_; }
  DType dtype() const { return dtype_; }
  Device device() const { return Device::at(device_.load(std::memory_order_relaxed) & ~exposed_bit); }
  std::uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void raise_version() {
    version_.store(version() + 1, std::memory_order_relaxed);
  }  // its writer is one thread
  bool unique() const { return references_.is_one(); }
  /// Whether it was made in an arena, where a Replay writes to it.
  bool in_arena() const { return in_arena_; }

  void retain() { references_.add(); }
  void release() noexcept {
    if (references_.remove()) destroy();
  }

  /// What was attached of that kind; null before that. Any thread may ask while another attaches.
  StorageMemo* memo(StorageMemo::Kind kind) const {
    StorageMemo* memo = memos_.load(std::memory_order_acquire);
    while (memo && memo->kind != kind) memo = memo->next;
    return memo;
  }
  /// Attaches `memo`, unless there is one of its kind: returns the one there is.
  StorageMemo* attach_memo(std::unique_ptr<StorageMemo> memo);

  /// Whether the user holds writable memory of it, whose changes no version tells.
  bool exposed() const { return device_.load(std::memory_order_relaxed) & exposed_bit; }
  void expose(bool exposed) {  // its writer is one thread
    device_.store(static_cast<std::uint8_t>(device().index() | (exposed ? exposed_bit : 0)),
                  std::memory_order_relaxed);
  }

 private:
  friend class StorageArena;

  // What the elements take, and a register that begins at the last one.
  static constexpr std::size_t data_bytes(std::int64_t elements, DType type) {
    return static_cast<std::size_t>(elements) * size_of(type) + (widest_register - size_of(type));
  }
  // How large a block is, and where in it the elements lie. Throws ValueError for more than max_elements.
  struct Layout {
    Layout(std::int64_t elements, DType type)
        : offset(data_bytes(elements, type) < 512 ? 32 : 64),  // large data starts on a cache line
          bytes(offset + data_bytes(elements, type)) {
      if (elements > max_elements) [[unlikely]]
        too_large(elements);
    }
    std::size_t offset, bytes;
  };
  struct Adopted;
  static constexpr std::uint8_t exposed_bit = 128;
  [[noreturn]] static void too_large(std::int64_t elements);
  [[noreturn]] static void out_of_memory(std::int64_t elements, std::size_t bytes);

  Storage(std::size_t bytes, std::ptrdiff_t data_offset, DType type, Device device, bool in_arena)
      : data_offset_(data_offset),
        block_bytes_(bytes),
        in_arena_(in_arena),
        dtype_(type),
        device_(static_cast<std::uint8_t>(device.index())) {}
  ~Storage() {
    if (memos_.load(std::memory_order_relaxed)) [[unlikely]]
      delete_memos();
  }
  void delete_memos() noexcept;
  void destroy() noexcept;

  std::atomic<StorageMemo*> memos_{nullptr};  // a list, owned
  ReferenceCount references_;
  std::atomic<std::uint32_t> version_{0};
  std::ptrdiff_t data_offset_;  // from this object to the elements, wherever they lie
  std::uint64_t block_bytes_ : 46, in_arena_ : 1, adopted_ : 1 = false;
  DType dtype_;
  std::atomic<std::uint8_t> device_;  // its index, and exposed_bit
};

}  // namespace xgrad::detail
