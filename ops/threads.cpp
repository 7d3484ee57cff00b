// Threads of matrix products, and the promise that the program has only one of its own.
#include "ops/threads.hpp"

#include <fmt/format.h>

#include "autograd/error.hpp"
#include "autograd/pool.hpp"
#include "ops/kernels/gemm.hpp"

namespace xgrad {

bool set_threads(int count) {
  if (count < 1) throw ValueError(fmt::format("set_threads: {} threads; give at least 1", count));
  return kernels::set_blas_threads(count);
}

int threads() { return kernels::blas_threads(); }

void promise_one_thread() { pool::promise_one_thread(); }

}  // namespace xgrad
