// What the ops on matrices, or stacks of them, share.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/replay_mode.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::detail {

inline std::int64_t rows_of(const AnyTensor& a) { return a.shape().back(); }
inline Shape leading_axes(const Shape& shape, std::size_t last = 2) {
  return Shape(shape.begin(), shape.end() - last);
}

inline void check_not_in_replay(std::string_view op) {
  if (in_replay())
    refuse_in_replay(op,
                     "it could not tell in time that a matrix is singular; compute it before each run, "
                     "into a tensor with assign()");
}

inline void check_matrix(std::string_view op, const AnyTensor& a) {
  check_defined(op, a);
  check_not_in_replay(op);
  if (a.rank() < 2)
    throw ShapeError(
        fmt::format("{}: shape {} is of no matrix; give two axes or more", op, to_string(a.shape())));
}

inline void check_square(std::string_view op, const AnyTensor& a) {
  check_defined(op, a);
  check_not_in_replay(op);
  const Shape& shape = a.shape();
  if (shape.rank() < 2 || shape.back() != shape[shape.rank() - 2])
    throw ShapeError(fmt::format("{}: shape {} is of no square matrix; its last two axes must be equal", op,
                                 to_string(shape)));
}

[[noreturn]] inline void no_result(std::string_view op, const AnyTensor& a, std::int64_t number,
                                   std::string_view why) {
  const std::int64_t stack = a.shape().elements(0, a.rank() - 2);
  throw ValueError(fmt::format("{}: {} of shape {} {}", op,
                               stack > 1 ? fmt::format("matrix {} of the stack", number) : "the matrix",
                               to_string(a.shape()), why));
}

inline constexpr std::string_view singular = "is singular (or not finite)";

// Those of a new tensor. Nothing is launched here: whether there is a result is known at once.
template <Real T>
T* elements_of(Tensor<T>& fresh) {
  return writes(fresh).address;
}

// Calls f(number, matrix) for each matrix that has elements.
template <Real T, class F>
void for_each_matrix(const Tensor<T>& a, F f) {
  const std::int64_t size = a.shape()[a.rank() - 2] * a.shape().back();
  if (size == 0) return;
  for (std::int64_t i = 0; i < a.elements() / size; ++i) f(i, a.data() + i * size);
}

template <Real T>
Tensor<T> transposed(const Tensor<T>& a) {
  return transpose(a, -2, -1);
}

// One number for each matrix, to be multiplied with all of its elements.
template <Real T>
Tensor<T> per_matrix(const Tensor<T>& x) {
  Shape shape = x.shape();
  shape.push_back(1);
  shape.push_back(1);
  return reshape(x, shape);
}

}  // namespace xgrad::detail
