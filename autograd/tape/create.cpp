// Making tensors.
#include <xgrad/autograd/tape/create.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad {

namespace {

template <Real T>
std::span<T> elements_of(Tensor<T>& fresh) {
  return {reinterpret_cast<T*>(fresh.mutable_bytes()), static_cast<std::size_t>(fresh.elements())};
}

// A new tensor whose i-th element is f(i).
template <Real T, class F>
Tensor<T> generated(const Shape& shape, F f) {
  Tensor<T> result = empty<T>(shape);
  std::int64_t i = 0;
  for (T& x : elements_of(result)) x = static_cast<T>(f(i++));
  detail::repeat_values(result);
  return result;
}

}  // namespace

template <Real T>
Tensor<T> empty(const Shape& shape) {
  return Tensor<T>(AnyTensor::empty(shape, dtype_of<T>));
}
template <Real T>
Tensor<T> full(const Shape& shape, double value) {
  return Tensor<T>(AnyTensor::full(shape, dtype_of<T>, value));
}
template <Real T>
Tensor<T> zeros(const Shape& shape) {
  return Tensor<T>(AnyTensor::zeros(shape, dtype_of<T>));
}
template <Real T>
Tensor<T> ones(const Shape& shape) {
  return full<T>(shape, 1);
}
template <Real T>
Tensor<T> scalar(double value) {
  return full<T>({}, value);
}

template <Real T>
Tensor<T> eye(std::int64_t rows, std::int64_t columns, Location at) {
  const detail::CallSite site(at);
  if (rows < 0 || columns < 0)
    throw ValueError(fmt::format("eye: {} rows and {} columns; give 0 or more", rows, columns));
  return generated<T>({rows, columns}, [&](std::int64_t i) { return i / columns == i % columns; });
}
template <Real T>
Tensor<T> eye(std::int64_t rows, Location at) {
  return eye<T>(rows, rows, at);
}

template <Real T>
Tensor<T> arange(double start, double stop, double step, Location at) {
  const detail::CallSite site(at);
  if (step == 0 || !std::isfinite((stop - start) / step))
    throw ValueError(fmt::format("arange: cannot go from {} to {} in steps of {}", start, stop, step));
  const auto count = static_cast<std::int64_t>(std::clamp(std::ceil((stop - start) / step), 0.0, 1e18));
  return generated<T>({count}, [&](std::int64_t i) { return start + static_cast<double>(i) * step; });
}
template <Real T>
Tensor<T> arange(double stop, Location at) {
  return arange<T>(0, stop, 1, at);
}

template <Real T>
Tensor<T> linspace(double start, double stop, std::int64_t count, Location at) {
  const detail::CallSite site(at);
  return generated<T>({count}, [&](std::int64_t i) {
    return i + 1 == count && count > 1
               ? stop
               : start + (stop - start) * static_cast<double>(i) /
                             static_cast<double>(std::max<std::int64_t>(count - 1, 1));
  });
}

template <Real T>
Tensor<T> from_values(const Shape& shape, std::span<const T> values, Location at) {
  const detail::CallSite site(at);
  if (static_cast<std::int64_t>(values.size()) != shape.elements())
    throw ShapeError(fmt::format("from_values: {} values for shape {}, which holds {}", values.size(),
                                 to_string(shape), shape.elements()));
  return generated<T>(shape, [&](std::int64_t i) { return values[static_cast<std::size_t>(i)]; });
}

template <Real T>
Tensor<T> rand(const Shape& shape, Generator& generator) {
  Tensor<T> result = empty<T>(shape);
  kernels::on(result.device())
      .template of<T>()
      .uniform(generator, 0, 1, elements_of(result).data(), result.elements());
  return result;
}

template <Real T>
Tensor<T> randn(const Shape& shape, Generator& generator) {
  Tensor<T> result = empty<T>(shape);
  kernels::on(result.device())
      .template of<T>()
      .normal(generator, 0, 1, elements_of(result).data(), result.elements());
  return result;
}

template <Real T>
Tensor<T> randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator,
                  Location at) {
  const detail::CallSite site(at);
  if (high <= low) throw ValueError(fmt::format("randint: no integer in [{}, {})", low, high));
  return generated<T>(shape, [&](std::int64_t) {
    return low + static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(high - low)));
  });
}

template <Real T>
bool allclose(const Tensor<T>& a, const Tensor<T>& b, double relative, double absolute) {
  detail::require_defined("allclose", a);
  detail::require_defined("allclose", b);
  return a.shape() == b.shape() && std::ranges::equal(a.values(), b.values(), [&](T x, T y) {
           const double difference = std::abs(static_cast<double>(x) - static_cast<double>(y));
           return x == y ||
                  (std::isfinite(y) && difference <= absolute + relative * std::abs(static_cast<double>(y)));
         });
}

#define XGRAD_INSTANTIATE(T)                                                                  \
  template Tensor<T> empty(const Shape&);                                                     \
  template Tensor<T> full(const Shape&, double);                                              \
  template Tensor<T> zeros(const Shape&);                                                     \
  template Tensor<T> ones(const Shape&);                                                      \
  template Tensor<T> scalar(double);                                                          \
  template Tensor<T> eye(std::int64_t, Location);                                             \
  template Tensor<T> eye(std::int64_t, std::int64_t, Location);                               \
  template Tensor<T> arange(double, double, double, Location);                                \
  template Tensor<T> arange(double, Location);                                                \
  template Tensor<T> linspace(double, double, std::int64_t, Location);                        \
  template Tensor<T> from_values(const Shape&, std::span<const T>, Location);                 \
  template Tensor<T> rand(const Shape&, Generator&);                                          \
  template Tensor<T> randn(const Shape&, Generator&);                                         \
  template Tensor<T> randint(std::int64_t, std::int64_t, const Shape&, Generator&, Location); \
  template bool allclose(const Tensor<T>&, const Tensor<T>&, double, double);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
