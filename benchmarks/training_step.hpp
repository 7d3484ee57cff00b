// A training step of the library's CharRNN on random characters, as benchmarks/step_bench.cpp times it.
#pragma once

#include <optional>
#include <random>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/models/char_rnn.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/clip.hpp>

namespace xgrad::benchmarks {

struct StepSizes {
  nn::Cell cell;
  std::int64_t vocabulary, hidden, time, batch;
};

inline constexpr StepSizes hello_sizes{nn::Cell::rnn, 4, 16, 4, 1};
inline constexpr StepSizes small_lstm_sizes{nn::Cell::lstm, 17, 16, 8, 4};
inline constexpr StepSizes medium_lstm_sizes{nn::Cell::lstm, 65, 128, 64, 32};
inline constexpr StepSizes large_rnn_sizes{nn::Cell::rnn, 65, 512, 100, 64};

/// Forward, mean cross-entropy over all steps, backward, clipping to norm 5, Adam.
class TrainingStep {
 public:
  explicit TrainingStep(const StepSizes& s)
      : model_({.vocabulary = s.vocabulary, .hidden = s.hidden, .cell = s.cell}, generator_),
        optimizer_(nn::parameters(model_), {.lr = 1e-3}),
        inputs_(characters(s)),
        targets_(characters(s)) {}

  float operator()() {
    const Tensor<> loss = replay_ ? (*replay_)() : forward_and_backward();
    optim::clip_grad_norm(optimizer_.parameters(), 5);
    optimizer_.step();
    return loss.item();
  }

  /// From now on, forward and backward are runs of a Replay.
  void replay() {
    replay_.emplace([this] { return forward_and_backward(); });
  }

  /// Nodes that were alive when the last step's graph was complete, parameters included.
  std::int64_t nodes() const { return nodes_; }

 private:
  Tensor<> forward_and_backward() {
    optimizer_.zero_grad();
    const auto output = model_(inputs_, model_.zero_state(inputs_.shape()[1]));
    const Tensor<> loss = model_.loss(output.logits, targets_);
    nodes_ = live_counts().nodes;
    loss.backward();
    return loss.detach();
  }

  Indices characters(const StepSizes& s) {
    std::vector<std::int64_t> values;
    for (std::int64_t k = 0; k < s.time * s.batch; ++k)
      values.push_back(static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(s.vocabulary)));
    return {{s.time, s.batch}, std::move(values)};
  }

  Generator generator_{1};
  std::mt19937 random_{7};
  models::CharRNN<> model_;
  optim::Adam<float> optimizer_;
  Indices inputs_, targets_;
  std::optional<Replay<Tensor<>>> replay_;
  std::int64_t nodes_ = 0;
};

}  // namespace xgrad::benchmarks
