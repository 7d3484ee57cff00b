// Making tensors.
#pragma once

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// As their namesakes in NumPy and PyTorch: `zeros({2, 3})` is float, `zeros<double>({2, 3})` is double.
template <Real T = float>
Tensor<T> zeros(const Shape& shape);
template <Real T = float>
Tensor<T> ones(const Shape& shape);
template <Real T = float>
Tensor<T> full(const Shape& shape, double value);
/// Uninitialised.
template <Real T = float>
Tensor<T> empty(const Shape& shape);
/// A scalar.
template <Real T = float>
Tensor<T> scalar(double value);
/// The identity matrix, or its top left part of another shape. Throws ValueError for a negative number.
template <Real T = float>
Tensor<T> eye(std::int64_t rows, Location at = Location::current());
template <Real T = float>
Tensor<T> eye(std::int64_t rows, std::int64_t columns, Location at = Location::current());
/// start, start + step, … up to but not including stop. Throws ValueError for a step of 0.
template <Real T = float>
Tensor<T> arange(double start, double stop, double step = 1, Location at = Location::current());
template <Real T = float>
Tensor<T> arange(double stop, Location at = Location::current());
/// `count` values from start to stop, both included.
template <Real T = float>
Tensor<T> linspace(double start, double stop, std::int64_t count, Location at = Location::current());
/// The given values in the given shape. Throws ShapeError when their number is not the shape's.
template <Real T>
Tensor<T> from_values(const Shape& shape, std::span<const T> values, Location at = Location::current());
template <Real T>
Tensor<T> from_values(const Shape& shape, const std::vector<T>& values, Location at = Location::current()) {
  return from_values(shape, std::span<const T>(values), at);
}
template <Real T>
Tensor<T> from_values(const Shape& shape, std::initializer_list<T> values,
                      Location at = Location::current()) {
  return from_values(shape, std::span<const T>(values.begin(), values.size()), at);
}

/// Uniform in [0, 1), standard normal, and integers in [low, high).
template <Real T = float>
Tensor<T> rand(const Shape& shape, Generator& generator = default_generator());
template <Real T = float>
Tensor<T> randn(const Shape& shape, Generator& generator = default_generator());
template <Real T = float>
Tensor<T> randint(std::int64_t low, std::int64_t high, const Shape& shape,
                  Generator& generator = default_generator(), Location at = Location::current());

namespace detail {

inline const Shape& shape_for(const char* function, const AnyTensor& x, const Location& at) {
  const CallSite site(at);
  require_defined(function, x);
  return x.shape();
}

}  // namespace detail

/// The same with the shape of a tensor.
template <Real T>
Tensor<T> zeros_like(const Tensor<T>& x, Location at = Location::current()) {
  return zeros<T>(detail::shape_for("zeros_like", x, at));
}
template <Real T>
Tensor<T> ones_like(const Tensor<T>& x, Location at = Location::current()) {
  return ones<T>(detail::shape_for("ones_like", x, at));
}
template <Real T>
Tensor<T> full_like(const Tensor<T>& x, double value, Location at = Location::current()) {
  return full<T>(detail::shape_for("full_like", x, at), value);
}
template <Real T>
Tensor<T> empty_like(const Tensor<T>& x, Location at = Location::current()) {
  return empty<T>(detail::shape_for("empty_like", x, at));
}
template <Real T>
Tensor<T> rand_like(const Tensor<T>& x, Generator& generator = default_generator(),
                    Location at = Location::current()) {
  return rand<T>(detail::shape_for("rand_like", x, at), generator);
}
template <Real T>
Tensor<T> randn_like(const Tensor<T>& x, Generator& generator = default_generator(),
                     Location at = Location::current()) {
  return randn<T>(detail::shape_for("randn_like", x, at), generator);
}

/// Whether the shapes are equal and |a - b| <= absolute + relative * |b| everywhere (PyTorch's allclose).
template <Real T>
bool allclose(const Tensor<T>& a, const Tensor<T>& b, double relative = 1e-5, double absolute = 1e-8);

}  // namespace xgrad
