// What the program `char-rnn` can do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace char_rnn {

/// Options that every command has.
struct Common {
  std::uint64_t seed = 1;
  int threads = 1;
};

struct TrainCommand : Common {
  std::filesystem::path text, out;  ///< no text: the one inside the program
  std::string cell = "lstm";
  std::int64_t hidden = 128, layers = 1, batch = 50, seq_len = 50;
  std::int64_t steps = 0, epochs = 10;  ///< steps go before epochs where they are given
  double dropout = 0, lr = 2e-3, clip = 5, validation = 0;
  bool bytes = false;
};

struct SampleCommand : Common {
  std::filesystem::path file;
  std::string prompt;
  std::int64_t length = 500;
  double temperature = 0.8;
  bool greedy = false;
};

struct DemoCommand : Common {
  std::filesystem::path out;  ///< empty: the model is not kept
  double seconds = 60;
  std::int64_t length = 600;
  double temperature = 0.6;
};

/// Each returns the program's exit code and throws xgrad::Error.
int run(const TrainCommand& command);
int run(const SampleCommand& command);
int run(const DemoCommand& command);

}  // namespace char_rnn
