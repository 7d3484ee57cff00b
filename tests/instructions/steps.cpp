// Runs a training step so many times: `steps hello|lstm|hello_replayed|lstm_replayed COUNT`.
#include <cstdlib>
#include <string_view>

#include "../../benchmarks/training_step.hpp"

int main(int argc, char** argv) {
  using namespace xgrad::benchmarks;
  if (argc != 3) return 2;
  const std::string_view workload = argv[1];
  TrainingStep step(workload.starts_with("hello") ? hello_sizes : small_lstm_sizes);
  if (workload.ends_with("_replayed")) step.replay();
  for (long n = std::atol(argv[2]); n > 0; --n) step();
}
