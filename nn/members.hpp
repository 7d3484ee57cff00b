// The members of a struct that has no constructors, and their names, found by the compiler.
#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

// What is declared here and not defined is needed by the compiler only.
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif

namespace xgrad::nn::detail {

inline constexpr std::size_t max_members = 16;

// Whatever a member can be initialised with; but not the struct itself, which would be a copy.
template <class M>
struct AnyMember {
  template <class X>
  requires(!std::same_as<std::remove_cv_t<X>, M>) operator X&() const&;
  template <class X>
  requires(!std::same_as<std::remove_cv_t<X>, M>) operator X&&() const&&;
};

template <class M, std::size_t... i>
constexpr bool takes(std::index_sequence<i...>) {
  return requires { M{(void(i), AnyMember<M>())...}; };
}

// How many members there are: the most initialisers that M takes.
template <class M, std::size_t most = max_members + 1>
consteval std::size_t member_count() {
  if constexpr (most == 0 || takes<M>(std::make_index_sequence<most>()))
    return most;
  else
    return member_count<M, most - 1>();
}

// f(members...)
template <class M, class F>
constexpr decltype(auto) with_members(M& m, F f) {
  constexpr std::size_t n = member_count<std::remove_const_t<M>>();
  static_assert(n <= max_members,
                "xgrad::nn: a module without visit() has at most 16 members; give it `void visit(auto&& v) { "
                "v(\"name\", member); … }`");
  // clang-format off
  if constexpr (n == 0) { return f(); }
  if constexpr (n == 1) { auto& [a] = m; return f(a); }
  if constexpr (n == 2) { auto& [a, b] = m; return f(a, b); }
  if constexpr (n == 3) { auto& [a, b, c] = m; return f(a, b, c); }
  if constexpr (n == 4) { auto& [a, b, c, d] = m; return f(a, b, c, d); }
  if constexpr (n == 5) { auto& [a, b, c, d, e] = m; return f(a, b, c, d, e); }
  if constexpr (n == 6) { auto& [a, b, c, d, e, g] = m; return f(a, b, c, d, e, g); }
  if constexpr (n == 7) { auto& [a, b, c, d, e, g, h] = m; return f(a, b, c, d, e, g, h); }
  if constexpr (n == 8) { auto& [a, b, c, d, e, g, h, i] = m; return f(a, b, c, d, e, g, h, i); }
  if constexpr (n == 9) { auto& [a, b, c, d, e, g, h, i, j] = m; return f(a, b, c, d, e, g, h, i, j); }
  if constexpr (n == 10) { auto& [a, b, c, d, e, g, h, i, j, k] = m; return f(a, b, c, d, e, g, h, i, j, k); }
  if constexpr (n == 11) { auto& [a, b, c, d, e, g, h, i, j, k, l] = m; return f(a, b, c, d, e, g, h, i, j, k, l); }
  if constexpr (n == 12) { auto& [a, b, c, d, e, g, h, i, j, k, l, o] = m; return f(a, b, c, d, e, g, h, i, j, k, l, o); }
  if constexpr (n == 13) { auto& [a, b, c, d, e, g, h, i, j, k, l, o, p] = m; return f(a, b, c, d, e, g, h, i, j, k, l, o, p); }
  if constexpr (n == 14) { auto& [a, b, c, d, e, g, h, i, j, k, l, o, p, q] = m; return f(a, b, c, d, e, g, h, i, j, k, l, o, p, q); }
  if constexpr (n == 15) { auto& [a, b, c, d, e, g, h, i, j, k, l, o, p, q, r] = m; return f(a, b, c, d, e, g, h, i, j, k, l, o, p, q, r); }
  if constexpr (n == 16) { auto& [a, b, c, d, e, g, h, i, j, k, l, o, p, q, r, s] = m; return f(a, b, c, d, e, g, h, i, j, k, l, o, p, q, r, s); }
  // clang-format on
}

// An object that is nowhere: only the addresses of its members are named, and those only by the compiler.
template <class M>
struct Holder {
  M value;
};
template <class M>
extern const Holder<M> nowhere;

template <class P>
struct Wrapped {  // clang 16 takes no bare pointer to a member of an object as a template argument
  P pointer;
};
template <class P>
Wrapped(P) -> Wrapped<P>;
template <auto pointer>
consteval std::string_view pointer_text() {
  return __PRETTY_FUNCTION__;
}

// "… {(& nowhere<Net>.Holder<Net>::value.Net::hidden)}; …]" by g++, "… {&nowhere.value.hidden}]" by clang:
// "hidden".
template <class M, std::size_t i>
consteval std::string_view member_name() {
  constexpr auto pointers = with_members(nowhere<M>.value, [](auto&... x) { return std::tuple(&x...); });
  constexpr std::string_view text = pointer_text<Wrapped{std::get<i>(pointers)}>();
  std::size_t end = text.rfind('}');
  if (text[end - 1] == ')') --end;
  const std::size_t begin = text.find_last_of(".:", end) + 1;
  return text.substr(begin, end - begin);
}

}  // namespace xgrad::nn::detail

#ifdef __clang__
#pragma clang diagnostic pop
#endif
