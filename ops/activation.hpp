// Activations of PyTorch beyond those in elementwise.hpp: of tensors and of a formula's symbols alike, but for glu and
// prelu, which know axes.
#pragma once

#include <xgrad/ops/elementwise.hpp>

namespace xgrad {

namespace detail {

[[noreturn]] void limits_are_swapped(double low, double high);
[[noreturn]] void celu_of_zero();
[[noreturn]] void shrinks_by_negative(double lambd);

}  // namespace detail

/// log(sigmoid(x)), without overflow
template <detail::Elementwise X>
constexpr auto logsigmoid(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::LogSigmoid>(at, std::forward<X>(x));
}
/// x, but at least low and at most high; its gradient is 0 there and outside, unlike that of clamp. Throws ValueError
/// unless low <= high.
template <detail::Elementwise X>
constexpr auto hardtanh(X&& x, double low = -1, double high = 1, Location at = Location::current()) {
  if (!(low <= high)) detail::limits_are_swapped(low, high);
  return detail::elementwise<formulas::HardTanh>(at, std::forward<X>(x), low, high);
}
/// min(max(x, 0), 6); its gradient is 0 at both and outside.
template <detail::Elementwise X>
constexpr auto relu6(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::HardTanh>(at, std::forward<X>(x), 0, 6);
}
/// relu6(x + 3) / 6 (Courbariaux et al. 2015)
template <detail::Elementwise X>
constexpr auto hardsigmoid(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::HardSigmoid>(at, std::forward<X>(x));
}
/// x relu6(x + 3) / 6 (Howard et al. 2019)
template <detail::Elementwise X>
constexpr auto hardswish(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::HardSwish>(at, std::forward<X>(x));
}
/// 1.0507… elu(x, 1.6733…), which keeps mean 0 and variance 1 (Klambauer et al. 2017)
template <detail::Elementwise X>
constexpr auto selu(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Selu>(at, std::forward<X>(x));
}
/// max(x, 0) + min(0, alpha (exp(x / alpha) - 1)) (Barron 2017). Throws ValueError for alpha = 0.
template <detail::Elementwise X>
constexpr auto celu(X&& x, double alpha = 1, Location at = Location::current()) {
  if (alpha == 0) detail::celu_of_zero();
  return detail::elementwise<formulas::Celu>(at, std::forward<X>(x), alpha);
}
/// x tanh(softplus(x)) (Misra 2019)
template <detail::Elementwise X>
constexpr auto mish(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::Mish>(at, std::forward<X>(x));
}
/// x / (1 + |x|)
template <detail::Elementwise X>
constexpr auto softsign(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::SoftSign>(at, std::forward<X>(x));
}
/// x - tanh(x)
template <detail::Elementwise X>
constexpr auto tanhshrink(X&& x, Location at = Location::current()) {
  return detail::elementwise<formulas::TanhShrink>(at, std::forward<X>(x));
}
/// x, but 0 where |x| <= lambd
template <detail::Elementwise X>
constexpr auto hardshrink(X&& x, double lambd = 0.5, Location at = Location::current()) {
  return detail::elementwise<formulas::HardShrink>(at, std::forward<X>(x), lambd);
}
/// x moved by lambd towards 0, which it does not pass. Throws ValueError for lambd < 0.
template <detail::Elementwise X>
constexpr auto softshrink(X&& x, double lambd = 0.5, Location at = Location::current()) {
  if (!(lambd >= 0)) detail::shrinks_by_negative(lambd);
  return detail::elementwise<formulas::SoftShrink>(at, std::forward<X>(x), lambd);
}
/// x where it is above the threshold, else value
template <detail::Elementwise X>
constexpr auto threshold(X&& x, double threshold, double value, Location at = Location::current()) {
  return detail::elementwise<formulas::Threshold>(at, std::forward<X>(x), threshold, value);
}

/// a sigmoid(b), for the halves a and b of x along an axis (Dauphin et al. 2017). Throws ShapeError for an odd extent.
template <Real T>
Tensor<T> glu(const Tensor<T>& x, std::int64_t axis = -1, Location at = Location::current());

/// x where positive, else weight * x; weight has one element, or one for each of axis 1 of x. Throws ShapeError for
/// another shape.
template <Real T>
Tensor<T> prelu(const Tensor<T>& x, const Tensor<T>& weight, Location at = Location::current());

}  // namespace xgrad
