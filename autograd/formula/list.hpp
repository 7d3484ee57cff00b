// What the library's own formulas, which are structs, are written with; and lists of them.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#include <xgrad/autograd/formula/symbol.hpp>

namespace xgrad::formulas {

constexpr Symbol apply(detail::Opcode op, auto... x) { return detail::emit(op, x...); }
constexpr Symbol where(auto condition, auto yes, auto no) {
  return apply(detail::Opcode::where, condition, yes, no);
}

template <class... F>
struct List {
  static constexpr std::size_t size = sizeof...(F);
  template <class Wanted>
  static constexpr bool has = (std::is_same_v<F, Wanted> || ...);
  template <class Wanted>
  static constexpr std::size_t index() {
    std::size_t at = 0, i = 0;
    ((std::is_same_v<F, Wanted> ? (at = i++) : i++), ...);
    static_assert(has<Wanted>, "add the formula to a list at the end of formulas.hpp");
    return at;
  }
  /// `make.template operator()<F>()` of each.
  static constexpr auto table(auto make) { return std::array{make.template operator()<F>()...}; }
};

}  // namespace xgrad::formulas
