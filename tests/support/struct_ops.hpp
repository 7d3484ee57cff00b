// Two struct ops for tests of the engine: one hands its gradient on, one throws.
#pragma once

#include <stdexcept>

#include <xgrad/autograd/tape/op.hpp>

namespace xgrad::testing {

/// y = x, with a vjp that passes on the gradient as it came: what a reshape does.
template <Real T>
struct Pass {
  static constexpr std::string_view name = "pass";
  Tensor<T> forward(const Tensor<T>& x) const { return x; }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {g}; }
};
inline Tensor<double> pass(const Tensor<double>& x) { return apply(Pass<double>{}, Location::current(), x); }

/// y = x, with a vjp that throws.
template <Real T>
struct Thrower {
  static constexpr std::string_view name = "thrower";
  Tensor<T> forward(const Tensor<T>& x) const { return x; }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>&) const { throw std::runtime_error("vjp threw"); }
};
inline Tensor<double> thrower(const Tensor<double>& x) {
  return apply(Thrower<double>{}, Location::current(), x);
}

}  // namespace xgrad::testing
