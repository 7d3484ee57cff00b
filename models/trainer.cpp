// Training a CharRNN by truncated back-propagation through time, and measuring it.
#include "models/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autograd/error.hpp"
#include "autograd/mode.hpp"
#include "models/text.hpp"

namespace xgrad::models {

namespace {

void check(const TrainOptions& options) {
  if (options.steps < 0 || (options.steps == 0 && options.epochs < 1))
    throw ValueError(
        fmt::format("train: {} epochs or {} steps; give at least one", options.epochs, options.steps));
}

// Sets the training flags, and leaves them off.
template <Real T>
struct TrainingScope {
  CharRNN<T>& model;
  explicit TrainingScope(CharRNN<T>& m) : model(m) { nn::train(m); }
  TrainingScope(const TrainingScope&) = delete;
  ~TrainingScope() { nn::eval(model); }
};

}  // namespace

template <Real T>
void train(CharRNN<T>& model, std::span<const std::int64_t> text, const TrainOptions& options,
           const std::function<void()>& update, const std::function<bool(const TrainProgress&)>& progress) {
  check(options);
  const Windows windows(text, options.batch, options.seq_len);
  const TrainingScope<T> scope(model);
  const std::int64_t steps = options.steps > 0 ? options.steps : options.epochs * windows.size();
  auto state = model.zero_state(options.batch);
  for (std::int64_t step = 0; step < steps; ++step) {
    if (step % windows.size() == 0) state = model.zero_state(options.batch);
    const Window window = windows[step % windows.size()];
    const auto output = model(window.x, state);
    const Tensor<T> loss = model.loss(output.logits, window.y);
    const double value = static_cast<double>(loss.item());
    if (!std::isfinite(value))
      throw NonFiniteError(
          fmt::format("train: the loss is {} at step {}; try a smaller learning rate", value, step + 1));
    nn::zero_grad(model);
    loss.backward();
    update();
    state = detach(output.state);
    if (progress && !progress({step + 1, steps, value, (step + 1) * options.batch * options.seq_len})) return;
  }
}

template <Real T>
double evaluate(const CharRNN<T>& model, std::span<const std::int64_t> text, const EvaluateOptions& options) {
  const auto length = static_cast<std::int64_t>(text.size());
  const std::int64_t seq_len =
      std::clamp<std::int64_t>(options.seq_len, 1, std::max<std::int64_t>(length - 1, 1));
  const std::int64_t batch =
      std::clamp<std::int64_t>(options.batch, 1, std::max<std::int64_t>(length / (seq_len + 1), 1));
  const Windows windows(text, batch, seq_len, true);
  const no_grad scope;
  CharRNN<T> reader = model;  // shares the parameters; the training flag is its own
  nn::eval(reader);
  auto state = reader.zero_state(batch);
  double sum = 0;
  for (std::int64_t w = 0; w < windows.size(); ++w) {
    const Window window = windows[w];
    auto output = reader(window.x, state);
    sum += static_cast<double>(reader.loss(output.logits, window.y).item()) *
           static_cast<double>(window.y.elements());
    state = std::move(output.state);
  }
  return sum / static_cast<double>(windows.characters());
}

template void train(CharRNN<float>&, std::span<const std::int64_t>, const TrainOptions&,
                    const std::function<void()>&, const std::function<bool(const TrainProgress&)>&);
template void train(CharRNN<double>&, std::span<const std::int64_t>, const TrainOptions&,
                    const std::function<void()>&, const std::function<bool(const TrainProgress&)>&);
template double evaluate(const CharRNN<float>&, std::span<const std::int64_t>, const EvaluateOptions&);
template double evaluate(const CharRNN<double>&, std::span<const std::int64_t>, const EvaluateOptions&);

}  // namespace xgrad::models
