// Where the branches of where() are taken: the elements at which a step of a formula counts.
#pragma once

#include <array>
#include <cstdint>

#include <xgrad/autograd/formula/symbol.hpp>

namespace xgrad::detail {

/// Sets of elements, known by number, as a tree: each is that part of its parent where a condition, a step of
/// the program under construction, is not 0, or where it is 0.
class Regions {
 public:
  static constexpr std::int16_t all = 0, none = -1;

  constexpr explicit Regions(Builder& builder) : builder_(builder) {}

  constexpr std::int16_t part(std::int16_t parent, Symbol condition, bool holds) {
    const Region wanted{parent, condition.step, holds};
    for (std::int16_t r = parent; r != all; r = at(r).parent)
      if (at(r).condition == wanted.condition && at(r).holds == holds) return parent;
    for (std::int16_t r = 1; r < count_; ++r)
      if (at(r) == wanted) return r;
    if (count_ == Program::max_instructions) Builder::formula_has_too_many_operations();
    at(count_) = wanted;
    return count_++;
  }

  /// What is in either of them.
  constexpr std::int16_t either(std::int16_t a, std::int16_t b) {
    if (a == none || a == b) return b;
    if (b == none) return a;
    const std::int16_t top = common(a, b);
    const Region &x = at(a), &y = at(b);
    const bool halves = x.parent == top && y.parent == top && x.condition == y.condition;
    if (a == top || b == top || halves) return top;
    const Symbol one = builder_.constant(1);
    return part(top, where(within(a, top, one, 0), one, within(b, top, one, 0)), true);
  }

  /// The smallest of the regions that both lie in.
  constexpr std::int16_t common(std::int16_t a, std::int16_t b) const {
    for (; a != all; a = at(a).parent)
      for (std::int16_t r = b; r != all; r = at(r).parent)
        if (a == r) return a;
    return all;
  }

  /// x in `region`, and a number in what else there is of `top`, which it lies in.
  constexpr Symbol within(std::int16_t region, std::int16_t top, Symbol x, double elsewhere) {
    if (region == top) return x;
    const Region& r = at(region);
    const Symbol inside = within(r.parent, top, x, elsewhere), outside = builder_.constant(elsewhere),
                 condition{builder_, r.condition};
    return r.holds ? where(condition, inside, outside) : where(condition, outside, inside);
  }

 private:
  struct Region {
    std::int16_t parent = none, condition = -1;
    bool holds = true;
    friend constexpr bool operator==(const Region&, const Region&) = default;
  };

  constexpr Region& at(std::int16_t r) { return regions_[static_cast<std::size_t>(r)]; }
  constexpr const Region& at(std::int16_t r) const { return regions_[static_cast<std::size_t>(r)]; }
  constexpr Symbol where(Symbol condition, Symbol yes, Symbol no) {
    return builder_.apply(Opcode::where, condition, yes, no);
  }

  Builder& builder_;
  std::array<Region, Program::max_instructions> regions_{};
  std::int16_t count_ = 1;
};

}  // namespace xgrad::detail
