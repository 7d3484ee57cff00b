// Derivatives of functions: products with Jacobians and Hessians, whole ones, and checkpoints, which compute
// a function again in backward. Names are those of torch.autograd.functional; there is no vmap.
//
// A function takes one tensor, or several as `const std::vector<Tensor<T>>&`, and returns a tensor. It is
// called on copies, so that no leaf's grad() is touched. Results have a history only where `create_graph`
// asks for one.
#pragma once

#include <concepts>
#include <functional>
#include <utility>
#include <vector>

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// Options of vjp, jvp, jacobian, hessian and hvp.
struct FunctionalOptions {
  bool create_graph = false;  ///< whether results can be differentiated, by the inputs and by v
};

namespace detail {

template <Real T>
using FunctionOfTensors = std::function<Tensor<T>(const std::vector<Tensor<T>>&)>;

/// The function's result, and one product for each input; or one whole Jacobian for each.
template <Real T>
using ResultAndProducts = std::pair<Tensor<T>, std::vector<Tensor<T>>>;
template <Real T>
ResultAndProducts<T> vjp_of(const FunctionOfTensors<T>& f, const std::vector<Tensor<T>>& x,
                            const Tensor<T>& v, FunctionalOptions options, Location at);
template <Real T>
std::pair<Tensor<T>, Tensor<T>> jvp_of(const FunctionOfTensors<T>& f, const std::vector<Tensor<T>>& x,
                                       const std::vector<Tensor<T>>& v, FunctionalOptions options,
                                       Location at);
template <Real T>
std::vector<Tensor<T>> jacobian_of(const FunctionOfTensors<T>& f, const std::vector<Tensor<T>>& x,
                                   FunctionalOptions options, Location at);
template <Real T>
ResultAndProducts<T> hvp_of(const FunctionOfTensors<T>& f, const std::vector<Tensor<T>>& x,
                            const std::vector<Tensor<T>>& v, FunctionalOptions options, Location at);
template <Real T>
Tensor<T> hessian_of(const FunctionOfTensors<T>& f, const Tensor<T>& x, FunctionalOptions options,
                     Location at);
template <Real T>
Tensor<T> checkpoint_of(FunctionOfTensors<T> f, const std::vector<Tensor<T>>& x, Location at);

template <Real T, class F>
FunctionOfTensors<T> of_first(F f) {
  return [f = std::move(f)](const std::vector<Tensor<T>>& x) -> Tensor<T> { return f(x[0]); };
}

}  // namespace detail

/// f(x), and vᵀ · J with its Jacobian J, in x's shape; v has the result's shape. Of several inputs, a list:
/// `auto [y, g] = vjp(f, x, v);`
template <class F, Real T>
std::pair<Tensor<T>, Tensor<T>> vjp(const F& f, const Tensor<T>& x, const Tensor<T>& v,
                                    FunctionalOptions options = {}, Location at = Location::current()) {
  auto [y, products] = detail::vjp_of<T>(detail::of_first<T>(std::cref(f)), {x}, v, options, at);
  return {std::move(y), std::move(products[0])};
}
template <class F, Real T>
std::pair<Tensor<T>, std::vector<Tensor<T>>> vjp(const F& f, const std::vector<Tensor<T>>& x,
                                                 const Tensor<T>& v, FunctionalOptions options = {},
                                                 Location at = Location::current()) {
  return detail::vjp_of<T>(std::cref(f), x, v, options, at);
}

/// f(x), and J · v, in the result's shape; v has x's. Exact: the derivative of vᵀ · J by v, which costs about
/// three calls of f.
template <class F, Real T>
std::pair<Tensor<T>, Tensor<T>> jvp(const F& f, const Tensor<T>& x, const Tensor<T>& v,
                                    FunctionalOptions options = {}, Location at = Location::current()) {
  return detail::jvp_of<T>(detail::of_first<T>(std::cref(f)), {x}, {v}, options, at);
}
template <class F, Real T>
std::pair<Tensor<T>, Tensor<T>> jvp(const F& f, const std::vector<Tensor<T>>& x,
                                    const std::vector<Tensor<T>>& v, FunctionalOptions options = {},
                                    Location at = Location::current()) {
  return detail::jvp_of<T>(std::cref(f), x, v, options, at);
}

/// The derivative of each element of f(x) by each of x: shape of the result + shape of x. One backward pass
/// for each element of the result.
template <class F, Real T>
Tensor<T> jacobian(const F& f, const Tensor<T>& x, FunctionalOptions options = {},
                   Location at = Location::current()) {
  return detail::jacobian_of<T>(detail::of_first<T>(std::cref(f)), {x}, options, at)[0];
}
template <class F, Real T>
std::vector<Tensor<T>> jacobian(const F& f, const std::vector<Tensor<T>>& x, FunctionalOptions options = {},
                                Location at = Location::current()) {
  return detail::jacobian_of<T>(std::cref(f), x, options, at);
}

/// The second derivatives of a scalar f(x): shape of x, twice. Throws ShapeError for a result that is no
/// scalar.
template <class F, Real T>
Tensor<T> hessian(const F& f, const Tensor<T>& x, FunctionalOptions options = {},
                  Location at = Location::current()) {
  return detail::hessian_of<T>(detail::of_first<T>(std::cref(f)), x, options, at);
}

/// A scalar f(x), and H · v with its Hessian H, in x's shape, which v has too. Never forms H: a step of
/// Newton's method by conjugate gradients costs a few calls of f.
template <class F, Real T>
std::pair<Tensor<T>, Tensor<T>> hvp(const F& f, const Tensor<T>& x, const Tensor<T>& v,
                                    FunctionalOptions options = {}, Location at = Location::current()) {
  auto [y, products] = detail::hvp_of<T>(detail::of_first<T>(std::cref(f)), {x}, {v}, options, at);
  return {std::move(y), std::move(products[0])};
}
template <class F, Real T>
std::pair<Tensor<T>, std::vector<Tensor<T>>> hvp(const F& f, const std::vector<Tensor<T>>& x,
                                                 const std::vector<Tensor<T>>& v,
                                                 FunctionalOptions options = {},
                                                 Location at = Location::current()) {
  return detail::hvp_of<T>(std::cref(f), x, v, options, at);
}

/// f(x), whose intermediate values are forgotten, and computed again in backward: memory for time
/// (torch.utils.checkpoint). What f draws from the default generator is drawn again alike. Parameters that f
/// captures get their gradients. Throws GraphError where it captures the result of an earlier op, and backward
/// under create_graph where it captures parameters: pass those as inputs. f is copied, and must not change
/// what it captures.
template <class F, Real T>
Tensor<T> checkpoint(F f, const Tensor<T>& x, Location at = Location::current()) {
  return detail::checkpoint_of<T>(detail::of_first<T>(std::move(f)), {x}, at);
}
/// The same of several inputs: `checkpoint(f, std::vector{x, h})` calls f with that vector.
template <class F, Real T>
Tensor<T> checkpoint(F f, const std::vector<Tensor<T>>& x, Location at = Location::current()) {
  return detail::checkpoint_of<T>(std::move(f), x, at);
}

}  // namespace xgrad
