// y = aᵀ W b + bias
#include <xgrad/nn/bilinear.hpp>

#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/nn/init.hpp>
#include <xgrad/ops/einsum.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn {

template <Real T>
Bilinear<T>::Bilinear(std::int64_t first, std::int64_t second, std::int64_t out, bool with_bias,
                      Generator& generator, Location at) {
  const xgrad::detail::CallSite call(at);
  if (first < 1 || second < 1 || out < 1)
    throw ValueError(
        fmt::format("Bilinear: sizes must be at least 1, got {}, {} and out = {}", first, second, out));
  const double bound = 1 / std::sqrt(static_cast<double>(first));
  weight = init::uniform(empty<T>({out, first, second}), -bound, bound, generator).set_requires_grad();
  if (with_bias) bias = init::uniform(empty<T>({out}), -bound, bound, generator).set_requires_grad();
}

template <Real T>
Tensor<T> Bilinear<T>::operator()(const Tensor<T>& a, const Tensor<T>& b, Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(weight, [&] {
    if (!weight.defined())
      throw ValueError(
          "Bilinear: used before it has parameters; construct it with its sizes, Bilinear<>{3, 4, 5}");
    const std::int64_t out = weight.shape()[0], first = weight.shape()[1], second = weight.shape()[2];
    const auto rows = [](const Tensor<T>& x) {
      Shape shape = x.shape();
      if (shape.rank() > 0) shape.erase(shape.rank() - 1);
      return shape;
    };
    if (!a.defined() || !b.defined() || a.rank() == 0 || b.rank() == 0 || a.size(-1) != first ||
        b.size(-1) != second || rows(a) != rows(b))
      throw ShapeError(fmt::format("Bilinear({}, {}, out={}): inputs {} and {}; they are (…, {}) and (…, {})",
                                   first, second, out, xgrad::to_string(a.shape()),
                                   xgrad::to_string(b.shape()), first, second));
    Shape shape = rows(a);
    const std::int64_t n = shape.elements();
    shape.push_back(out);
    const Tensor<T> y = reshape(
        einsum("ni,oij,nj->no", {reshape(a, {n, first}, at), weight, reshape(b, {n, second}, at)}, at), shape,
        at);
    return bias.defined() ? y + bias : y;
  });
}

template <Real T>
std::string Bilinear<T>::attributes() const {
  if (!weight.defined()) return "no parameters";
  return fmt::format("in1_features={}, in2_features={}, out_features={}, bias={}", weight.shape()[1],
                     weight.shape()[2], weight.shape()[0], bias.defined() ? "True" : "False");
}

#define XGRAD_INSTANTIATE(T) template struct Bilinear<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
