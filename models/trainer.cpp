// Training a CharRNN by truncated back-propagation through time, and measuring it.
#include <xgrad/models/trainer.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/thread_state.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/models/text.hpp>

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

// Forward and backward of one window after another, of one shape, with the state carried along. They are
// replayed where nothing is lost by it, which pays for small models.
template <Real T>
class Steps {
 public:
  Steps(const CharRNN<T>& model, const Window& first, std::int64_t batch)
      : model_(model), x_(first.x), y_(first.y), state_(model.zero_state(batch)) {}
  Steps(const Steps&) = delete;

  void reset() { carry(model_.zero_state(x_.shape()[1])); }

  /// Leaves the gradients in the parameters. Returns the loss.
  double operator()(const Window& window) {
    x_.assign(window.x);
    y_.assign(window.y);
    auto parameters = this->parameters();
    if (!can_replay(parameters)) return static_cast<double>(run().item());
    if (replay_ && parameters == replayed_) {
      (*replay_)();
    } else {
      replayed_ = std::move(parameters);
      replay_.emplace([this] { return run(); });
    }
    return static_cast<double>(replay_->result().item());
  }

 private:
  // What a callback may have changed since the last step.
  struct Parameter {
    Tensor<T> tensor;
    bool takes_gradient;
    bool operator==(const Parameter& other) const {
      return tensor.node() == other.tensor.node() && tensor.data() == other.tensor.data() &&
             takes_gradient == other.takes_gradient;
    }
  };
  std::vector<Parameter> parameters() const {
    std::vector<Parameter> result;
    for (const Tensor<T>& p : nn::parameters(model_)) result.push_back({p, p.requires_grad()});
    return result;
  }

  // Whether there is nothing that has to happen at every step: random numbers, hooks, a look at every op.
  bool can_replay(const std::vector<Parameter>& parameters) const {
    const auto hooked = [](const Parameter& p) { return p.tensor.has_hooks(); };
    return model_.rnn.options.dropout == 0 && Replay<Tensor<T>>::possible() &&
           std::ranges::none_of(parameters, hooked);
  }

  Tensor<T> run() {
    nn::zero_grad(model_);
    const auto output = model_(x_, state_);
    const Tensor<T> loss = model_.loss(output.logits, y_);
    loss.backward();
    carry(output.state);
    return loss.detach();
  }
  void carry(const nn::RecurrentState<T>& next) {
    for (std::size_t k = 0; k < state_.h.size(); ++k) state_.h[k].assign(next.h[k]);
    for (std::size_t k = 0; k < state_.c.size(); ++k) state_.c[k].assign(next.c[k]);
  }

  const CharRNN<T>& model_;
  Indices x_, y_;
  nn::RecurrentState<T> state_;
  std::optional<Replay<Tensor<T>>> replay_;
  std::vector<Parameter> replayed_;  // with what replay_ was made
};

}  // namespace

template <Real T>
void train(CharRNN<T>& model, std::span<const std::int64_t> text, const TrainOptions& options,
           const std::function<void()>& update, const std::function<bool(const TrainProgress&)>& progress) {
  check(options);
  const Windows windows(text, options.batch, options.seq_len);
  const TrainingScope<T> scope(model);
  const std::int64_t steps = options.steps > 0 ? options.steps : options.epochs * windows.size();
  Steps<T> forward_and_backward(model, windows[0], options.batch);
  for (std::int64_t step = 0; step < steps; ++step) {
    if (step % windows.size() == 0) forward_and_backward.reset();
    const double loss = forward_and_backward(windows[step % windows.size()]);
    if (!std::isfinite(loss))
      throw NonFiniteError(
          fmt::format("train: the loss is {} at step {}; try a smaller learning rate", loss, step + 1));
    update();
    if (progress && !progress({step + 1, steps, loss, (step + 1) * options.batch * options.seq_len})) return;
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

#define XGRAD_INSTANTIATE(T)                                                                           \
  template void train(CharRNN<T>&, std::span<const std::int64_t>, const TrainOptions&,                 \
                      const std::function<void()>&, const std::function<bool(const TrainProgress&)>&); \
  template double evaluate(const CharRNN<T>&, std::span<const std::int64_t>, const EvaluateOptions&);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::models
