// Dense linear algebra by xtensor-blas. No other file includes it: its declarations clash with <cblas.h>.
#include <xtensor-blas/xlinalg.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <tuple>

#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels {

namespace {

// What LAPACK works on. xt::linalg copies it, as it would not copy an adaptor of the same layout.
template <class T>
using Matrix = xt::xtensor<T, 2, xt::layout_type::column_major>;

template <class T>
Matrix<T> matrix(std::int64_t rows, std::int64_t columns) {
  return Matrix<T>::from_shape({static_cast<std::size_t>(rows), static_cast<std::size_t>(columns)});
}

template <class T>
Matrix<T> read(std::int64_t rows, std::int64_t columns, const T* in) {
  auto m = matrix<T>(rows, columns);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) m(i, j) = *in++;
  return m;
}

// The transpose, whose columns are the rows in memory.
template <class T>
Matrix<T> read_transposed(std::int64_t n, const T* in) {
  auto m = matrix<T>(n, n);
  std::copy_n(in, n * n, m.data());
  return m;
}

template <class T>
void write(const auto& m, T* out) {
  for (std::size_t i = 0; i < m.shape()[0]; ++i)
    for (std::size_t j = 0; j < m.shape()[1]; ++j) *out++ = m(i, j);
}

// LAPACK looks for zero pivots only: of a matrix with a NaN in it, it makes a result with NaN here and there.
template <class T>
bool finite(std::int64_t n, const T* a, std::int64_t columns = 0) {
  return std::all_of(a, a + n * (columns ? columns : n), [](T x) { return std::isfinite(x); });
}

// Runs `f`, which writes a result; xt::linalg throws where LAPACK finds that there is none.
template <class F>
bool succeeds(F f) {
  try {
    f();
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

template <class T>
bool solve(bool transpose_a, std::int64_t n, std::int64_t columns, const T* a, const T* b, T* x) {
  return finite(n, a) && succeeds([&] {
    const auto left = transpose_a ? read_transposed(n, a) : read(n, n, a);
    write<T>(xt::linalg::solve(left, read(n, columns, b)), x);
  });
}

template <class T>
bool inverse(std::int64_t n, const T* a, T* out) {
  return finite(n, a) && succeeds([&] { write<T>(xt::linalg::inv(read(n, n, a)), out); });
}

template <class T>
T determinant(std::int64_t n, const T* a) {
  return xt::linalg::det(read(n, n, a));
}

template <class T>
void sign_and_log_determinant(std::int64_t n, const T* a, T& sign, T& logarithm) {
  std::tie(sign, logarithm) = xt::linalg::slogdet(read(n, n, a));
}

template <class T>
bool cholesky(std::int64_t n, const T* a, T* out) {
  auto m = read(n, n, a);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) m(i, j) = m(j, i) = (m(i, j) + m(j, i)) / 2;
  return finite(n, a) && succeeds([&] { write<T>(xt::linalg::cholesky(m), out); });
}

template <class T>
bool qr(std::int64_t rows, std::int64_t columns, const T* a, T* q, T* r) {
  return finite(rows, a, columns) && succeeds([&] {
    const auto [left, right] = xt::linalg::qr(read(rows, columns, a), xt::linalg::qrmode::reduced);
    write(left, q);
    write(right, r);
  });
}

template <class T>
bool svd(std::int64_t rows, std::int64_t columns, const T* a, T* u, T* s, T* vt) {
  return finite(rows, a, columns) && succeeds([&] {
    const auto [left, middle, right] = xt::linalg::svd(read(rows, columns, a), false);
    write(left, u);
    std::copy(middle.begin(), middle.end(), s);
    write(right, vt);
  });
}

template <class T>
bool eigh(std::int64_t n, const T* a, T* values, T* vectors) {
  return finite(n, a) && succeeds([&] {
    const auto [found, columns] = xt::linalg::eigh(read(n, n, a), 'L');
    std::copy(found.begin(), found.end(), values);
    write(columns, vectors);
  });
}

void orthonormalize_rows(std::int64_t rows, std::int64_t columns, double* matrix) {
  for (std::int64_t i = 0; i < rows; ++i) {
    double* row = matrix + i * columns;
    for (int pass = 0; pass < 2; ++pass)
      for (const double* other = matrix; other != row; other += columns) {
        const double overlap = std::inner_product(row, row + columns, other, 0.0);
        for (std::int64_t k = 0; k < columns; ++k) row[k] -= overlap * other[k];
      }
    const double length = std::sqrt(std::inner_product(row, row + columns, row, 0.0));
    for (std::int64_t k = 0; k < columns; ++k) row[k] = length > 0 ? row[k] / length : 0;
  }
}

}  // namespace

void add_linear_algebra(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.solve = solve<T>;
    k.inverse = inverse<T>;
    k.determinant = determinant<T>;
    k.sign_and_log_determinant = sign_and_log_determinant<T>;
    k.cholesky = cholesky<T>;
    k.qr = qr<T>;
    k.svd = svd<T>;
    k.eigh = eigh<T>;
  });
  table.orthonormalize_rows = orthonormalize_rows;
}

}  // namespace xgrad::kernels
