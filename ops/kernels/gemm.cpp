// Choosing between BLAS and the library's own matrix products.
#include <xgrad/ops/kernels/gemm.hpp>

#include <cblas.h>

#include <algorithm>
#include <limits>
#include <string>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/team.hpp>
#include <xgrad/ops/kernels/cpu.hpp>
#include <xgrad/ops/kernels/packing.hpp>
#include <xgrad/ops/kernels/small_gemm.hpp>

// Functions of OpenBLAS alone; weak, so that a program links with another BLAS too.
extern "C" {
[[gnu::weak]] int openblas_get_num_threads();
[[gnu::weak]] void openblas_set_num_threads(int count);
}

namespace xgrad::kernels {

namespace {

const SmallGemm<float>& small_gemm(float) { return small_gemm_float(); }
const SmallGemm<double>& small_gemm(double) { return small_gemm_double(); }

int blas_int(std::int64_t size) {
  if (size > std::numeric_limits<int>::max())
    throw Error("gemm: a size of " + std::to_string(size) + " is more than BLAS can count (2^31 - 1)");
  return static_cast<int>(size);
}

CBLAS_TRANSPOSE blas_transpose(bool transposed) { return transposed ? CblasTrans : CblasNoTrans; }

void blas_gemm(const Gemm<float>& g) {
  cblas_sgemm(CblasRowMajor, blas_transpose(g.transpose_a), blas_transpose(g.transpose_b), blas_int(g.m),
              blas_int(g.n), blas_int(g.k), g.alpha, g.a, blas_int(g.lda), g.b, blas_int(g.ldb), g.beta, g.c,
              blas_int(g.ldc));
}
void blas_gemm(const Gemm<double>& g) {
  cblas_dgemm(CblasRowMajor, blas_transpose(g.transpose_a), blas_transpose(g.transpose_b), blas_int(g.m),
              blas_int(g.n), blas_int(g.k), g.alpha, g.a, blas_int(g.lda), g.b, blas_int(g.ldb), g.beta, g.c,
              blas_int(g.ldc));
}

void blas_gemv(CBLAS_TRANSPOSE op_a, int rows, int columns, float alpha, const float* a, int lda,
               const float* x, int x_step, float beta, float* y) {
  cblas_sgemv(CblasRowMajor, op_a, rows, columns, alpha, a, lda, x, x_step, beta, y, 1);
}
void blas_gemv(CBLAS_TRANSPOSE op_a, int rows, int columns, double alpha, const double* a, int lda,
               const double* x, int x_step, double beta, double* y) {
  cblas_dgemv(CblasRowMajor, op_a, rows, columns, alpha, a, lda, x, x_step, beta, y, 1);
}

template <class T>
void scale(std::int64_t m, std::int64_t n, T beta, T* c, std::int64_t ldc) {
  if (beta == T(1)) return;
  for (std::int64_t i = 0; i < m; ++i, c += ldc)
    if (beta == T(0))
      std::fill_n(c, n, T(0));
    else
      for (std::int64_t j = 0; j < n; ++j) c[j] *= beta;
}

// The one row of C is the product of B with a vector.
template <class T>
void row_by_blas(const Gemm<T>& g) {
  const int rows = blas_int(g.transpose_b ? g.n : g.k), columns = blas_int(g.transpose_b ? g.k : g.n);
  T beta = g.beta;
  if (beta == T(0)) {  // some versions of OpenBLAS read C here
    std::fill_n(g.c, g.n, T(0));
    beta = T(1);
  }
  blas_gemv(blas_transpose(!g.transpose_b), rows, columns, g.alpha, g.b, blas_int(g.ldb), g.a,
            blas_int(g.transpose_a ? g.lda : 1), beta, g.c);
}

// Whether BLAS, with the threads that it has, may be slower than one thread of our own.
bool is_small(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t limit = 1 << 20, limit_beside_one_thread = 1 << 22;
  const std::int64_t area = m * n;
  if (area > limit_beside_one_thread) return false;  // and area · k cannot overflow
  return area * k <= limit || (area * k <= limit_beside_one_thread && blas_threads() == 1);
}

template <class T>
void gemm_alone(const Gemm<T>& g) {
  if (is_small(g.m, g.n, g.k) && small_gemm(T()).product(g)) return;
  g.m == 1 ? row_by_blas(g) : blas_gemm(g);
}

// What a product takes one thread, roughly.
double nanoseconds_for(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr double products_per_nanosecond = 50;
  return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) / products_per_nanosecond;
}

template <class T>
Gemm<T> rows_of(Gemm<T> g, std::int64_t begin, std::int64_t end) {
  g.m = end - begin;
  g.a += begin * (g.transpose_a ? 1 : g.lda);
  g.c += begin * g.ldc;
  return g;
}

template <class T>
Gemm<T> columns_of(Gemm<T> g, std::int64_t begin, std::int64_t end) {
  g.n = end - begin;
  g.b += begin * (g.transpose_b ? g.ldb : 1);
  g.c += begin;
  return g;
}

// Shared between the team's threads.
template <class T>
void gemm_together(const Gemm<T>& g, double nanoseconds) {
  constexpr std::int64_t step = 16;  // rows or columns: a few whole tiles
  for (const std::int64_t size : {g.m, g.n, g.k, g.lda, g.ldb, g.ldc})
    blas_int(size);  // a part may not throw
  if (g.m >= g.n)
    share(g.m, step, nanoseconds,
          [&](std::int64_t begin, std::int64_t end) { gemm_alone(rows_of(g, begin, end)); });
  else
    share(g.n, step, nanoseconds,
          [&](std::int64_t begin, std::int64_t end) { gemm_alone(columns_of(g, begin, end)); });
}

template <class T>
void any_gemm(const Gemm<T>& g) {
  if (g.m == 0 || g.n == 0) return;
  if (g.k == 0) return scale(g.m, g.n, g.beta, g.c, g.ldc);
  if (g.n == 1 && g.m > 1 && g.ldc == 1) {  // a contiguous column of C is a row of its transpose
    return any_gemm<T>({.transpose_a = !g.transpose_b,
                        .transpose_b = !g.transpose_a,
                        .m = 1,
                        .n = g.m,
                        .k = g.k,
                        .alpha = g.alpha,
                        .a = g.b,
                        .lda = g.ldb,
                        .b = g.a,
                        .ldb = g.lda,
                        .beta = g.beta,
                        .c = g.c,
                        .ldc = g.m});
  }
  if ((g.transpose_a && g.lda == 1) || (g.transpose_b && g.ldb == 1)) {
    Gemm<T> plain = g;  // contiguous vectors need no transposing
    if (g.transpose_a && g.lda == 1) plain.transpose_a = false, plain.lda = g.k;
    if (g.transpose_b && g.ldb == 1) plain.transpose_b = false, plain.ldb = g.n;
    return any_gemm(plain);
  }
  const double nanoseconds = nanoseconds_for(g.m, g.n, g.k);
  worth_sharing(nanoseconds) ? gemm_together(g, nanoseconds) : gemm_alone(g);
}

template <class T>
void any_gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a, std::int64_t lda,
                     const T* packed_b, T beta, T* c, std::int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) return scale(m, n, beta, c, ldc);
  const SmallGemm<T>& own = small_gemm(T());
  const double nanoseconds = nanoseconds_for(m, n, k);
  if (!worth_sharing(nanoseconds)) return own.packed_product(m, n, k, alpha, a, lda, packed_b, beta, c, ldc);
  // By rows the loops that follow find their rows where they were computed; but of a large B each thread
  // had better read, and keep in its cache, a part.
  constexpr std::int64_t rows = 4, cached = 1 << 18;
  if (n * k * static_cast<std::int64_t>(sizeof(T)) <= cached && m >= 2 * rows)
    share(m, rows, nanoseconds, [=, &own](std::int64_t begin, std::int64_t end) {
      own.packed_product(end - begin, n, k, alpha, a + begin * lda, lda, packed_b, beta, c + begin * ldc,
                         ldc);
    });
  else
    share(n, own.panel, nanoseconds, [=, &own](std::int64_t begin, std::int64_t end) {
      own.packed_product(m, end - begin, k, alpha, a, lda, packed_b + begin * k, beta, c + begin, ldc);
    });
}

}  // namespace

