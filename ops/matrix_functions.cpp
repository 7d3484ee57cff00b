// Functions of matrices that are made of other ops: triangular systems, least squares, powers and the
// exponential.
#include <algorithm>
#include <cmath>
#include <limits>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/linalg.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/matrices.hpp>
#include <xgrad/ops/matrix.hpp>
#include <xgrad/ops/order.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad {

using namespace detail;

namespace {

// That the diagonals of r, of a decomposition of a, have no entry that is 0 but for rounding.
template <Real T>
void check_full_rank(std::string_view op, const Tensor<T>& a, const Tensor<T>& r) {
  if (r.elements() == 0) return;
  const Tensor<T> size = abs(diagonal(r.detach(), 0, -2, -1));
  const double limit = static_cast<double>(std::numeric_limits<T>::epsilon()) *
                       static_cast<double>(std::max(a.shape()[a.rank() - 2], a.shape().back()));
  const Tensor<T> full = all(size > amax(size, -1, true) * limit, -1);
  const auto values = full.values();
  if (const auto found = std::ranges::find(values, T(0)); found != values.end())
    no_result(op, a, found - values.begin(), "has not full rank; use matmul(pinv(a), b)");
}

}  // namespace

template <Real T>
Tensor<T> solve_triangular(const Tensor<T>& a, const Tensor<T>& b, bool upper, bool unitriangular,
                           Location at) {
  const CallSite call(at);
  check_square("solve_triangular", a);
  const std::int64_t inside = unitriangular ? 1 : 0;
  Tensor<T> triangle = upper ? triu(a, inside, at) : tril(a, -inside, at);
  if (unitriangular) triangle = triangle + eye<T>(rows_of(a));
  return solve(triangle, b, at);
}

template <Real T>
Tensor<T> lstsq(const Tensor<T>& a, const Tensor<T>& b, Location at) {
  const CallSite call(at);
  check_matrix("lstsq", a);
  check_defined("lstsq", b, 1);
  const std::int64_t m = a.shape()[a.rank() - 2], n = a.shape().back();
  if (b.rank() < 2 || b.shape()[b.rank() - 2] != m)
    throw ShapeError(fmt::format("lstsq: {} and {}: the right side needs {} rows", to_string(a.shape()),
                                 to_string(b.shape()), m));
  if (m >= n) {
    const auto [q, r] = qr(a, at);
    check_full_rank("lstsq", a, r);
    return solve(r, matmul(q, b, {.transpose_a = true}, at), at);
  }
  const auto [q, r] = qr(transposed(a), at);
  check_full_rank("lstsq", a, r);
  return matmul(q, solve(transposed(r), b, at), {}, at);
}

template <Real T>
Tensor<T> matrix_power(const Tensor<T>& a, std::int64_t n, Location at) {
  const CallSite call(at);
  check_square("matrix_power", a);
  Tensor<T> square = n < 0 ? inv(a, at) : a, power;
  for (auto left = n < 0 ? -static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n); left > 0;
       left /= 2) {
    if (left % 2 == 1) power = power.defined() ? matmul(power, square, {}, at) : square;
    if (left > 1) square = matmul(square, square, {}, at);
  }
  return power.defined() ? power : expand(eye<T>(rows_of(a)), a.shape(), at);
}

template <Real T>
Tensor<T> matrix_exp(const Tensor<T>& a, Location at) {
  const CallSite call(at);
  check_square("matrix_exp", a);
  if (a.elements() == 0) return a * 1;
  const auto norm = static_cast<double>(amax(sum(abs(a.detach()), -2)).item());
  if (!std::isfinite(norm)) throw ValueError("matrix_exp: a matrix is not finite; clamp its elements");
  const int squarings = norm > 5.37 ? std::max(0, static_cast<int>(std::ceil(std::log2(norm / 5.37)))) : 0;
  // The Padé approximant of degree 13, u + v over v - u.
  constexpr double b[] = {64764752532480000,
                          32382376266240000,
                          7771770303897600,
                          1187353796428800,
                          129060195264000,
                          10559470521600,
                          670442572800,
                          33522128640,
                          1323241920,
                          40840800,
                          960960,
                          16380,
                          182,
                          1};
  const Tensor<T> x = a * std::ldexp(1.0, -squarings), one = eye<T>(rows_of(a));
  const Tensor<T> x2 = matmul(x, x), x4 = matmul(x2, x2), x6 = matmul(x4, x2);
  const auto even = [&](int k) {  // of the coefficients k, k + 2, …
    return matmul(x6, b[12 + k] * x6 + b[10 + k] * x4 + b[8 + k] * x2) + b[6 + k] * x6 + b[4 + k] * x4 +
           b[2 + k] * x2 + b[k] * one;
  };
  const Tensor<T> u = matmul(x, even(1)), v = even(0);
  Tensor<T> y = solve(v - u, v + u, at);
  for (int k = 0; k < squarings; ++k) y = matmul(y, y, {}, at);
  return y;
}

#define XGRAD_INSTANTIATE(T)                                                                     \
  template Tensor<T> solve_triangular(const Tensor<T>&, const Tensor<T>&, bool, bool, Location); \
  template Tensor<T> lstsq(const Tensor<T>&, const Tensor<T>&, Location);                        \
  template Tensor<T> matrix_power(const Tensor<T>&, std::int64_t, Location);                     \
  template Tensor<T> matrix_exp(const Tensor<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
