// Storage blocks: layout and life.
#include "autograd/storage.hpp"

#include <fmt/format.h>

#include <new>

#include "autograd/error.hpp"

namespace xgrad {

Storage* Storage::make(std::int64_t elements, DType type) {
  if (elements > max_elements)
    throw ValueError(
        fmt::format("a tensor of {} elements is more than any memory holds; check its shape", elements));
  const std::size_t data_bytes = static_cast<std::size_t>(elements) * size_of(type) + slack;
  const std::size_t offset = data_bytes < 512 ? 32 : 64;  // large data starts on a cache line
  static_assert(sizeof(Storage) <= 32);
  const std::size_t bytes = offset + data_bytes;
  try {
    return new (pool::allocate(bytes)) Storage(bytes, static_cast<std::uint8_t>(offset), type);
  } catch (const std::bad_alloc&) {
    throw Error(fmt::format(
        "out of memory: a tensor of {} elements takes {} bytes, and {} are in use by tensors and graphs; "
        "check its shape, take smaller batches, or keep fewer tensors and graphs",
        elements, bytes, live_counts().bytes));
  }
}

StorageMemo* Storage::attach_memo(std::unique_ptr<StorageMemo> memo) {
  StorageMemo* there = nullptr;
  if (memo_.compare_exchange_strong(there, memo.get(), std::memory_order_acq_rel)) return memo.release();
  return there;
}

void Storage::destroy() noexcept {
  const std::size_t bytes = block_bytes_;
  this->~Storage();
  pool::deallocate(this, bytes);
}

}  // namespace xgrad
