// Formulas as data: a lambda called once on symbols leaves a short program, known to the compiler.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <xgrad/autograd/kernels/program.hpp>

namespace xgrad {

namespace detail {
struct Builder;
}

/// What a formula's lambda computes with: a step of the program under construction. Never a value.
struct Symbol {
  detail::Builder* builder = nullptr;
  std::int16_t step = -1;

  constexpr Symbol() = default;
  constexpr Symbol(detail::Builder& owner, int number)
      : builder(&owner), step(static_cast<std::int16_t>(number)) {}
};

namespace detail {

/// Makes programs. Equal steps are merged as they are made, so shared sub-expressions cost once.
struct Builder {
  Program program;
  bool capturing =
      false;  // no constant is known: each has a place of its own, so that the same places come out again
  std::array<std::int16_t, 16> kept{};
  int kept_count = 0;

  // Called, at compile time, where a formula outgrows a Program: the call itself is the error message.
  static void formula_has_too_many_operations() {}
  static void formula_has_too_many_constants() {}
  static void formula_keeps_too_many_values() {}
  static void formula_returns_and_keeps_too_many_values() {}

  constexpr Symbol emit(Instruction step) {
    for (int i = 0; i < program.instructions; ++i)
      if (program.code[static_cast<std::size_t>(i)] == step) return {*this, i};
    if (program.instructions == Program::max_instructions) formula_has_too_many_operations();
    program.code[static_cast<std::size_t>(program.instructions)] = step;
    return {*this, program.instructions++};
  }

  constexpr Symbol input(int index) { return emit({Opcode::input, static_cast<std::int16_t>(index)}); }
  constexpr Symbol captured(int index) { return emit({Opcode::constant, static_cast<std::int16_t>(index)}); }

  constexpr Symbol constant(double value) {
    int slot = capturing ? program.constant_count : program.captured;
    while (slot < program.constant_count && !same(program.constants[static_cast<std::size_t>(slot)], value))
      ++slot;
    if (slot == program.constant_count) {
      if (slot == Program::max_constants) formula_has_too_many_constants();
      program.constants[static_cast<std::size_t>(program.constant_count++)] = value;
      if (capturing) program.captured = program.constant_count;
    }
    return emit({Opcode::constant, static_cast<std::int16_t>(slot)});
  }

  constexpr Symbol apply(Opcode op, Symbol a, Symbol b = {}, Symbol c = {}) {
    return emit({op, a.step, b.step, c.step});
  }

  constexpr bool is_literal(Symbol x, double value) const {
    const Instruction& step = program.code[static_cast<std::size_t>(x.step)];
    return step.op == Opcode::constant && step.a >= program.captured &&
           same(program.constants[static_cast<std::size_t>(step.a)], value);
  }

 private:
  static constexpr bool same(double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  }
};

}  // namespace detail

/// A number that may stand beside tensors and symbols.
template <class X>
concept Number = std::is_arithmetic_v<std::remove_cvref_t<X>>;

/// A symbol of a formula.
template <class X>
concept Symbolic = std::same_as<std::remove_cvref_t<X>, Symbol>;

namespace detail {

// The builder that any of the arguments belongs to, and an argument, number or symbol, as a step of it.
constexpr Builder& builder_of(Symbol x) { return *x.builder; }
template <class... Rest>
constexpr Builder& builder_of(Symbol x, const Rest&...) {
  return *x.builder;
}
template <Number N, class... Rest>
constexpr Builder& builder_of(N, const Rest&... rest) {
  return builder_of(rest...);
}
constexpr Symbol lift(Builder&, Symbol x) { return x; }
constexpr Symbol lift(Builder& builder, Number auto x) { return builder.constant(static_cast<double>(x)); }

template <class... X>
constexpr Symbol emit(Opcode op, const X&... x) {
  Builder& builder = builder_of(x...);
  return builder.apply(op, lift(builder, x)...);
}

template <class A, class B>
concept SymbolPair = (Symbolic<A> && (Symbolic<B> || Number<B>)) || (Number<A> && Symbolic<B>);

}  // namespace detail

/// Arithmetic and comparison in a formula; comparisons give 1 where they hold and 0 elsewhere.
constexpr Symbol operator-(Symbol x) { return detail::emit(detail::Opcode::neg, x); }
constexpr Symbol operator+(Symbol x) { return x; }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator+(A a, B b) { return detail::emit(detail::Opcode::add, a, b); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator-(A a, B b) { return detail::emit(detail::Opcode::sub, a, b); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator*(A a, B b) { return detail::emit(detail::Opcode::mul, a, b); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator/(A a, B b) { return detail::emit(detail::Opcode::div, a, b); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator>(A a, B b) { return detail::emit(detail::Opcode::greater, a, b); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator>=(A a, B b) { return detail::emit(detail::Opcode::greater_equal, a, b); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator<(A a, B b) { return detail::emit(detail::Opcode::less, a, b); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator<=(A a, B b) { return detail::emit(detail::Opcode::less_equal, a, b); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator==(A a, B b) { return detail::emit(detail::Opcode::equal, a, b); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator!=(A a, B b) { return detail::emit(detail::Opcode::not_equal, a, b); }

/// Logic on conditions: what is not 0 holds.
constexpr Symbol operator!(Symbol a) { return a == 0; }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator&&(A a, B b) { return (a != 0) * (b != 0); }
template <class A, class B>
requires detail::SymbolPair<A, B>
constexpr Symbol operator||(A a, B b) { return (a != 0) + (b != 0) > 0; }

/// The same, in place.
template <class B>
requires detail::SymbolPair<Symbol, B>
constexpr Symbol& operator+=(Symbol& a, B b) { return a = a + b; }
template <class B>
requires detail::SymbolPair<Symbol, B>
constexpr Symbol& operator-=(Symbol& a, B b) { return a = a - b; }
template <class B>
requires detail::SymbolPair<Symbol, B>
constexpr Symbol& operator*=(Symbol& a, B b) { return a = a * b; }
template <class B>
requires detail::SymbolPair<Symbol, B>
constexpr Symbol& operator/=(Symbol& a, B b) { return a = a / b; }

/// Marks a value of a formula to be stored in forward for backward to read, instead of being computed again.
constexpr Symbol keep(Symbol x) {
  detail::Builder& builder = *x.builder;
  for (int k = 0; k < builder.kept_count; ++k)
    if (builder.kept[static_cast<std::size_t>(k)] == x.step) return x;
  if (builder.kept_count == static_cast<int>(builder.kept.size()))
    detail::Builder::formula_keeps_too_many_values();
  builder.kept[static_cast<std::size_t>(builder.kept_count++)] = x.step;
  return x;
}

/// Several results of one formula: `return outputs(h, c);`.
template <std::size_t N>
struct SymbolList {
  std::array<Symbol, N> results;
};
template <class... S>
requires(Symbolic<S>&&...) constexpr SymbolList<sizeof...(S)> outputs(S... results) { return {{results...}}; }

namespace detail {

template <class R>
inline constexpr std::size_t result_count = 0;
template <>
inline constexpr std::size_t result_count<Symbol> = 1;
template <std::size_t N>
inline constexpr std::size_t result_count<SymbolList<N>> = N;

constexpr std::array<Symbol, 1> results_of(Symbol x) { return {x}; }
template <std::size_t N>
constexpr std::array<Symbol, N> results_of(const SymbolList<N>& list) {
  return list.results;
}

}  // namespace detail

}  // namespace xgrad
