// Counted references to objects that count their own.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <utility>

#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad::detail {

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
      return true;  // the only owner need not tell others: no one else can make a new reference
    if (!single_threaded()) return count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    count_.store(count - 1, std::memory_order_relaxed);
    return false;
  }
  bool is_one() const { return count_.load(std::memory_order_acquire) == 1; }

 private:
  std::atomic<std::uint32_t> count_{1};
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

}  // namespace xgrad::detail
