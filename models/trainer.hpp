// Training a CharRNN by truncated back-propagation through time, and measuring it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include <xgrad/models/char_rnn.hpp>

namespace xgrad::models {

/// Options of train.
struct TrainOptions {
  std::int64_t batch = 50, seq_len = 50;  ///< parts of the text read side by side, steps between two updates
  std::int64_t epochs = 1;                ///< passes over the text
  std::int64_t steps = 0;                 ///< updates, instead of passes, where it is not 0
};

/// What train tells after each step.
struct TrainProgress {
  std::int64_t step, steps;  ///< updates done, and in all
  double loss;               ///< of this step's window, mean nats per character
  std::int64_t characters;   ///< predicted so far
};

/// Trains on a text of character indices. The state is carried from window to window without its history, and
/// starts from zero with each pass. `update` is called when the gradients of a window stand in the model's
/// parameters, and makes the step; `progress` is called after it and returns whether to go on:
///
///   optim::Adam optimizer(nn::parameters(model), {.lr = 2e-3});
///   train(model, text, {}, [&] { optim::clip_grad_norm(optimizer.parameters(), 5); optimizer.step(); });
///
/// Forward and backward are replayed (see Replay) unless there is dropout, a hook on a parameter, or an
/// `anomaly` or `profile` scope: the same bits, in less time for small models. The callbacks may replace,
/// freeze and unfreeze parameters.
///
/// Throws ValueError for options or a text that do not do (see Windows), NonFiniteError when the loss is not
/// finite any more, before the step that would spoil the parameters.
template <Real T>
void train(CharRNN<T>& model, std::span<const std::int64_t> text, const TrainOptions& options,
           const std::function<void()>& update,
           const std::function<bool(const TrainProgress&)>& progress = {});

/// Options of evaluate.
struct EvaluateOptions {
  std::int64_t batch = 1,
               seq_len = 50;  ///< they affect speed, and at how many places the state starts from zero
};

/// Mean cross-entropy in nats per character over a text, state carried, dropout off, nothing recorded.
/// Throws ValueError for a text of fewer than two characters in each of the batch's parts.
template <Real T>
double evaluate(const CharRNN<T>& model, std::span<const std::int64_t> text,
                const EvaluateOptions& options = {});

}  // namespace xgrad::models
