// Linear algebra of square matrices: stacks of them, and the gradients.
#include <xgrad/ops/linalg.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/matrices.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

// The number of the matrix of `own` that belongs to matrix `number` of `all`, to which it broadcasts.
std::int64_t matrix_number(const Shape& own, const Shape& all, std::int64_t number) {
  std::int64_t result = 0, step = 1;
  for (std::size_t back = 1; back <= own.rank(); ++back) {
    const std::int64_t extent = own[own.rank() - back], in_all = all[all.rank() - back];
    if (extent != 1) result += number % in_all * step;
    number /= in_all;
    step *= extent;
  }
  return result;
}

// X with A · X = B or Aᵀ · X = B, for [..., n, n] and [..., n, k].
template <Real T>
struct Solve {
  static constexpr std::string_view name = "solve";
  bool transpose_a;
  std::string attributes() const { return transpose_a ? "transpose_a" : ""; }

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& a, const Tensor<T>& b) const {
    const std::int64_t n = rows_of(a), columns = b.shape().back();
    const Shape lead_a = leading_axes(a.shape()), lead_b = leading_axes(b.shape()),
                lead = broadcast("solve", lead_a, lead_b);
    Shape shape = lead;
    shape.push_back(n);
    shape.push_back(columns);
    Tensor<T> x = empty<T>(shape);
    if (x.elements() > 0)
      for (std::int64_t i = 0; i < lead.elements(); ++i) {
        const std::int64_t at_a = matrix_number(lead_a, lead, i), at_b = matrix_number(lead_b, lead, i);
        if (!kernels_of(a).solve(transpose_a, n, columns, a.data() + at_a * n * n,
                                 b.data() + at_b * n * columns, elements_of(x) + i * n * columns))
          no_result("solve", a, at_a, singular);
      }
    save(a);
    save(x);
    return x;
  }

  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> gb = apply(Solve{!transpose_a}, Location::current(), saved[0], g);
    if (!saved.needs(0)) return {Gradient<T>(), gb};
    const Tensor<T> x = saved[1];
    return {-(transpose_a ? matmul(x, gb, {.transpose_b = true}) : matmul(gb, x, {.transpose_b = true})), gb};
  }
};

template <Real T>
struct Inv {
  static constexpr std::string_view name = "inv";
  std::string_view asked_by = name;
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& a) const {
    Tensor<T> y = empty<T>(a.shape());
    for_each_matrix(a, [&](std::int64_t i, const T* matrix) {
      if (!kernels_of(a).inverse(rows_of(a), matrix, elements_of(y) + (matrix - a.data())))
        no_result(asked_by, a, i, singular);
    });
    save(y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> y = saved[0];
    return {-matmul(matmul(y, g, {.transpose_a = true}), y, {.transpose_b = true})};
  }
};

// For the gradient of `op`, which an error names.
template <Real T>
Tensor<T> inverse_transposed(std::string_view op, const Tensor<T>& a) {
  return transposed(apply(Inv<T>{op}, Location::current(), a));
}

template <Real T>
bool has_zero(const Tensor<T>& x) {
  return std::ranges::find(x.values(), T(0)) != x.values().end();
}

// The matrix of cofactors, which is det(a) · a⁻ᵀ where there is an inverse. Elsewhere, by the recursion of
// Faddeev and LeVerrier: adj(a) = ± M_n, with M_1 = I and M_(k+1) = a M_k - tr(a M_k) / k · I.
template <Real T>
Tensor<T> cofactors(const Tensor<T>& a, const Tensor<T>& determinant) {
  // A determinant may also be 0 because it is too small to represent.
  if (!has_zero(determinant) || !has_zero(slogdet(a.detach()).sign))
    return per_matrix(determinant) * inverse_transposed("backward of 'det'", a);
  const std::int64_t n = rows_of(a);
  const Tensor<T> identity = eye<T>(n);
  Tensor<T> m = Tensor<T>(broadcast_to(identity, a.shape()));
  for (std::int64_t k = 1; k < n; ++k) {
    const Tensor<T> product = matmul(a, m);
    m = product - per_matrix(sum(product * identity, {-2, -1})) * identity / static_cast<double>(k);
  }
  return n % 2 == 1 ? transposed(m) : -transposed(m);
}

template <Real T>
struct Det {
  static constexpr std::string_view name = "det";
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& a) const {
    Tensor<T> y = ones<T>(leading_axes(a.shape()));
    for_each_matrix(a, [&](std::int64_t i, const T* matrix) {
      elements_of(y)[i] = kernels_of(a).determinant(rows_of(a), matrix);
    });
    save(a);
    save(y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    return {per_matrix(g) * cofactors(saved[0], saved[1])};
  }
};

