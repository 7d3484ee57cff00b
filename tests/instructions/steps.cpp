// Runs a training step so many times: `steps hello|lstm COUNT`.
#include <cstdlib>
#include <string_view>

#include "benchmarks/training_step.hpp"

int main(int argc, char** argv) {
  using namespace xgrad::benchmarks;
  if (argc != 3) return 2;
  TrainingStep step(std::string_view(argv[1]) == "hello" ? hello_sizes : small_lstm_sizes);
  for (long n = std::atol(argv[2]); n > 0; --n) step();
}