void gemm(const Gemm<float>& product) { any_gemm(product); }
void gemm(const Gemm<double>& product) { any_gemm(product); }

void add_products(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.gemm = [](const Gemm<T>& g, bool packs, xgrad::detail::Storage* home_of_b) {
      if (packs && !g.transpose_a && g.m >= packing_least_rows && packed_product(g, home_of_b)) return;
      any_gemm(g);
    };
  });
}

template <class T>
std::size_t packed_size(std::int64_t k, std::int64_t n) {
  const std::int64_t panel = small_gemm(T()).panel;
  return static_cast<std::size_t>((n + panel - 1) / panel * panel * k);
}
template std::size_t packed_size<float>(std::int64_t, std::int64_t);
template std::size_t packed_size<double>(std::int64_t, std::int64_t);

void pack_b(bool transpose_b, std::int64_t k, std::int64_t n, const float* b, std::int64_t ldb, float* out) {
  small_gemm_float().pack(transpose_b, k, n, b, ldb, out);
}

void pack_b(bool transpose_b, std::int64_t k, std::int64_t n, const double* b, std::int64_t ldb,
            double* out) {
  small_gemm_double().pack(transpose_b, k, n, b, ldb, out);
}

void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
                 std::int64_t lda, const float* packed_b, float beta, float* c, std::int64_t ldc) {
  any_gemm_packed(m, n, k, alpha, a, lda, packed_b, beta, c, ldc);
}

void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, double alpha, const double* a,
                 std::int64_t lda, const double* packed_b, double beta, double* c, std::int64_t ldc) {
  any_gemm_packed(m, n, k, alpha, a, lda, packed_b, beta, c, ldc);
}

int blas_threads() { return openblas_get_num_threads ? openblas_get_num_threads() : 1; }

bool set_blas_threads(int count) {
  if (!openblas_set_num_threads || count < 1) return false;
  openblas_set_num_threads(count);
  return true;
}

}  // namespace xgrad::kernels
