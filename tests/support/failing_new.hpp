// Replaces operator new in the one program file that includes this: it fails when it is told to. The pool takes
// its memory from it, too.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace xgrad::testing {

/// What is to fail: the allocation after so many, and with `for_good` all that follow; none where it is negative.
struct Failure {
  long after = -1;
  bool for_good = false, fired = false;
};
inline Failure failure;

/// How many bytes there still are; none are counted where it is negative.
inline std::int64_t bytes_left = -1;

inline bool allocation_fails(std::size_t bytes) {
  if (bytes_left >= 0 && bytes_left < static_cast<std::int64_t>(bytes)) return true;
  if (failure.after < 0) return false;
  if (failure.after > 0) return --failure.after, false;
  failure.fired = true;
  if (!failure.for_good) failure.after = -1;
  return true;
}

inline std::int64_t size_of_block(void* memory) {
  return static_cast<std::int64_t>(malloc_usable_size(memory));
}

inline void* checked(void* memory) {
  if (!memory) throw std::bad_alloc();
  if (bytes_left >= 0) bytes_left = std::max<std::int64_t>(bytes_left - size_of_block(memory), 0);
  return memory;
}

}  // namespace xgrad::testing

// Every form of it, for ASan has its own of each. (Inlined, GCC warns of free() for memory of new.)
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return xgrad::testing::checked(xgrad::testing::allocation_fails(bytes) ? nullptr : std::malloc(bytes));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto a = static_cast<std::size_t>(alignment);
  return xgrad::testing::checked(
      xgrad::testing::allocation_fails(bytes) ? nullptr : std::aligned_alloc(a, (bytes + a - 1) / a * a));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return ::operator new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  try {
    return ::operator new(bytes, alignment);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  if (xgrad::testing::bytes_left >= 0 && memory) xgrad::testing::bytes_left += xgrad::testing::size_of_block(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { ::operator delete(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { ::operator delete(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { ::operator delete(memory); }
