// Decompositions of matrices, and what they solve.
#include <cmath>
#include <limits>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/linalg.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/matrices.hpp>
#include <xgrad/ops/matrix.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad {

using namespace detail;

namespace {

constexpr std::string_view not_finite = "is not finite (or the algorithm did not converge)";

template <Real T>
Tensor<T> with_axes(const Tensor<T>& a, std::int64_t rows, std::int64_t columns) {
  Shape shape = leading_axes(a.shape());
  shape.push_back(rows);
  if (columns >= 0) shape.push_back(columns);
  return zeros<T>(shape);
}

// x as the factors of columns, or of rows, of matrices.
template <Real T>
Tensor<T> as_row(const Tensor<T>& x) {
  return unsqueeze(x, -2);
}
template <Real T>
Tensor<T> as_column(const Tensor<T>& x) {
  return unsqueeze(x, -1);
}

template <Real T>
Tensor<T> or_zeros(const Tensor<T>& g, const Tensor<T>& like) {
  return g.defined() ? g : zeros<T>(like.shape());
}

// 1 / x off the diagonal, 0 on it.
template <Real T>
Tensor<T> reciprocal_off_diagonal(const Tensor<T>& x) {
  const Tensor<T> identity = eye<T>(rows_of(x));
  return (1 - identity) / (x + identity);
}

// Of matrices with no more columns than rows.
template <Real T>
struct QROp {
  static constexpr std::string_view name = "qr";
  std::vector<Tensor<T>> forward(Saver<T>& save, const Tensor<T>& a) const {
    const std::int64_t m = a.shape()[a.rank() - 2], n = a.shape().back();
    Tensor<T> q = with_axes(a, m, n), r = with_axes(a, n, n);
    for_each_matrix(a, [&](std::int64_t i, const T* matrix) {
      if (!kernels_of(a).qr(m, n, matrix, elements_of(q) + i * m * n, elements_of(r) + i * n * n))
        no_result("qr", a, i, not_finite);
    });
    save(q);
    save(r);
    return {q, r};
  }
  // Walter, Lehmann and Lamour 2012: (gQ + Q copyltu(R gRᵀ - gQᵀ Q)) R⁻ᵀ, copyltu with the lower triangle on
  // both sides.
  Gradients<T> vjp(const Saved<T>& saved, std::span<const Tensor<T>> g) const {
    const Tensor<T> q = saved[0], r = saved[1], gq = or_zeros(g[0], q), gr = or_zeros(g[1], r);
    const Tensor<T> m = matmul(r, gr, {.transpose_b = true}) - matmul(gq, q, {.transpose_a = true});
    const Tensor<T> both = tril(m) + transposed(tril(m, -1));
    return {transposed(solve(r, transposed(gq + matmul(q, both))))};
  }
};

template <Real T>
struct EighOp {
  static constexpr std::string_view name = "eigh";
  std::vector<Tensor<T>> forward(Saver<T>& save, const Tensor<T>& a) const {
    const std::int64_t n = rows_of(a);
    Tensor<T> values = with_axes(a, n, -1), vectors = with_axes(a, n, n);
    for_each_matrix(a, [&](std::int64_t i, const T* matrix) {
      if (!kernels_of(a).eigh(n, matrix, elements_of(values) + i * n, elements_of(vectors) + i * n * n))
        no_result("eigh", a, i, not_finite);
    });
    save(values);
    save(vectors);
    return {values, vectors};
  }
  // Giles 2008: V (diag(g values) + (Vᵀ gV) / (value j - value i)) Vᵀ.
  Gradients<T> vjp(const Saved<T>& saved, std::span<const Tensor<T>> g) const {
    const Tensor<T> values = saved[0], v = saved[1];
    Tensor<T> inner = as_column(or_zeros(g[0], values)) * eye<T>(rows_of(v));
    if (g[1].defined())
      inner = inner + matmul(v, g[1], {.transpose_a = true}) *
                          reciprocal_off_diagonal(as_row(values) - as_column(values));
    return {matmul(matmul(v, inner), v, {.transpose_b = true})};
  }
};

template <Real T>
struct SVDOp {
  static constexpr std::string_view name = "svd";
  std::vector<Tensor<T>> forward(Saver<T>& save, const Tensor<T>& a) const {
    const std::int64_t m = a.shape()[a.rank() - 2], n = a.shape().back(), k = std::min(m, n);
    Tensor<T> u = with_axes(a, m, k), s = with_axes(a, k, -1), vh = with_axes(a, k, n);
    for_each_matrix(a, [&](std::int64_t i, const T* matrix) {
      if (!kernels_of(a).svd(m, n, matrix, elements_of(u) + i * m * k, elements_of(s) + i * k,
                             elements_of(vh) + i * k * n))
        no_result("svd", a, i, not_finite);
    });
    save(u);
    save(s);
    save(vh);
    return {u, s, vh};
  }
  // Townsend 2016, "Differentiating the singular value decomposition".
  Gradients<T> vjp(const Saved<T>& saved, std::span<const Tensor<T>> g) const {
    const Tensor<T> u = saved[0], s = saved[1], vh = saved[2];
    Tensor<T> inner = as_column(or_zeros(g[1], s)) * eye<T>(s.shape().back());
    const Tensor<T> f = reciprocal_off_diagonal(as_row(square(s)) - as_column(square(s)));
    const auto antisymmetric = [](const Tensor<T>& x) { return x - transposed(x); };
    Tensor<T> outside;  // of the column space of u, or the row space of vh
    const auto add_outside = [&](const Tensor<T>& x) { outside = outside.defined() ? outside + x : x; };
    if (g[0].defined()) {
      const Tensor<T> in_u = matmul(u, g[0], {.transpose_a = true});
      inner = inner + f * antisymmetric(in_u) * as_row(s);
      if (u.shape()[u.rank() - 2] > u.shape().back())
        add_outside(matmul((g[0] - matmul(u, in_u)) / as_row(s), vh));
    }
    if (g[2].defined()) {
      const Tensor<T> in_v = matmul(vh, g[2], {.transpose_b = true});
      inner = inner + f * antisymmetric(in_v) * as_column(s);
      if (vh.shape().back() > vh.shape()[vh.rank() - 2])
        add_outside(matmul(u, (g[2] - matmul(in_v, vh, {.transpose_a = true})) / as_column(s)));
    }
    const Tensor<T> gradient = matmul(matmul(u, inner), vh);
    return {outside.defined() ? gradient + outside : gradient};
  }
};

template <Real T>
struct Pinv {
  static constexpr std::string_view name = "pinv";
  double rcond;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& a) const {
    const auto [u, s, vh] = svd(a);
    const Tensor<T> smallest = s.elements() > 0 ? amax(s, -1, true) * rcond : s;
    const Tensor<T> reciprocal = where(s > smallest, 1 / where(s > smallest, s, 1), 0);
    const Tensor<T> y = matmul(transposed(vh) * as_row(reciprocal), transposed(u));
    save(a);
    save(y);
    return y;
  }
  // Golub and Pereyra 1973.
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> a = saved[0], p = saved[1], pt = transposed(p), gt = transposed(g);
    const Tensor<T> gtp = matmul(gt, p), pgt = matmul(p, gt);
    return {matmul(gtp - matmul(a, matmul(p, gtp)), pt) + matmul(pt, pgt - matmul(matmul(pgt, p), a)) -
            matmul(pt, matmul(g, pt))};
  }
};

}  // namespace

