// Choosing between BLAS and the library's own matrix products.
#include "ops/kernels/gemm.hpp"

#include <cblas.h>

#include <algorithm>
#include <limits>
#include <string>

#include "autograd/error.hpp"
#include "ops/kernels/small_gemm.hpp"

// OpenBLAS' own functions, weak: another BLAS links without them.
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
    throw Error("gemm: a size of " + std::to_string(size) + " does not fit the integers of BLAS");
  return static_cast<int>(size);
}

template <class T>
void scale(std::int64_t m, std::int64_t n, T beta, T* c, std::int64_t ldc) {
  for (std::int64_t i = 0; i < m; ++i, c += ldc)
    for (std::int64_t j = 0; j < n; ++j) c[j] = beta == T(0) ? T(0) : beta * c[j];
}

}  // namespace

}
