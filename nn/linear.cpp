// y = x Wᵀ + b
#include <xgrad/nn/linear.hpp>

#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/nn/init.hpp>
#include <xgrad/ops/matmul.hpp>

namespace xgrad::nn {

template <Real T>
Linear<T>::Linear(std::int64_t in, std::int64_t out, bool with_bias, Generator& generator,
                  Location at) {
  const xgrad::detail::CallSite call(at);
  if (in < 0 || out < 0)
    throw ValueError(fmt::format("Linear: sizes must not be negative, got in = {}, out = {}", in, out));
  const double bound =
      in > 0 ? 1 / std::sqrt(static_cast<double>(in)) : 0;  // kaiming_uniform with slope sqrt(5)
  weight = init::uniform(empty<T>({out, in}), -bound, bound, generator).set_requires_grad();
  if (with_bias) bias = init::uniform(empty<T>({out}), -bound, bound, generator).set_requires_grad();
}

template <Real T>
Tensor<T> Linear<T>::operator()(const Tensor<T>& x, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    if (!weight.defined())
      throw ValueError("Linear: used before it has parameters; construct it with its sizes, Linear<>{in, out}");
    const std::int64_t out = weight.shape()[0], in = weight.shape()[1];
    if (x.defined() && (x.rank() == 0 || x.size(-1) != in))
      throw ShapeError(fmt::format("Linear(in={}, out={}): x has shape {}; its last axis must be {}", in, out,
                                   xgrad::to_string(x.shape()), in));
    return bias.defined() ? linear(x, weight, bias, at) : linear(x, weight, at);
  });
}

template <Real T>
std::string Linear<T>::attributes() const {
  if (!weight.defined()) return "no parameters";
  return fmt::format("in_features={}, out_features={}, bias={}", weight.shape()[1], weight.shape()[0],
                     bias.defined() ? "True" : "False");
}

#define XGRAD_INSTANTIATE(T) template struct Linear<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
