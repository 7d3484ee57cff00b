// Which backward pass a node belongs to: two threads may reach one node, and only one may go on.
#pragma once

#include <cstdint>

#include <xgrad/autograd/tape/node.hpp>

namespace xgrad::detail {

/// One backward pass, or the search of grad() for its nodes. It claims a node before it writes to it; the
/// node's byte has the number of the pass above one bit, which is the selection's. Passes that a thread has
/// under way at a time, one in a hook of the other, share their nodes.
class Pass {
 public:
  /// `outer`: the pass in whose hook this one runs; or null. Waits while 127 passes are under way.
  explicit Pass(const Pass* outer);
  Pass(const Pass&) = delete;
  ~Pass();

  /// Throws GraphError where another thread's pass has it.
  void claim(Node& node) const {
    if (const std::uint8_t now = node.claim_.load(std::memory_order_relaxed); now >> 1 != number_)
      claim_from(node, now);
  }
  /// Leaves it to others; those of an outer pass stay that pass's.
  void release(Node& node) const noexcept {
    if (node.claim_.load(std::memory_order_relaxed) >> 1 == number_)
      node.claim_.store(0, std::memory_order_release);
  }

  /// The selection's mark on a node that was claimed.
  static bool marked(const Node& node) { return node.claim_.load(std::memory_order_relaxed) & 1; }
  static void mark(Node& node, bool on) {
    const std::uint8_t number = node.claim_.load(std::memory_order_relaxed) & 0xfe;
    node.claim_.store(static_cast<std::uint8_t>(number | on), std::memory_order_relaxed);
  }

 private:
  void claim_from(Node& node, std::uint8_t now) const;

  const Pass* outer_;
  std::uint8_t number_;
};

}  // namespace xgrad::detail
