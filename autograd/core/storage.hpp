// Refcounted flat memory that tensors share.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>

#include <xgrad/autograd/core/device.hpp>
#include <xgrad/autograd/core/pool.hpp>

namespace xgrad {

enum class DType : std::uint8_t { float32, float64 };

constexpr std::size_t size_of(DType type) { return std::size_t{4} << static_cast<int>(type); }

template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

template <Real T>
inline constexpr DType dtype_of = std::same_as<T, float> ? DType::float32 : DType::float64;

/// How many references to an object there are, from any thread. A program that has one thread pays for no
/// atomic operations.
class ReferenceCount {
 public:
  void add() {
    if (single_threaded())
      count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    else
      count_.fetch_add(1, std::memory_order_relaxed);
  }
  /// Takes one away; returns whether it was the last.
  bool remove() noexcept {
    const std::uint32_t count = count_.load(std::memory_order_acquire);
    if (count == 1)
      return true;  // the only owner need not tell anybody: nobody else can make a new reference
    if (!single_threaded()) return count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    count_.store(count - 1, std::memory_order_relaxed);
    return false;
  }
  bool is_one() const { return count_.load(std::memory_order_acquire) == 1; }

 private:
  std::atomic<std::uint32_t> count_{1};
};

/// What an op may attach to a storage to use again while the data stays the same, such as a packed form.
struct StorageMemo {
  virtual ~StorageMemo() = default;
};

class StorageArena;

/// Header of a block from the pool; the elements follow it, and room behind them: loops may read a whole
/// register from any element on, and write it where nothing else follows, so they need no scalar tail.
class Storage {
 public:
  static constexpr std::size_t widest_register = 64;
  static constexpr std::int64_t max_elements = std::int64_t{1} << 42;

  /// Throws ValueError for more than max_elements, and Error where memory is short.
  static Storage* make(std::int64_t elements, DType type);
  /// Whether this is just as large as `make(elements, dtype())` makes it.
  bool fits(std::int64_t elements) const {
    return block_bytes_ - data_offset_ == data_bytes(elements, dtype_);
  }

  std::byte* data() { return reinterpret_cast<std::byte*>(this) + data_offset_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
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

  /// What was attached; null before that. Any thread may ask while another attaches.
  StorageMemo* memo() const { return memo_.load(std::memory_order_acquire); }
  /// Attaches `memo` for as long as the storage lives, unless there is one: returns the one there is.
  StorageMemo* attach_memo(std::unique_ptr<StorageMemo> memo);

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
  [[noreturn]] static void too_large(std::int64_t elements);
  [[noreturn]] static void out_of_memory(std::int64_t elements, std::size_t bytes);

  Storage(const Layout& layout, DType type, bool in_arena)
      : block_bytes_(layout.bytes),
        data_offset_(static_cast<std::uint8_t>(layout.offset)),
        dtype_(type),
        in_arena_(in_arena) {}
  ~Storage() { delete memo_.load(std::memory_order_relaxed); }
  void destroy() noexcept;

  std::atomic<StorageMemo*> memo_{nullptr};  // owned
  ReferenceCount references_;
  std::atomic<std::uint32_t> version_{0};
  std::size_t block_bytes_;
  std::uint8_t data_offset_;
  DType dtype_;
  Device device_ = Device::cpu();
  bool in_arena_;
};

/// Owning reference to an intrusively counted T (`retain`, `release`); may be null.
template <class T>
class Ref {
 public:
  Ref() = default;
  /// Takes over a reference that the caller holds.
  static Ref adopt(T* object) { return Ref(object); }
  static Ref share(T* object) {
    if (object) object->retain();
    return Ref(object);
  }

  Ref(const Ref& other) : object_(other.object_) {
    if (object_) object_->retain();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  template <std::derived_from<T> Derived>
  Ref(Ref<Derived> other) noexcept : object_(other.leak()) {}
  ~Ref() {
    if (object_) object_->release();
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  T* leak() { return std::exchange(object_, nullptr); }

 private:
  explicit Ref(T* object) : object_(object) {}
  T* object_ = nullptr;
};

}  // namespace xgrad
