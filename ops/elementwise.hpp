// Elementwise functions, of tensors and of a formula's symbols alike. Operands broadcast; either one of two
// may be a number. Names and limits are those of NumPy and PyTorch.
#pragma once

#include <xgrad/autograd/tape/run_formula.hpp>
#include <xgrad/autograd/tape/tensor.hpp>
#include <xgrad/ops/formulas.hpp>

namespace xgrad {

namespace detail {

/// The formula of a struct in ops/formulas.hpp, with the loops of this machine.
const FormulaInfo& library_formula(std::size_t index);

[[noreturn]] void limit_is_nan(double low, double high);

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
    return run_elementwise<X...>(library_formula(formulas::All::index<F>()), at, x...);
}

}  // namespace detail

/// -x
template <detail::Elementwise X>
constexpr auto neg(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::neg>(at, std::forward<X>(x));
}
/// |x|; its gradient is 0 at 0.
template <detail::Elementwise X>
constexpr auto abs(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::abs>(at, std::forward<X>(x));
}
/// -1, 0 or 1, and NaN for NaN (PyTorch has 0 there); its gradient is 0.
template <detail::Elementwise X>
constexpr auto sign(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::sign>(at, std::forward<X>(x));
}
/// x²
template <detail::Elementwise X>
constexpr auto square(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::square>(at, std::forward<X>(x));
}
/// The square root; NaN below 0.
template <detail::Elementwise X>
constexpr auto sqrt(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::sqrt>(at, std::forward<X>(x));
}
/// 1 / sqrt(x)
template <detail::Elementwise X>
constexpr auto rsqrt(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::rsqrt>(at, std::forward<X>(x));
}
/// 1 / x
template <detail::Elementwise X>
constexpr auto reciprocal(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::reciprocal>(at, std::forward<X>(x));
}
/// e to the power of x
template <detail::Elementwise X>
constexpr auto exp(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::exp>(at, std::forward<X>(x));
}
/// exp(x) - 1, accurate near 0
template <detail::Elementwise X>
constexpr auto expm1(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::expm1>(at, std::forward<X>(x));
}
/// The natural logarithm; NaN below 0.
template <detail::Elementwise X>
constexpr auto log(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::log>(at, std::forward<X>(x));
}
/// log(1 + x), accurate near 0
template <detail::Elementwise X>
constexpr auto log1p(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::log1p>(at, std::forward<X>(x));
}
/// The sine of an angle in radians
template <detail::Elementwise X>
constexpr auto sin(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::sin>(at, std::forward<X>(x));
}
/// The cosine of an angle in radians
template <detail::Elementwise X>
constexpr auto cos(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::cos>(at, std::forward<X>(x));
}
/// The tangent of an angle in radians
template <detail::Elementwise X>
constexpr auto tan(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::tan>(at, std::forward<X>(x));
}
/// The angle from -pi/2 to pi/2, in radians, whose sine is x
template <detail::Elementwise X>
constexpr auto asin(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::asin>(at, std::forward<X>(x));
}
/// The angle from 0 to pi, in radians, whose cosine is x
template <detail::Elementwise X>
constexpr auto acos(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::acos>(at, std::forward<X>(x));
}
/// The angle from -pi/2 to pi/2, in radians, whose tangent is x
template <detail::Elementwise X>
constexpr auto atan(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::atan>(at, std::forward<X>(x));
}
/// The hyperbolic sine
template <detail::Elementwise X>
constexpr auto sinh(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::sinh>(at, std::forward<X>(x));
}
/// The hyperbolic cosine
template <detail::Elementwise X>
constexpr auto cosh(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::cosh>(at, std::forward<X>(x));
}
/// The hyperbolic tangent
template <detail::Elementwise X>
constexpr auto tanh(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::tanh>(at, std::forward<X>(x));
}
/// 1 / (1 + exp(-x))
template <detail::Elementwise X>
constexpr auto sigmoid(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::sigmoid>(at, std::forward<X>(x));
}
/// log(1 + exp(x))
template <detail::Elementwise X>
constexpr auto softplus(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::softplus>(at, std::forward<X>(x));
}
/// The error function, 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x
template <detail::Elementwise X>
constexpr auto erf(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::erf>(at, std::forward<X>(x));
}
/// 1 - erf(x), with all its digits where that is small
template <detail::Elementwise X>
constexpr auto erfc(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::erfc>(at, std::forward<X>(x));
}
/// -x log(x), the entropy of a probability x (torch.special.entr): 0 at 0, where its derivative is infinite;
/// -infinity below
template <detail::Elementwise X>
constexpr auto entr(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Entr>(at, std::forward<X>(x));
}

