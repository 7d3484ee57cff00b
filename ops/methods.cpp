// The methods of tensors, which are the functions of their names.
#include <xgrad/autograd/tape/methods.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/matrix.hpp>
#include <xgrad/ops/order.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include <xgrad/ops/softmax.hpp>

namespace xgrad {

namespace {

template <Real T>
const Tensor<T>& self(const TensorMethods<T>& x) {
  return static_cast<const Tensor<T>&>(x);
}

}  // namespace

template <Real T>
Tensor<T> TensorMethods<T>::abs(Location at) const {
  return xgrad::abs(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::neg(Location at) const {
  return xgrad::neg(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::sign(Location at) const {
  return xgrad::sign(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::square(Location at) const {
  return xgrad::square(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::sqrt(Location at) const {
  return xgrad::sqrt(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::rsqrt(Location at) const {
  return xgrad::rsqrt(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::reciprocal(Location at) const {
  return xgrad::reciprocal(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::exp(Location at) const {
  return xgrad::exp(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::expm1(Location at) const {
  return xgrad::expm1(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::log(Location at) const {
  return xgrad::log(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::log1p(Location at) const {
  return xgrad::log1p(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::log2(Location at) const {
  return xgrad::log2(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::log10(Location at) const {
  return xgrad::log10(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::sin(Location at) const {
  return xgrad::sin(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::cos(Location at) const {
  return xgrad::cos(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::tan(Location at) const {
  return xgrad::tan(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::asin(Location at) const {
  return xgrad::asin(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::acos(Location at) const {
  return xgrad::acos(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::atan(Location at) const {
  return xgrad::atan(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::sinh(Location at) const {
  return xgrad::sinh(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::cosh(Location at) const {
  return xgrad::cosh(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::tanh(Location at) const {
  return xgrad::tanh(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::sigmoid(Location at) const {
  return xgrad::sigmoid(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::erf(Location at) const {
  return xgrad::erf(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::erfc(Location at) const {
  return xgrad::erfc(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::relu(Location at) const {
  return xgrad::relu(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::floor(Location at) const {
  return xgrad::floor(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::ceil(Location at) const {
  return xgrad::ceil(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::trunc(Location at) const {
  return xgrad::trunc(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::round(Location at) const {
  return xgrad::round(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::isnan(Location at) const {
  return xgrad::isnan(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::isinf(Location at) const {
  return xgrad::isinf(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::isfinite(Location at) const {
  return xgrad::isfinite(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::pow(double exponent, Location at) const {
  return xgrad::pow(self(*this), exponent, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::pow(const Tensor<T>& exponent, Location at) const {
  return xgrad::pow(self(*this), exponent, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::clamp(double low, double high, Location at) const {
  return xgrad::clamp(self(*this), low, high, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::masked_fill(const Tensor<T>& mask, double value, Location at) const {
  return xgrad::masked_fill(self(*this), mask, value, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::sum(Location at) const {
  return xgrad::sum(self(*this), {}, false, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::sum(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::sum(self(*this), axes, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::mean(Location at) const {
  return xgrad::mean(self(*this), {}, false, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::mean(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::mean(self(*this), axes, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::prod(Location at) const {
  return xgrad::prod(self(*this), {}, false, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::prod(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::prod(self(*this), axes, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::amax(Location at) const {
  return xgrad::amax(self(*this), {}, false, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::amax(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::amax(self(*this), axes, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::amin(Location at) const {
  return xgrad::amin(self(*this), {}, false, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::amin(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::amin(self(*this), axes, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::logsumexp(Location at) const {
  return xgrad::logsumexp(self(*this), {}, false, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::logsumexp(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::logsumexp(self(*this), axes, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::any(Location at) const {
  return xgrad::any(self(*this), {}, false, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::any(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::any(self(*this), axes, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::all(Location at) const {
  return xgrad::all(self(*this), {}, false, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::all(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::all(self(*this), axes, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::var(Location at) const {
  return xgrad::var(self(*this), {}, {}, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::var(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::var(self(*this), axes, {.keepdims = keepdims}, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::stddev(Location at) const {
  return xgrad::stddev(self(*this), {}, {}, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::stddev(const Axes& axes, bool keepdims, Location at) const {
  return xgrad::stddev(self(*this), axes, {.keepdims = keepdims}, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::norm(double p, Location at) const {
  return xgrad::norm(self(*this), p, {}, false, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::norm(double p, const Axes& axes, bool keepdims, Location at) const {
  return xgrad::norm(self(*this), p, axes, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::max(Location at) const {
  return xgrad::max(self(*this), at);
}
template <Real T>
ValuesAndIndices<T> TensorMethods<T>::max(std::int64_t axis, bool keepdims, Location at) const {
  return xgrad::max(self(*this), axis, keepdims, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::min(Location at) const {
  return xgrad::min(self(*this), at);
}
template <Real T>
ValuesAndIndices<T> TensorMethods<T>::min(std::int64_t axis, bool keepdims, Location at) const {
  return xgrad::min(self(*this), axis, keepdims, at);
}
template <Real T>
Indices TensorMethods<T>::argmax(Location at) const {
  return xgrad::argmax(self(*this), at);
}
template <Real T>
Indices TensorMethods<T>::argmax(std::int64_t axis, bool keepdims, Location at) const {
  return xgrad::argmax(self(*this), axis, keepdims, at);
}
template <Real T>
Indices TensorMethods<T>::argmin(Location at) const {
  return xgrad::argmin(self(*this), at);
}
template <Real T>
Indices TensorMethods<T>::argmin(std::int64_t axis, bool keepdims, Location at) const {
  return xgrad::argmin(self(*this), axis, keepdims, at);
}
template <Real T>
ValuesAndIndices<T> TensorMethods<T>::sort(std::int64_t axis, bool descending, Location at) const {
  return xgrad::sort(self(*this), axis, descending, at);
}
template <Real T>
Indices TensorMethods<T>::argsort(std::int64_t axis, bool descending, Location at) const {
  return xgrad::argsort(self(*this), axis, descending, at);
}
template <Real T>
ValuesAndIndices<T> TensorMethods<T>::topk(std::int64_t k, std::int64_t axis, bool largest,
                                           Location at) const {
  return xgrad::topk(self(*this), k, axis, largest, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::cumsum(std::int64_t axis, Location at) const {
  return xgrad::cumsum(self(*this), axis, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::cumprod(std::int64_t axis, Location at) const {
  return xgrad::cumprod(self(*this), axis, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::softmax(std::int64_t axis, Location at) const {
  return xgrad::softmax(self(*this), axis, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::log_softmax(std::int64_t axis, Location at) const {
  return xgrad::log_softmax(self(*this), axis, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::operator[](std::int64_t i) const {
  return xgrad::select(self(*this), 0, i);
}
template <Real T>
Tensor<T> TensorMethods<T>::operator[](const std::vector<Slice>& slices) const {
  return xgrad::slice(self(*this), slices);
}
template <Real T>
Tensor<T> TensorMethods<T>::reshape(const IntList& shape, Location at) const {
  return xgrad::reshape(self(*this), shape, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::view(const IntList& shape, Location at) const {
  return xgrad::reshape(self(*this), shape, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::flatten(std::int64_t start, std::int64_t end, Location at) const {
  return xgrad::flatten(self(*this), start, end, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::squeeze(Location at) const {
  return xgrad::squeeze(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::squeeze(std::int64_t axis, Location at) const {
  return xgrad::squeeze(self(*this), axis, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::unsqueeze(std::int64_t axis, Location at) const {
  return xgrad::unsqueeze(self(*this), axis, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::expand(const IntList& shape, Location at) const {
  return xgrad::expand(self(*this), shape, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::transpose(std::int64_t a, std::int64_t b, Location at) const {
  return xgrad::transpose(self(*this), a, b, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::t(Location at) const {
  const Tensor<T>& x = self(*this);
  if (x.rank() > 2)
    throw ShapeError(fmt::format("t: shape {} is of no matrix; use transpose", to_string(x.shape())));
  return x.rank() < 2 ? x : xgrad::transpose(x, 0, 1, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::permute(const IntList& axes, Location at) const {
  return xgrad::permute(self(*this), axes, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::flip(const IntList& axes, Location at) const {
  return xgrad::flip(self(*this), axes, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::repeat(const IntList& times, Location at) const {
  return xgrad::repeat(self(*this), times, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::select(std::int64_t axis, std::int64_t index, Location at) const {
  return xgrad::select(self(*this), axis, index, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::narrow(std::int64_t axis, std::int64_t start, std::int64_t length,
                                   Location at) const {
  return xgrad::narrow(self(*this), axis, start, length, at);
}
template <Real T>
std::vector<Tensor<T>> TensorMethods<T>::unbind(std::int64_t axis, Location at) const {
  return xgrad::unbind(self(*this), axis, at);
}
template <Real T>
std::vector<Tensor<T>> TensorMethods<T>::chunk(std::int64_t count, std::int64_t axis, Location at) const {
  return xgrad::chunk(self(*this), count, axis, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::index_select(std::int64_t axis, const Indices& indices, Location at) const {
  return xgrad::index_select(self(*this), axis, indices, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::gather(std::int64_t axis, const Indices& indices, Location at) const {
  return xgrad::gather(self(*this), axis, indices, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::tril(std::int64_t diagonal, Location at) const {
  return xgrad::tril(self(*this), diagonal, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::triu(std::int64_t diagonal, Location at) const {
  return xgrad::triu(self(*this), diagonal, at);
}
template <Real T>
Tensor<T> TensorMethods<T>::trace(Location at) const {
  return xgrad::trace(self(*this), at);
}
template <Real T>
Tensor<T> TensorMethods<T>::matmul(const Tensor<T>& other, Location at) const {
  return xgrad::matmul(self(*this), other, {}, at);
}

template class TensorMethods<float>;
template class TensorMethods<double>;

}  // namespace xgrad