template <Real T>
QR<T> qr(const Tensor<T>& a, Location at) {
  const CallSite call(at);
  check_matrix("qr", a);
  const std::int64_t m = a.shape()[a.rank() - 2], n = a.shape().back();
  if (m >= n) {
    auto results = apply(QROp<T>{}, at, a);
    return {std::move(results[0]), std::move(results[1])};
  }
  auto results = apply(QROp<T>{}, at, narrow(a, -1, 0, m, at));
  const Tensor<T> rest = matmul(results[0], narrow(a, -1, m, n - m, at), {.transpose_a = true}, at);
  return {results[0], cat({results[1], rest}, -1, at)};
}

template <Real T>
Eigh<T> eigh(const Tensor<T>& a, Location at) {
  const CallSite call(at);
  check_square("eigh", a);
  auto results = apply(EighOp<T>{}, at, (a + transposed(a)) * 0.5);
  return {std::move(results[0]), std::move(results[1])};
}

template <Real T>
SVD<T> svd(const Tensor<T>& a, Location at) {
  const CallSite call(at);
  check_matrix("svd", a);
  auto results = apply(SVDOp<T>{}, at, a);
  return {std::move(results[0]), std::move(results[1]), std::move(results[2])};
}

template <Real T>
Tensor<T> pinv(const Tensor<T>& a, double rcond, Location at) {
  const CallSite call(at);
  check_matrix("pinv", a);
  const auto extent = static_cast<double>(std::max(a.shape()[a.rank() - 2], a.shape().back()));
  return apply(Pinv<T>{rcond < 0 ? extent * static_cast<double>(std::numeric_limits<T>::epsilon()) : rcond},
               at, a);
}

#define XGRAD_INSTANTIATE(T)                         \
  template QR<T> qr(const Tensor<T>&, Location);     \
  template Eigh<T> eigh(const Tensor<T>&, Location); \
  template SVD<T> svd(const Tensor<T>&, Location);   \
  template Tensor<T> pinv(const Tensor<T>&, double, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
