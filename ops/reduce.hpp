// Reductions: sums, means, products, extremes and norms over any axes. Names and meanings are PyTorch's.
//
// `axes` is one axis, or several in braces; negative ones count from the back; none are all of them. The axes
// vanish from the result, or stay with extent 1 where `keepdims` is set. An axis that x lacks, or one named
// twice, throws ShapeError. Where there is nothing to reduce, sums and norms are 0, products 1 and logsumexp
// -infinity; what has no value then (mean, var, stddev, amax, amin, argmax, argmin) throws ValueError.
#pragma once

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

/// The axes of a reduction: one, several, or none for all.
class Axes : public IntList {
 public:
  using IntList::IntList;
  Axes() : IntList(std::initializer_list<std::int64_t>{}) {}
  Axes(std::integral auto axis) : IntList({static_cast<std::int64_t>(axis)}) {}
  Axes(bool keepdims) = delete;  // the axes come first: sum(x, {}, true)
};

/// The sum. Sums of floats are accurate to a few units in the last place of sum(|x|), however long.
template <Real T>
Tensor<T> sum(const Tensor<T>& x, const Axes& axes = {}, bool keepdims = false,
              Location at = Location::current());

/// The mean.
template <Real T>
Tensor<T> mean(const Tensor<T>& x, const Axes& axes = {}, bool keepdims = false,
               Location at = Location::current());

/// Options of var and stddev. The sum of squares is divided by the number of elements less the correction.
struct VarOptions {
  double correction = 1;
  bool keepdims = false;
};

/// The variance, unbiased by default: `var(x, 0, {.correction = 0})` is NumPy's.
/// Throws ValueError where there are no more elements than the correction, or that is not finite.
template <Real T>
Tensor<T> var(const Tensor<T>& x, const Axes& axes = {}, VarOptions options = {},
              Location at = Location::current());

/// The standard deviation, sqrt(var); PyTorch and NumPy call it std, which beside `using namespace xgrad`
/// would hide the standard library's namespace. Its derivatives, of every order, are 0 where it is 0.
template <Real T>
Tensor<T> stddev(const Tensor<T>& x, const Axes& axes = {}, VarOptions options = {},
                 Location at = Location::current());

/// The product. Its gradients are right where elements are 0.
template <Real T>
Tensor<T> prod(const Tensor<T>& x, const Axes& axes = {}, bool keepdims = false,
               Location at = Location::current());

/// The largest element; NaN where there is one, and then all elements' gradients are NaN, as in PyTorch.
/// Elements that tie share the gradient evenly.
template <Real T>
Tensor<T> amax(const Tensor<T>& x, const Axes& axes = {}, bool keepdims = false,
               Location at = Location::current());
/// The smallest element, likewise.
template <Real T>
Tensor<T> amin(const Tensor<T>& x, const Axes& axes = {}, bool keepdims = false,
               Location at = Location::current());

/// log(sum(exp(x))), without overflow.
template <Real T>
Tensor<T> logsumexp(const Tensor<T>& x, const Axes& axes = {}, bool keepdims = false,
                    Location at = Location::current());

/// The p-norm of the elements, for p > 0, infinity too, and how many are not 0 for p = 0. Its derivatives, of every
/// order, are 0 where it is 0 (PyTorch's second ones are NaN), as are those by an element that is 0 unless p = 1; for p =
/// infinity elements that tie share the gradient, and of a NaN all is NaN. Throws ValueError for another p.
template <Real T>
Tensor<T> norm(const Tensor<T>& x, double p = 2, const Axes& axes = {}, bool keepdims = false,
               Location at = Location::current());

/// y[i] = x[0] + … + x[i] along an axis.
template <Real T>
Tensor<T> cumsum(const Tensor<T>& x, std::int64_t axis, Location at = Location::current());

/// y[i] = x[0] · … · x[i] along an axis. Its derivatives are right where elements are 0.
template <Real T>
Tensor<T> cumprod(const Tensor<T>& x, std::int64_t axis, Location at = Location::current());

/// y[i] = log(exp(x[0]) + … + exp(x[i])) along an axis, without overflow.
template <Real T>
Tensor<T> logcumsumexp(const Tensor<T>& x, std::int64_t axis, Location at = Location::current());

/// Where the largest element stands, as an index of the flattened array; the first of several. A NaN counts
/// as largest.
template <Real T>
Indices argmax(const Tensor<T>& x, Location at = Location::current());
/// The same along an axis.
template <Real T>
Indices argmax(const Tensor<T>& x, std::int64_t axis, bool keepdims = false,
               Location at = Location::current());
template <Real T, std::same_as<bool> Keepdims>
Indices argmax(const Tensor<T>& x, Keepdims) = delete;  // the axis comes first
/// Where the smallest element stands. A NaN counts as smallest.
template <Real T>
Indices argmin(const Tensor<T>& x, Location at = Location::current());
template <Real T>
Indices argmin(const Tensor<T>& x, std::int64_t axis, bool keepdims = false,
               Location at = Location::current());
template <Real T, std::same_as<bool> Keepdims>
Indices argmin(const Tensor<T>& x, Keepdims) = delete;

}  // namespace xgrad
