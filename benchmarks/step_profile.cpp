// Where a training step's time goes, by op: `step_profile [hello|medium_lstm|large_rnn]`.
#include <fmt/format.h>

#include <string_view>

#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include "training_step.hpp"
#include <xgrad/ops/threads.hpp>

int main(int argc, char** argv) {
  using namespace xgrad;
  using namespace xgrad::benchmarks;
  const std::string_view name = argc > 1 ? argv[1] : "medium_lstm";
  const StepSizes sizes = name == "hello"       ? hello_sizes
                          : name == "large_rnn" ? large_rnn_sizes
                                                : medium_lstm_sizes;
  set_threads(1);
  TrainingStep step(sizes);
  for (int i = 0; i < 5; ++i) step();  // by now all memory is there
  const profile scope;
  for (int i = 0; i < 20; ++i) step();
  fmt::print("20 steps, one thread, {} kernels\n{}", kernels::simd_level_name(kernels::simd_level()),
             scope.table());
}
