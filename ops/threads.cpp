// The threads that share work, and the promise that the program has only one of its own.
#include <xgrad/ops/threads.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <thread>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/team.hpp>
#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/ops/kernels/gemm.hpp>

namespace xgrad {

void set_threads(int count) {
  if (count < 1) throw ValueError(fmt::format("set_threads: {} threads; give at least 1", count));
  kernels::set_blas_threads(1);  // beside the team's they would be too many
  const int processors = static_cast<int>(std::thread::hardware_concurrency());  // 0: not known
  if (processors > 0) count = std::min(count, processors);
  try {
    kernels::set_team_size(count);
  } catch (const std::system_error& error) {
    throw Error(
        fmt::format("set_threads: the system gives no {} threads ({}), and now there is one; give fewer",
                    count, error.what()));
  }
}

int threads() { return std::max(kernels::team_size(), kernels::blas_threads()); }

void promise_one_thread() { detail::pool::promise_one_thread(); }

}  // namespace xgrad
