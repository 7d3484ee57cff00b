// Elementwise functions, of tensors and of a formula's symbols alike. Operands broadcast; either one of two may be a
// number. Names and limits are those of NumPy and PyTorch.
#pragma once

#include "autograd/elementwise.hpp"
#include "autograd/tensor.hpp"
#include "ops/formulas.hpp"

namespace xgrad {

namespace detail {

/// The formula of a struct in ops/formulas.hpp, with the loops of this machine.
const FormulaInfo& library_formula(std::size_t index);

template <class X> struct TensorElement { using type = void; };
template <class T> struct TensorElement<Tensor<T>> { using type = T; };

template <class X, class... Rest>
constexpr bool one_kind = Number<X> ? one_kind<Rest...> : ((Number<Rest> || std::same_as<X, Rest>) && ...);
template <class X>
constexpr bool one_kind<X> = true;

template <class X>
concept AnyTyped = !std::is_void_v<typename TensorElement<X>::type>;
/// A tensor, or a symbol; and a list of those and numbers in which one is, without a second kind of them.
template <class X>
concept Elementwise = Symbolic<X> || AnyTyped<X>;
template <class... X>
concept ElementwiseArguments = (Elementwise<X> || ...) && ((Elementwise<X> || Number<X>) && ...) && one_kind<X...>;

template <class First, class... Rest>
struct FirstElement {
  using type = std::conditional_t<AnyTyped<First>, TensorElement<First>, FirstElement<Rest...>>::type;
};
template <class Last>
struct FirstElement<Last> : TensorElement<Last> {};

template <class X>
FormulaArgument argument(const X& x) {
  if constexpr (Number<X>)
    return {nullptr, static_cast<double>(x)};
  else
    return {&x};
}

template <Opcode op, class... X>
constexpr auto elementwise(Location at, const X&... x) {
  if constexpr ((Symbolic<X> || ...))
    return emit(op, x...);
  else
    return Tensor<typename FirstElement<X...>::type>(run_formula(primitive(op), {argument(x)...}, at));
}

template <class F, class... X>
constexpr auto elementwise(Location at, const X&... x) {
  if constexpr ((Symbolic<X> || ...))
    return F()(lift(builder_of(x...), x)...);
  else
    return Tensor<typename FirstElement<X...>::type>(
        run_formula(library_formula(formulas::All::index<F>()), {argument(x)...}, at));
}

}  // namespace detail

template <detail::Elementwise X>
constexpr auto neg(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::neg>(at, x); }
template <detail::Elementwise X>
constexpr auto abs(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::abs>(at, x); }
/// -1, 0 or 1; its gradient is 0.
template <detail::Elementwise X>
constexpr auto sign(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::sign>(at, x); }
template <detail::Elementwise X>
constexpr auto square(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::square>(at, x); }
template <detail::Elementwise X>
constexpr auto sqrt(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::sqrt>(at, x); }
/// 1 / sqrt(x)
template <detail::Elementwise X>
constexpr auto rsqrt(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::rsqrt>(at, x); }
/// 1 / x
template <detail::Elementwise X>
constexpr auto reciprocal(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::reciprocal>(at, x); }
template <detail::Elementwise X>
constexpr auto exp(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::exp>(at, x); }
/// exp(x) - 1, accurate near 0
template <detail::Elementwise X>
constexpr auto expm1(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::expm1>(at, x); }
template <detail::Elementwise X>
constexpr auto log(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::log>(at, x); }
/// log(1 + x), accurate near 0
template <detail::Elementwise X>
constexpr auto log1p(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::log1p>(at, x); }
template <detail::Elementwise X>
constexpr auto sin(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::sin>(at, x); }
template <detail::Elementwise X>
constexpr auto cos(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::cos>(at, x); }
template <detail::Elementwise X>
constexpr auto tan(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::tan>(at, x); }
template <detail::Elementwise X>
constexpr auto asin(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::asin>(at, x); }
template <detail::Elementwise X>
constexpr auto acos(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::acos>(at, x); }
template <detail::Elementwise X>
constexpr auto atan(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::atan>(at, x); }
template <detail::Elementwise X>
constexpr auto sinh(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::sinh>(at, x); }
template <detail::Elementwise X>
constexpr auto cosh(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::cosh>(at, x); }
template <detail::Elementwise X>
constexpr auto tanh(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::tanh>(at, x); }
/// 1 / (1 + exp(-x))
template <detail::Elementwise X>
constexpr auto sigmoid(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::sigmoid>(at, x); }
/// log(1 + exp(x))
template <detail::Elementwise X>
constexpr auto softplus(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::softplus>(at, x); }
template <detail::Elementwise X>
constexpr auto erf(const X& x, Location at = Location::current()) { return detail::elementwise<Opcode::erf>(at, x); }

/// max(x, 0)
template <detail::Elementwise X>
constexpr auto relu(const X& x, Location at = Location::current()) { return detail::elementwise<formulas::Relu>(at, x); }
/// x where positive, else slope * x
template <detail::Elementwise X>
constexpr auto leaky_relu(const X& x, double slope = 0.01, Location at = Location::current()) {
  return detail::elementwise<formulas::LeakyRelu>(at, x, slope);
}
/// x where positive, else alpha * (exp(x) - 1)
template <detail::Elementwise X>
constexpr auto elu(const X& x, double alpha = 1, Location at = Location::current()) {
  return detail::elementwise<formulas::Elu>(at, x, alpha);
}
/// x * Phi(x), Phi the normal distribution function (PyTorch's gelu)
template <detail::Elementwise X>
constexpr auto gelu(const X& x, Location at = Location::current()) { return detail::elementwise<formulas::Gelu>(at, x); }
/// The tanh approximation of gelu (PyTorch's gelu(approximate="tanh"))
template <detail::Elementwise X>
constexpr auto gelu_tanh(const X& x, Location at = Location::current()) { return detail::elementwise<formulas::GeluTanh>(at, x); }
/// x * sigmoid(x)
template <detail::Elementwise X>
constexpr auto silu(const X& x, Location at = Location::current()) { return detail::elementwise<formulas::Silu>(at, x); }
/// x, but at least low and at most high; the gradient is 0 outside
template <detail::Elementwise X>
constexpr auto clamp(const X& x, double low, double high, Location at = Location::current()) {
  return detail::elementwise<formulas::Clamp>(at, x, low, high);
}

/// a to the power of b. The gradient by b is 0 where the power is 0.
template <class A, class B> requires detail::ElementwiseArguments<A, B>
constexpr auto pow(const A& a, const B& b, Location at = Location::current()) { return detail::elementwise<Opcode::pow>(at, a, b); }
/// The angle of the point (x, y), in radians
template <class A, class B> requires detail::ElementwiseArguments<A, B>
constexpr auto atan2(const A& y, const B& x, Location at = Location::current()) { return detail::elementwise<Opcode::atan2>(at, y, x); }
/// The larger one; NaN if either is; where they are equal each gets half the gradient
template <class A, class B> requires detail::ElementwiseArguments<A, B>
constexpr auto maximum(const A& a, const B& b, Location at = Location::current()) { return detail::elementwise<Opcode::maximum>(at, a, b); }
/// The smaller one, on the same terms
template <class A, class B> requires detail::ElementwiseArguments<A, B>
constexpr auto minimum(const A& a, const B& b, Location at = Location::current()) { return detail::elementwise<Opcode::minimum>(at, a, b); }
/// `yes` where the condition is not 0, else `no`. No gradient to the condition.
template <class C, class A, class B> requires detail::ElementwiseArguments<C, A, B>
constexpr auto where(const C& condition, const A& yes, const B& no, Location at = Location::current()) {
  return detail::elementwise<Opcode::where>(at, condition, yes, no);
}

}  // namespace xgrad