template <Real T>
struct Slogdet {
  static constexpr std::string_view name = "slogdet";
  std::vector<Tensor<T>> forward(Saver<T>& save, const Tensor<T>& a) const {
    Tensor<T> sign = ones<T>(leading_axes(a.shape())), logarithm = zeros<T>(sign.shape());
    for_each_matrix(a, [&](std::int64_t i, const T* matrix) {
      kernels_of(a).sign_and_log_determinant(rows_of(a), matrix, elements_of(sign)[i],
                                             elements_of(logarithm)[i]);
    });
    save(a);
    save(sign);
    return {sign, logarithm};
  }
  Gradients<T> vjp(const Saved<T>& saved, std::span<const Tensor<T>> g) const {
    if (!g[1].defined()) return {};
    const Tensor<T> a = saved[0];
    const auto signs = saved[1].values();
    if (const auto zero = std::ranges::find(signs, T(0)); zero != signs.end())
      no_result("backward of 'slogdet'", a, zero - signs.begin(),
                "is singular; the logarithm has no gradient there");
    return {per_matrix(g[1]) * inverse_transposed("backward of 'slogdet'", a)};
  }
};

// 1 below the diagonal, 1/2 on it, 0 above.
template <Real T>
Tensor<T> lower_half(std::int64_t n) {
  const Tensor<T> index = arange<T>(static_cast<double>(n)), row = reshape(index, {n, 1}),
                  column = reshape(index, {1, n});
  return ((row > column) + (row >= column)) * 0.5;
}

template <Real T>
struct Cholesky {
  static constexpr std::string_view name = "cholesky";
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& a) const {
    Tensor<T> y = empty<T>(a.shape());
    for_each_matrix(a, [&](std::int64_t i, const T* matrix) {
      if (!kernels_of(a).cholesky(rows_of(a), matrix, elements_of(y) + (matrix - a.data())))
        no_result("cholesky", a, i, "is not positive definite");
    });
    save(y);
    return y;
  }
  // Murray, "Differentiation of the Cholesky decomposition" (2016): L⁻ᵀ Φ(Lᵀ g) L⁻¹, and of that the
  // symmetric part.
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> l = saved[0];
    const auto solve_transposed = [&](const Tensor<T>& b) {
      return apply(Solve<T>{true}, Location::current(), l, b);
    };
    const Tensor<T> half = solve_transposed(matmul(l, g, {.transpose_a = true}) * lower_half<T>(rows_of(l)));
    const Tensor<T> whole = solve_transposed(transposed(half));
    return {(whole + transposed(whole)) * 0.5};
  }
};

}  // namespace

template <Real T>
Tensor<T> solve(const Tensor<T>& a, const Tensor<T>& b, Location at) {
  const CallSite call(at);
  check_square("solve", a);
  check_defined("solve", b, 1);
  const auto fail = [&](std::string_view why) {
    throw ShapeError(fmt::format("solve: {} and {}: {}", to_string(a.shape()), to_string(b.shape()), why));
  };
  if (b.rank() == 0) fail("the right side is a scalar; it needs a vector or columns");
  const bool vector = b.rank() == 1 || b.shape() == leading_axes(a.shape(), 1);
  const std::int64_t n = rows_of(a), given = vector ? b.shape().back() : b.shape()[b.rank() - 2];
  if (given != n) fail(fmt::format("the matrix has {0} rows and the right side {1}; give it {0}", n, given));
  const Tensor<T> columns = vector ? unsqueeze(b, -1, at) : b;
  try {
    broadcast("solve", leading_axes(a.shape()), leading_axes(columns.shape()));
  } catch (const ShapeError&) {
    fail("the axes in front of the matrices do not broadcast; each pair must be equal, or one of it 1");
  }
  const Tensor<T> x = apply(Solve<T>{false}, at, a, columns);
  return vector ? squeeze(x, -1, at) : x;
}

template <Real T>
Tensor<T> inv(const Tensor<T>& a, Location at) {
  const CallSite call(at);
  check_square("inv", a);
  return apply(Inv<T>{}, at, a);
}

template <Real T>
Tensor<T> det(const Tensor<T>& a, Location at) {
  const CallSite call(at);
  check_square("det", a);
  return apply(Det<T>{}, at, a);
}

template <Real T>
SignLogdet<T> slogdet(const Tensor<T>& a, Location at) {
  const CallSite call(at);
  check_square("slogdet", a);
  auto results = apply(Slogdet<T>{}, at, a);
  return {std::move(results[0]), std::move(results[1])};
}

template <Real T>
Tensor<T> cholesky(const Tensor<T>& a, Location at) {
  const CallSite call(at);
  check_square("cholesky", a);
  return apply(Cholesky<T>{}, at, a);
}

#define XGRAD_INSTANTIATE(T)                                              \
  template Tensor<T> solve(const Tensor<T>&, const Tensor<T>&, Location); \
  template Tensor<T> inv(const Tensor<T>&, Location);                     \
  template Tensor<T> det(const Tensor<T>&, Location);                     \
  template SignLogdet<T> slogdet(const Tensor<T>&, Location);             \
  template Tensor<T> cholesky(const Tensor<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
