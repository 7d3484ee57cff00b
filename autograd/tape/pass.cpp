// The numbers of the backward passes that are under way, and their claims.
#include <xgrad/autograd/tape/pass.hpp>

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <bit>
#include <thread>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad::detail {

namespace {

// A bit for each number from 1 to 127.
constinit std::array<std::atomic<std::uint64_t>, 2> numbers_taken{1, 0};

// Replaces the value that was read, unless another thread did. With one thread there are no atomic
// operations.
template <class T>
bool replace(std::atomic<T>& value, T read, T by) {
  if (!single_threaded()) return value.compare_exchange_strong(read, by, std::memory_order_acquire);
  value.store(by, std::memory_order_relaxed);
  return true;
}

}  // namespace

Pass::Pass(const Pass* outer) : outer_(outer) {
  for (std::size_t i = 0;; i ^= 1) {
    std::atomic<std::uint64_t>& taken = numbers_taken[i];
    const std::uint64_t now = taken.load(std::memory_order_relaxed);
    const int bit = std::countr_one(now);
    if (bit < 64 && replace(taken, now, now | std::uint64_t{1} << bit)) {
      number_ = static_cast<std::uint8_t>(64 * i + static_cast<std::size_t>(bit));
      return;
    }
    if (bit < 64 || i == 0) continue;
    if (outer)
      throw GraphError(
          "backward: 127 passes are under way, and this one was started in a hook of one; start it "
          "after that");
    std::this_thread::yield();
  }
}

Pass::~Pass() {
  std::atomic<std::uint64_t>& taken = numbers_taken[number_ / 64];
  const std::uint64_t own = std::uint64_t{1} << number_ % 64;
  if (single_threaded())
    taken.store(taken.load(std::memory_order_relaxed) & ~own, std::memory_order_relaxed);
  else
    taken.fetch_and(~own, std::memory_order_relaxed);
}

void Pass::claim_from(Node& node, std::uint8_t now) const {
  for (const Pass* pass = outer_; pass; pass = pass->outer_)
    if (pass->number_ == now >> 1) return;
  if (now != 0 || !replace(node.claim_, now, static_cast<std::uint8_t>(number_ << 1)))
    throw GraphError(
        fmt::format("backward: another thread's backward pass is at work on '{}'{}; have one begin after the "
                    "other has ended, "
                    "or compute what both need in each thread",
                    node.name(), node.where()));
}

}  // namespace xgrad::detail