/// max(x, 0)
template <detail::Elementwise X>
constexpr auto relu(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Relu>(at, std::forward<X>(x));
}
/// x where positive, else slope * x
template <detail::Elementwise X>
constexpr auto leaky_relu(X&& x, double slope = 0.01, Location at = Location::current()) {
  return detail::elementwise<formulas::LeakyRelu>(at, std::forward<X>(x), slope);
}
/// x where positive, else alpha * (exp(x) - 1)
template <detail::Elementwise X>
constexpr auto elu(X&& x, double alpha = 1, Location at = Location::current()) {
  return detail::elementwise<formulas::Elu>(at, std::forward<X>(x), alpha);
}
/// x * Phi(x), Phi the normal distribution function (PyTorch's gelu)
template <detail::Elementwise X>
constexpr auto gelu(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Gelu>(at, std::forward<X>(x));
}
/// The tanh approximation of gelu (PyTorch's gelu(approximate="tanh"))
template <detail::Elementwise X>
constexpr auto gelu_tanh(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::GeluTanh>(at, std::forward<X>(x));
}
/// x * sigmoid(x)
template <detail::Elementwise X>
constexpr auto silu(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Silu>(at, std::forward<X>(x));
}
/// x, but at least low and then at most high; the gradient is 0 outside. Throws ValueError for a NaN limit.
template <detail::Elementwise X>
constexpr auto clamp(X&& x, double low, double high, Location at = Location::current()) {
  if (low != low || high != high) detail::limit_is_nan(low, high);
  return detail::elementwise<formulas::Clamp>(at, std::forward<X>(x), low, high);
}

/// a to the power of b. A number's derivatives by a are right to every order, at 0 too; the gradient by b is
/// 0 where the power is 0, and where a is 0 and b at least that, as in PyTorch.
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto pow(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::pow>(at, std::forward<A>(a), std::forward<B>(b));
}
/// a log(b), which is 0 where a is 0, unless b is NaN (torch.xlogy). Where a is 0 and b at most that, both
/// gradients are 0.
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto xlogy(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<formulas::Xlogy>(at, std::forward<A>(a), std::forward<B>(b));
}
/// The angle of the point (x, y), in radians
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto atan2(A&& y, B&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::atan2>(at, std::forward<A>(y), std::forward<B>(x));
}
/// The larger one; NaN if either is; where they are equal each gets half the gradient, and with a NaN both
/// get all of it, as in PyTorch
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto maximum(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::maximum>(at, std::forward<A>(a), std::forward<B>(b));
}
/// The smaller one, on the same terms
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto minimum(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::minimum>(at, std::forward<A>(a), std::forward<B>(b));
}
/// `yes` where the condition is not 0, else `no`. No gradient to the condition.
///
/// In a formula a branch that is not taken sends nothing. Between tensors, where each branch has been
/// computed by ops of its own, it sends a gradient of 0; and an op before it, whose derivative is infinite or
/// NaN, makes NaN of that: in `where(x > 0, sqrt(x), x)` it does at -1, as in PyTorch. Write such a branch as
/// a formula: `formula("root", [](auto x) { return where(x > 0, sqrt(x), x); })`.
template <class C, class A, class B>
requires detail::ElementwiseArguments<C, A, B>
constexpr auto where(C&& condition, A&& yes, B&& no, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::where>(at, std::forward<C>(condition), std::forward<A>(yes),
                                                    std::forward<B>(no));
}

}  // namespace xgrad
