// Elementwise functions, of tensors and of a formula's symbols alike. Operands broadcast; either one of two
// may be a number. Names and limits are those of NumPy and PyTorch.
#pragma once

#include <xgrad/ops/elementwise_call.hpp>

namespace xgrad {

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
/// 2 to the power of x
template <detail::Elementwise X>
constexpr auto exp2(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::pow>(at, 2, std::forward<X>(x));
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
/// The logarithm to the base 2
template <detail::Elementwise X>
constexpr auto log2(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Log2>(at, std::forward<X>(x));
}
/// The logarithm to the base 10
template <detail::Elementwise X>
constexpr auto log10(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Log10>(at, std::forward<X>(x));
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
/// The number whose hyperbolic sine is x
template <detail::Elementwise X>
constexpr auto asinh(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Asinh>(at, std::forward<X>(x));
}
/// The number from 0 up whose hyperbolic cosine is x; NaN below 1
template <detail::Elementwise X>
constexpr auto acosh(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Acosh>(at, std::forward<X>(x));
}
/// The number whose hyperbolic tangent is x; NaN beyond -1 and 1
template <detail::Elementwise X>
constexpr auto atanh(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Atanh>(at, std::forward<X>(x));
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
/// The inverse of erf: infinite at -1 and 1, NaN beyond
template <detail::Elementwise X>
constexpr auto erfinv(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::erfinv>(at, std::forward<X>(x));
}
/// log |gamma(x)|; infinite at 0, -1, -2, …
template <detail::Elementwise X>
constexpr auto lgamma(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::lgamma>(at, std::forward<X>(x));
}
/// The derivative of order n + 1 of lgamma, for a whole number n >= 0 (else NaN): digamma for n = 0, trigamma
/// for n = 1 and so on (torch.polygamma). Infinite at 0, -1, -2, …, or NaN for n = 0 below 0. No gradient to
/// n.
template <class N, detail::Elementwise X>
requires detail::ElementwiseArguments<N, X>
constexpr auto polygamma(N&& n, X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::polygamma>(at, std::forward<N>(n), std::forward<X>(x));
}
/// The derivative of lgamma
template <detail::Elementwise X>
constexpr auto digamma(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::polygamma>(at, 0, std::forward<X>(x));
}
/// -x log(x), the entropy of a probability x (torch.special.entr): 0 at 0, where its derivative is infinite;
/// -infinity below
template <detail::Elementwise X>
constexpr auto entr(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Entr>(at, std::forward<X>(x));
}

/// The largest whole number that is not above x. Its gradient is 0, as that of the next three.
template <detail::Elementwise X>
constexpr auto floor(X&& x, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::floor>(at, std::forward<X>(x));
}
/// The smallest whole number that is not below x
template <detail::Elementwise X>
constexpr auto ceil(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Ceil>(at, std::forward<X>(x));
}
/// The whole number next to x towards 0
template <detail::Elementwise X>
constexpr auto trunc(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Trunc>(at, std::forward<X>(x));
}
/// The nearest whole number; of two that are as near the even one
template <detail::Elementwise X>
constexpr auto round(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Round>(at, std::forward<X>(x));
}

/// 1 where x is NaN, else 0; no gradient
template <detail::Elementwise X>
constexpr auto isnan(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::IsNan>(at, std::forward<X>(x));
}
/// 1 where x is infinite, else 0; no gradient
template <detail::Elementwise X>
constexpr auto isinf(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::IsInf>(at, std::forward<X>(x));
}
/// 1 where x is neither infinite nor NaN, else 0; no gradient
template <detail::Elementwise X>
constexpr auto isfinite(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::IsFinite>(at, std::forward<X>(x));
}
/// 1 where x is 0, else 0, also written !x. In logic what is not 0 holds, NaN included; no gradient.
template <detail::Elementwise X>
constexpr auto logical_not(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::LogicalNot>(at, std::forward<X>(x));
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
/// x, but at least low and then at most high, which are numbers or broadcast; infinity for none. Where x is
/// outside, the limit has its gradient. Throws ValueError for a number that is NaN; elsewhere that makes NaN.
template <class X, class A, class B>
requires detail::ElementwiseArguments<X, A, B>
constexpr auto clamp(X&& x, A&& low, B&& high, Location at = Location::current()) {
  const double bottom = detail::number_or_zero(low), top = detail::number_or_zero(high);
  if (bottom != bottom || top != top) detail::limit_is_nan(bottom, top);
  return detail::elementwise<formulas::Clamp>(at, std::forward<X>(x), std::forward<A>(low),
                                              std::forward<B>(high));
}
/// x, but at least low (torch.clamp with min alone)
template <class X, class A>
requires detail::ElementwiseArguments<X, A>
constexpr auto clamp_min(X&& x, A&& low, Location at = Location::current()) {
  return clamp(std::forward<X>(x), std::forward<A>(low), formulas::infinity, at);
}
/// x, but at most high
template <class X, class B>
requires detail::ElementwiseArguments<X, B>
constexpr auto clamp_max(X&& x, B&& high, Location at = Location::current()) {
  return clamp(std::forward<X>(x), -formulas::infinity, std::forward<B>(high), at);
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
/// log(exp(a) + exp(b)), without overflow
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto logaddexp(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<formulas::LogAddExp>(at, std::forward<A>(a), std::forward<B>(b));
}
/// sqrt(a² + b²), without overflow. Its gradient is 0 where both are 0 (PyTorch has NaN there).
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto hypot(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<formulas::Hypot>(at, std::forward<A>(a), std::forward<B>(b));
}
/// What a / b leaves over, with the sign of a: a - trunc(a / b) b, but exact. NaN for b = 0.
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto fmod(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<detail::Opcode::fmod>(at, std::forward<A>(a), std::forward<B>(b));
}
/// What a / b leaves over, with the sign of b (Python's a % b): a - floor(a / b) b, but exact
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto remainder(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<formulas::Remainder>(at, std::forward<A>(a), std::forward<B>(b));
}
/// 1 where neither is 0, else 0, also written a && b, which computes both
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto logical_and(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<formulas::LogicalAnd>(at, std::forward<A>(a), std::forward<B>(b));
}
/// 1 where one of them is not 0, else 0, also written a || b
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto logical_or(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<formulas::LogicalOr>(at, std::forward<A>(a), std::forward<B>(b));
}
/// 1 where just one of them is 0, else 0
template <class A, class B>
requires detail::ElementwiseArguments<A, B>
constexpr auto logical_xor(A&& a, B&& b, Location at = Location::current()) {
  return detail::elementwise<formulas::LogicalXor>(at, std::forward<A>(a), std::forward<B>(b));
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

/// Logic on masks: see logical_not, logical_and, logical_or. An operand of && and || may be a number.
template <class X>
requires(detail::AnyTyped<X>) auto operator!(X&& x) { return logical_not(std::forward<X>(x)); }
template <class A, class B>
requires(detail::ElementwiseArguments<A, B> && !Symbolic<A> && !Symbolic<B>) auto operator&&(A&& a, B&& b) {
  return logical_and(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
requires(detail::ElementwiseArguments<A, B> && !Symbolic<A> && !Symbolic<B>) auto operator||(A&& a, B&& b) {
  return logical_or(std::forward<A>(a), std::forward<B>(b));
}

}  // namespace xgrad
