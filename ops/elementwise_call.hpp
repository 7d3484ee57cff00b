// Calls of a primitive operation or of a formula of the library, on tensors and on a formula's symbols alike.
#pragma once

#include <xgrad/autograd/tape/run_formula.hpp>
#include <xgrad/autograd/tape/tensor.hpp>
#include <xgrad/ops/formulas.hpp>

namespace xgrad::detail {

/// The formula of a struct in ops/formulas.hpp: with the loops of this machine, or of the compiler's flags.
const FormulaInfo& fast_formula(std::size_t index);
const FormulaInfo& plain_formula(std::size_t index);
template <class F>
const FormulaInfo& library_formula() {
  if constexpr (formulas::Plain::has<F>)
    return plain_formula(formulas::Plain::index<F>());
  else
    return fast_formula(formulas::Fast::index<F>());
}

[[noreturn]] void limit_is_nan(double low, double high);
constexpr double number_or_zero(const auto& x) {
  if constexpr (Number<decltype(x)>) return static_cast<double>(x);
  return 0;
}

template <class X, class... Rest>
constexpr bool one_kind = Number<X> ? one_kind<Rest...> : ((Number<Rest> || std::same_as<X, Rest>)&&...);
template <class X>
constexpr bool one_kind<X> = true;

template <class X>
concept AnyTyped = !std::is_void_v<typename TensorElement<std::remove_cvref_t<X>>::type>;
/// A tensor, or a symbol; and a list of those and numbers in which one is, without a second kind of them.
template <class X>
concept Elementwise = Symbolic<X> || AnyTyped<X>;
template <class... X>
concept ElementwiseArguments = (Elementwise<X> || ...) &&
                               ((Elementwise<X> || Number<X>)&&...) && one_kind<std::remove_cvref_t<X>...>;

template <class First, class... Rest>
struct FirstElement {
  using type = std::conditional_t<AnyTyped<First>, TensorElement<First>, FirstElement<Rest...>>::type;
};
template <class Last>
struct FirstElement<Last> : TensorElement<Last> {};

// The functions below take forwarded arguments, so that a temporary can give its history and its memory away:
// X is a reference for what the caller keeps.
template <class X>
FormulaArgument argument(std::remove_reference_t<X>& x) {
  if constexpr (Number<X>)
    return {nullptr, static_cast<double>(x)};
  else
    return {.tensor = &x, .donated = !std::is_reference_v<X> && !std::is_const_v<X>};
}

template <class... X>
auto run_elementwise(const FormulaInfo& info, Location at, std::remove_reference_t<X>&... x) {
  return run_formula<typename FirstElement<std::remove_cvref_t<X>...>::type>(info, {argument<X>(x)...}, at);
}

template <Opcode op, class... X>
constexpr auto elementwise(Location at, X&&... x) {
  if constexpr ((Symbolic<X> || ...))
    return emit(op, x...);
  else
    return run_elementwise<X...>(primitive(op), at, x...);
}

template <class F, class... X>
constexpr auto elementwise(Location at, X&&... x) {
  if constexpr ((Symbolic<X> || ...))
    return F()(lift(builder_of(x...), x)...);
  else
    return run_elementwise<X...>(library_formula<F>(), at, x...);
}

}  // namespace xgrad::detail
