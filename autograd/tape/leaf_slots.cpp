// The table of leaves: open addressing by address.
#include <xgrad/autograd/tape/leaf_slots.hpp>

#include <algorithm>

namespace xgrad::detail {

LeafSlot& LeafSlots::hashed(Leaf* leaf) {
  if (index_.size() < 2 * (slots_.size() + 1)) {
    index_.assign(std::max<std::size_t>(64, 4 * index_.size()), 0);
    for (std::uint32_t i = 0; i < slots_.size(); ++i) index_[place_of(slots_[i].leaf.get())] = i + 1;
  }
  const std::size_t at = place_of(leaf);
  if (index_[at]) return slots_[index_[at] - 1];
  slots_.emplace_back(Ref<Leaf>::share(leaf));
  index_[at] = static_cast<std::uint32_t>(slots_.size());
  return slots_.back();
}

// Where the leaf is in the table, or is to go.
std::size_t LeafSlots::place_of(const Leaf* leaf) const {
  const std::size_t mask = index_.size() - 1;
  std::size_t at = (reinterpret_cast<std::uintptr_t>(leaf) >> 4) & mask;
  while (index_[at] && slots_[index_[at] - 1].leaf.get() != leaf) at = (at + 1) & mask;
  return at;
}

}  // namespace xgrad::detail
