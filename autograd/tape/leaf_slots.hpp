// The gradients that one backward pass has for leaves.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include <xgrad/autograd/tape/sink.hpp>

namespace xgrad::detail {

struct LeafSlot {
  explicit LeafSlot(Ref<Leaf> of) : leaf(std::move(of)) {}
  Ref<Leaf> leaf;
  GradientSlot slot;
  std::uint32_t sum = 0;  // its place among the sums, plus one
  bool hooks_ran = false;
};

/// Leaves are shared between threads, so what a pass finds out about them is kept here and not in them: a
/// list, and once it is long a hash table of the places in it. Entries stay where they are.
class LeafSlots {
 public:
  /// That of the leaf, which is new where the leaf is.
  LeafSlot& entry(Leaf* leaf) {
    constexpr std::size_t few = 8;
    if (slots_.size() <= few) {
      for (LeafSlot& known : slots_)
        if (known.leaf.get() == leaf) return known;
      if (slots_.size() < few) return slots_.emplace_back(Ref<Leaf>::share(leaf));
    }
    return hashed(leaf);
  }
  auto begin() { return slots_.begin(); }
  auto end() { return slots_.end(); }

 private:
  LeafSlot& hashed(Leaf* leaf);
  std::size_t place_of(const Leaf* leaf) const;

  std::deque<LeafSlot, pool::Allocator<LeafSlot>> slots_;
  std::vector<std::uint32_t, pool::Allocator<std::uint32_t>> index_;  // by address: place in slots_, plus one
};

}  // namespace xgrad::detail
