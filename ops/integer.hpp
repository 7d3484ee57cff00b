// Arithmetic and comparison of Indices, elementwise, and their conversion from and to tensors.
//
// Shapes broadcast as those of tensors do; an integer stands for an array of its own. There are no gradients.
// In a Replay all of it is computed anew in each run.
#pragma once

#include <concepts>
#include <optional>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// An operand of integer arithmetic: Indices or an integer.
struct IntegerOperand {
  Indices values;
  std::optional<std::int64_t> number = {};
  Location at;

  IntegerOperand(const Indices& x, Location location = Location::current()) : values(x), at(location) {}
  template <std::integral I>
  IntegerOperand(I x, Location location = Location::current())
      : values(Shape{}, {static_cast<std::int64_t>(x)}), number(x), at(location) {}
};

/// Overflow wraps around, as NumPy's and PyTorch's does.
Indices operator+(const IntegerOperand& a, const IntegerOperand& b);
Indices operator-(const IntegerOperand& a, const IntegerOperand& b);
Indices operator*(const IntegerOperand& a, const IntegerOperand& b);
/// Quotients rounded down (Python's //), and what they leave over, with the divisor's sign: -7 / 2 is -4, and
/// -7 % 2 is 1. Throws ValueError for a divisor of 0, in a Replay before any kernel of a run; GraphError for
/// divisors that kernels of a Replay compute.
Indices operator/(const IntegerOperand& a, const IntegerOperand& b);
Indices operator%(const IntegerOperand& a, const IntegerOperand& b);

/// 1 where it holds and 0 elsewhere: `mean(argmax(logits, 1) == targets)` is an accuracy. `equal(a, b)` is
/// the comparison as a whole.
Tensor<> operator==(const IntegerOperand& a, const IntegerOperand& b);
Tensor<> operator!=(const IntegerOperand& a, const IntegerOperand& b);
Tensor<> operator<(const IntegerOperand& a, const IntegerOperand& b);
Tensor<> operator<=(const IntegerOperand& a, const IntegerOperand& b);
Tensor<> operator>(const IntegerOperand& a, const IntegerOperand& b);
Tensor<> operator>=(const IntegerOperand& a, const IntegerOperand& b);

/// The nearest floating-point numbers.
template <Real T = float>
Tensor<T> to_tensor(const Indices& x, Location at = Location::current());
/// Truncated towards 0. Throws ValueError for NaN and what is no 64-bit integer, and GraphError inside the
/// function of a Replay, where that would be noticed too late.
template <Real T>
Indices to_indices(const Tensor<T>& x, Location at = Location::current());

}  // namespace xgrad
