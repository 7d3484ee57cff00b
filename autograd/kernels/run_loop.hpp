// Running an elementwise loop, on several threads where it is long.
#pragma once

#include <xgrad/autograd/kernels/loop.hpp>
#include <xgrad/autograd/kernels/team.hpp>

namespace xgrad::kernels {

struct LoopSizes {
  int inputs, outputs, instructions;
  std::size_t bytes_of_element;
};

namespace detail {
void share_loop(LoopKernel kernel, const Loop& loop, const LoopSizes& sizes);
}

/// Runs the loop, shared between the team's threads if it is long and computes no sum along its outermost
/// axis. `sizes()` is asked for its LoopSizes where there is a team.
inline void run_loop(LoopKernel kernel, const Loop& loop, auto sizes) {
  team_size() == 1 ? kernel(loop) : detail::share_loop(kernel, loop, sizes());
}

}  // namespace xgrad::kernels
