// Parts of matrices: triangles, diagonals, and the Kronecker product.
#include <xgrad/ops/matrix.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

// Column less row, of the last two axes.
template <Real T>
Tensor<T> place_from_diagonal(std::string_view op, const Tensor<T>& x) {
  check_defined(op, x);
  if (x.rank() < 2)
    throw ShapeError(
        fmt::format("{}: shape {} is of no matrix; give two axes or more", op, to_string(x.shape())));
  const std::int64_t rows = x.shape()[x.rank() - 2], columns = x.shape().back();
  return arange<T>(static_cast<double>(columns)) - reshape(arange<T>(static_cast<double>(rows)), {rows, 1});
}

// The places of a diagonal in a flattened matrix.
Indices diagonal_places(std::int64_t rows, std::int64_t columns, std::int64_t offset) {
  const std::int64_t row = std::max<std::int64_t>(-offset, 0), column = std::max<std::int64_t>(offset, 0);
  const std::int64_t length = std::min(rows - row, columns - column);
  std::vector<std::int64_t> places;
  for (std::int64_t k = 0; k < length; ++k) places.push_back((row + k) * columns + column + k);
  return Indices(places);
}

}  // namespace

template <Real T>
Tensor<T> tril(const Tensor<T>& x, std::int64_t diagonal, Location at) {
  const CallSite call(at);
  return where(place_from_diagonal("tril", x) <= static_cast<double>(diagonal), x, 0, at);
}

template <Real T>
Tensor<T> triu(const Tensor<T>& x, std::int64_t diagonal, Location at) {
  const CallSite call(at);
  return where(place_from_diagonal("triu", x) >= static_cast<double>(diagonal), x, 0, at);
}

template <Real T>
Tensor<T> diagonal(const Tensor<T>& x, std::int64_t offset, std::int64_t axis1, std::int64_t axis2,
                   Location at) {
  const CallSite call(at);
  check_defined("diagonal", x);
  const std::size_t a = normalize_axis("diagonal", axis1, x.shape()),
                    b = normalize_axis("diagonal", axis2, x.shape());
  if (a == b)
    throw ShapeError(
        fmt::format("diagonal: axis {} of {} is named twice; name two", a, to_string(x.shape())));
  std::vector<std::int64_t> order;
  for (std::size_t i = 0; i < x.rank(); ++i)
    if (i != a && i != b) order.push_back(static_cast<std::int64_t>(i));
  order.insert(order.end(), {static_cast<std::int64_t>(a), static_cast<std::int64_t>(b)});
  const Tensor<T> matrices = flatten(permute(x, order, at), -2, -1, at);
  return index_select(matrices, -1, diagonal_places(x.shape()[a], x.shape()[b], offset), at);
}

template <Real T>
Tensor<T> diag(const Tensor<T>& x, std::int64_t diagonal, Location at) {
  const CallSite call(at);
  check_defined("diag", x);
  if (x.rank() == 2) return xgrad::diagonal(x, diagonal, 0, 1, at);
  if (x.rank() != 1)
    throw ShapeError(fmt::format("diag: shape {}; give a vector or a matrix", to_string(x.shape())));
  const std::int64_t n = x.elements() + std::abs(diagonal);
  return reshape(index_add(zeros<T>({n * n}), 0, diagonal_places(n, n, diagonal), x, 1, at), {n, n}, at);
}

template <Real T>
Tensor<T> trace(const Tensor<T>& x, Location at) {
  const CallSite call(at);
  check_defined("trace", x);
  if (x.rank() != 2) throw ShapeError(fmt::format("trace: shape {}; give a matrix", to_string(x.shape())));
  return sum(diagonal(x, 0, 0, 1, at), {}, false, at);
}

template <Real T>
Tensor<T> kron(const Tensor<T>& a, const Tensor<T>& b, Location at) {
  const CallSite call(at);
  check_defined("kron", a);
  check_defined("kron", b, 1);
  Tensor<T> x = a, y = b;
  while (x.rank() < y.rank()) x = unsqueeze(x, 0, at);
  while (y.rank() < x.rank()) y = unsqueeze(y, 0, at);
  Shape shape;
  for (std::size_t i = 0; i < x.rank(); ++i) shape.push_back(x.shape()[i] * y.shape()[i]);
  // Every element of a meets every one of b; then row by row of axes that alternate.
  const std::int64_t rank = static_cast<std::int64_t>(x.rank());
  const Tensor<T> products = reshape(x, {-1, 1}, at) * reshape(y, {1, -1}, at);
  std::vector<std::int64_t> apart(x.shape().begin(), x.shape().end()), order;
  apart.insert(apart.end(), y.shape().begin(), y.shape().end());
  for (std::int64_t i = 0; i < rank; ++i) order.insert(order.end(), {i, rank + i});
  return reshape(permute(reshape(products, apart, at), order, at), shape, at);
}

#define XGRAD_INSTANTIATE(T)                                                                         \
  template Tensor<T> tril(const Tensor<T>&, std::int64_t, Location);                                 \
  template Tensor<T> triu(const Tensor<T>&, std::int64_t, Location);                                 \
  template Tensor<T> diagonal(const Tensor<T>&, std::int64_t, std::int64_t, std::int64_t, Location); \
  template Tensor<T> diag(const Tensor<T>&, std::int64_t, Location);                                 \
  template Tensor<T> trace(const Tensor<T>&, Location);                                              \
  template Tensor<T> kron(const Tensor<T>&, const Tensor<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
