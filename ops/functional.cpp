// Products with Jacobians and Hessians, and whole ones.
#include <xgrad/ops/functional.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

// What a function is called with: leaves of their own, or, for a result that can be differentiated, steps
// away from the inputs. Either way no other path leads from one to another.
template <Real T>
std::vector<Tensor<T>> apart(std::string_view op, const std::vector<Tensor<T>>& x, bool create_graph) {
  if (x.empty()) throw ValueError(fmt::format("{}: no inputs; give at least one", op));
  std::vector<Tensor<T>> copies;
  for (std::size_t i = 0; i < x.size(); ++i) {
    check_defined(op, x[i], i);
    copies.push_back(create_graph && x[i].requires_grad() ? x[i].clone()
                                                          : x[i].detach().clone().set_requires_grad());
  }
  return copies;
}

// vᵀ · J of y by each input, zeros where it does not depend on one.
template <Real T>
std::vector<Tensor<T>> pulled_back(const Tensor<T>& y, const std::vector<Tensor<T>>& x, const Tensor<T>& v,
                                   bool create_graph, bool retain_graph = false) {
  std::vector<Tensor<T>> g(x.size());
  if (y.requires_grad())
    g = grad(std::vector{y}, x,
             {.grad_outputs = {v},
              .retain_graph = retain_graph,
              .create_graph = create_graph,
              .allow_unused = true});
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!g[i].defined()) g[i] = zeros_like(x[i]);
  return g;
}

template <Real T>
void check_shape(std::string_view op, const Tensor<T>& v, const Tensor<T>& like, std::string_view what) {
  check_defined(op, v, 1);
  if (v.shape() != like.shape())
    throw ShapeError(fmt::format("{}: v of shape {} for {} of shape {}; give it that shape", op,
                                 to_string(v.shape()), what, to_string(like.shape())));
}

template <Real T>
void check_directions(std::string_view op, const std::vector<Tensor<T>>& v, const std::vector<Tensor<T>>& x) {
  if (v.size() != x.size())
    throw ValueError(
        fmt::format("{}: {} directions for {} inputs; give one for each", op, v.size(), x.size()));
  for (std::size_t i = 0; i < x.size(); ++i) check_shape(op, v[i], x[i], "an input");
}

template <Real T>
void check_scalar(std::string_view op, const Tensor<T>& y) {
  if (y.elements() != 1)
    throw ShapeError(
        fmt::format("{}: the function gives shape {}; it must give one number", op, to_string(y.shape())));
}

template <Real T>
Tensor<T> result(const Tensor<T>& y, FunctionalOptions options) {
  return options.create_graph ? y : y.detach();
}

}  // namespace

template <Real T>
ResultAndProducts<T> detail::vjp_of(const FunctionOfTensors<T>& f, const std::vector<Tensor<T>>& x,
                                    const Tensor<T>& v, FunctionalOptions options, Location at) {
  const CallSite call(at);
  const enable_grad scope;
  const auto copies = apart("vjp", x, options.create_graph);
  const Tensor<T> y = f(copies);
  check_shape("vjp", v, y, "a result");
  return {result(y, options), pulled_back(y, copies, v, options.create_graph)};
}

template <Real T>
std::pair<Tensor<T>, Tensor<T>> detail::jvp_of(const FunctionOfTensors<T>& f, const std::vector<Tensor<T>>& x,
                                               const std::vector<Tensor<T>>& v, FunctionalOptions options,
                                               Location at) {
  const CallSite call(at);
  const enable_grad scope;
  const auto copies = apart("jvp", x, options.create_graph);
  check_directions("jvp", v, x);
  const Tensor<T> y = f(copies), u = zeros_like(y).set_requires_grad();
  const auto g = pulled_back(y, copies, u, true);  // linear in u
  Tensor<T> product;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Tensor<T> part = pulled_back(g[i], {u}, v[i], options.create_graph, true)[0];
    product = product.defined() ? product + part : part;
  }
  return {result(y, options), product};
}

template <Real T>
std::vector<Tensor<T>> detail::jacobian_of(const FunctionOfTensors<T>& f, const std::vector<Tensor<T>>& x,
                                           FunctionalOptions options, Location at) {
  const CallSite call(at);
  const enable_grad scope;
  const auto copies = apart("jacobian", x, options.create_graph);
  const Tensor<T> y = f(copies);
  std::vector<std::vector<Tensor<T>>> rows(x.size());
  for (std::int64_t k = 0; k < y.elements(); ++k) {
    Tensor<T> v = zeros_like(y);
    v.mutable_values()[static_cast<std::size_t>(k)] = 1;
    const auto g = pulled_back(y, copies, v, options.create_graph, true);
    for (std::size_t i = 0; i < x.size(); ++i) rows[i].push_back(g[i]);
  }
  std::vector<Tensor<T>> jacobians;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Shape shape = y.shape();
    for (const std::int64_t extent : x[i].shape()) shape.push_back(extent);
    jacobians.push_back(rows[i].empty() ? zeros<T>(shape) : reshape(stack(rows[i]), shape));
  }
  return jacobians;
}

template <Real T>
Tensor<T> detail::hessian_of(const FunctionOfTensors<T>& f, const Tensor<T>& x, FunctionalOptions options,
                             Location at) {
  const CallSite call(at);
  const FunctionOfTensors<T> gradient = [&](const std::vector<Tensor<T>>& copies) {
    const Tensor<T> y = f(copies);
    check_scalar("hessian", y);
    return pulled_back(y, copies, ones_like(y), true)[0];
  };
  return jacobian_of(gradient, {x}, options, at)[0];
}

template <Real T>
ResultAndProducts<T> detail::hvp_of(const FunctionOfTensors<T>& f, const std::vector<Tensor<T>>& x,
                                    const std::vector<Tensor<T>>& v, FunctionalOptions options, Location at) {
  const CallSite call(at);
  const enable_grad scope;
  const auto copies = apart("hvp", x, options.create_graph);
  check_directions("hvp", v, x);
  const Tensor<T> y = f(copies);
  check_scalar("hvp", y);
  const auto g = pulled_back(y, copies, ones_like(y), true);
  std::vector<Tensor<T>> products(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto parts = pulled_back(g[i], copies, v[i], options.create_graph, true);
    for (std::size_t j = 0; j < x.size(); ++j) products[j] = i == 0 ? parts[j] : products[j] + parts[j];
  }
  return {result(y, options), std::move(products)};
}

#define XGRAD_INSTANTIATE(T)                                                                               \
  template ResultAndProducts<T> detail::vjp_of(const FunctionOfTensors<T>&, const std::vector<Tensor<T>>&, \
                                               const Tensor<T>&, FunctionalOptions, Location);             \
  template std::pair<Tensor<T>, Tensor<T>> detail::jvp_of(                                                 \
      const FunctionOfTensors<T>&, const std::vector<Tensor<T>>&, const std::vector<Tensor<T>>&,           \
      FunctionalOptions, Location);                                                                        \
  template std::vector<Tensor<T>> detail::jacobian_of(                                                     \
      const FunctionOfTensors<T>&, const std::vector<Tensor<T>>&, FunctionalOptions, Location);            \
  template Tensor<T> detail::hessian_of(const FunctionOfTensors<T>&, const Tensor<T>&, FunctionalOptions,  \
                                        Location);                                                         \
  template ResultAndProducts<T> detail::hvp_of(const FunctionOfTensors<T>&, const std::vector<Tensor<T>>&, \
                                               const std::vector<Tensor<T>>&, FunctionalOptions, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
