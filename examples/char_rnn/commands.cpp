// The commands of char-rnn: what they print, and what they do with the library.
#include "commands.hpp"

#include <fmt/format.h>
#include <xgrad/models/char_rnn.hpp>
#include <xgrad/models/sample.hpp>
#include <xgrad/models/text.hpp>
#include <xgrad/models/trainer.hpp>
#include <xgrad/models/vocabulary.hpp>
#include <xgrad/ops/threads.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/clip.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <numbers>
#include <string_view>

#include "files.hpp"
#include "progress.hpp"

namespace xgrad_demo {
extern const std::string_view demo_text;
}

namespace char_rnn {

namespace {

using namespace xgrad;
using namespace xgrad::models;

// Ctrl-C: the first ends training after the step, the second ends the program.
volatile std::sig_atomic_t interrupted = 0;
extern "C" void on_interrupt(int) {
  interrupted = 1;
  std::signal(SIGINT, SIG_DFL);
}

// "1 thread", "2 threads".
std::string start(const Common& common) {
  manual_seed(common.seed);
  promise_one_thread();
  set_threads(common.threads);
  return threads() == 1 ? "1 thread" : fmt::format("{} threads", threads());
}

std::string nats(double loss) {
  return fmt::format("{:.4f} nats, {:.4f} bits per character", loss, loss / std::numbers::ln2);
}

// What `work` returns; where it refuses the user's text, the message names the option instead of the
// function.
template <class Work>
auto reading(const std::string& option, Work work) {
  try {
    return work();
  } catch (const ValueError& error) {
    std::string message = error.what();
    message.replace(0, message.find(": "), option);
    const std::string advice = "read it as bytes";
    if (const auto at = message.find(advice); at != message.npos)
      message.replace(at, advice.size(), "train with --bytes");
    throw ValueError(message);
  }
}

// Prints what the model writes as it writes it. A failure to print ends it; main() tells.
void write(const CharRNN<>& model, const Vocabulary& vocabulary, const std::string& prompt,
           std::int64_t length, const SampleOptions& options) {
  fmt::print("{}", prompt);
  sample(model, vocabulary, prompt, length, options, [](std::string_view character) {
    fmt::print("{}", character);
    return std::fflush(stdout) == 0;
  });
  fmt::print("\n");
}

// Adam, and for how long it works: to the end of `options`, or for some seconds with a rate that falls
// towards 0.
struct Training {
  TrainOptions options;
  double lr = 2e-3, clip = 5, seconds = 0;
};

// Trains with a progress line until the end or Ctrl-C; returns whether it came to the end.
bool train_with_progress(CharRNN<>& model, std::span<const std::int64_t> text, const Training& how) {
  optim::Adam optimizer(nn::parameters(model), {.lr = how.lr});
  const auto update = [&] {
    optim::clip_grad_norm(optimizer.parameters(), how.clip);
    optimizer.step();
  };
  std::signal(SIGINT, on_interrupt);
  ProgressLine line;
  train(model, text, how.options, update, [&](const TrainProgress& p) {
    const bool timed = how.seconds > 0;
    const double done = timed ? std::min(1.0, line.seconds() / how.seconds)
                              : static_cast<double>(p.step) / static_cast<double>(p.steps);
    if (timed) optimizer.set_lr(how.lr * (1 - 0.98 * done));
    line.update(p.step, timed ? 0 : p.steps, p.loss, p.characters, done);
    return !interrupted && done < 1;
  });
  std::signal(SIGINT, SIG_DFL);
  return !interrupted;
}

void describe(const CharRNN<>& model, const std::string& threads) {
  const CharRNNConfig& c = model.config;
  fmt::print("model: {}, {} layer{} of {} units, {} parameters; {}\n", cell_name(c.cell), c.layers,
             c.layers == 1 ? "" : "s", c.hidden, nn::count_parameters(model), threads);
}

}  // namespace

int run(const TrainCommand& c) {
  check_writable(c.out);
  const std::string threads = start(c);
  const std::string text = c.text.empty() ? std::string(xgrad_demo::demo_text) : read_file(c.text);
  const Vocabulary vocabulary = reading(c.text.empty() ? "text" : c.text.string(), [&] {
    return Vocabulary::of(text, c.bytes ? TextUnit::byte : TextUnit::code_point);
  });
  const std::vector<std::int64_t> indices = vocabulary.encode(text);
  const auto [training, validation] = split_text(indices, c.validation);
  fmt::print("text: {}, {} characters, {} different\n",
             c.text.empty() ? "the story inside the program" : c.text.string(), indices.size(),
             vocabulary.size());

  CharRNN<> model({.vocabulary = vocabulary.size(),
                   .hidden = c.hidden,
                   .layers = c.layers,
                   .cell = cell_of(c.cell),
                   .dropout = c.dropout});
  describe(model, threads);
  if (c.validation > 0) const Windows two(validation, 1, 1);  // now, not after training
  const bool finished = train_with_progress(
      model, training,
      {.options = {.batch = c.batch, .seq_len = c.seq_len, .epochs = c.epochs, .steps = c.steps},
       .lr = c.lr,
       .clip = c.clip});
  // As one stream: side by side, each part would start from the zero state, and the number depend on the
  // batch.
  if (finished && c.validation > 0)
    fmt::print("validation: {}\n", nats(evaluate(model, validation, {.batch = 1})));
  save_char_rnn(c.out, model, vocabulary);
  fmt::print("{}: {}\n", finished ? "saved" : "interrupted, saved as it is", c.out.string());
  return finished ? 0 : 130;
}

int run(const SampleCommand& c) {
  start(c);
  const auto [model, vocabulary] = load_char_rnn(c.file);
  reading("--prompt", [&] { return vocabulary.encode(c.prompt); });  // before anything is printed
  write(model, vocabulary, c.prompt, c.length, {.temperature = c.temperature, .greedy = c.greedy});
  return 0;
}

int run(const DemoCommand& c) {
  if (!c.out.empty()) check_writable(c.out);
  const std::string threads = start(c);
  const Vocabulary vocabulary = Vocabulary::of(xgrad_demo::demo_text);
  const std::vector<std::int64_t> indices = vocabulary.encode(xgrad_demo::demo_text);
  fmt::print("A story of {} characters, {} different, is learned for {}.\n", indices.size(),
             vocabulary.size(), clock_text(c.seconds));
  CharRNN<> model({.vocabulary = vocabulary.size(), .hidden = 128});
  describe(model, threads);
  const bool finished = train_with_progress(
      model, indices,
      {.options = {.batch = 16, .seq_len = 64, .epochs = 1'000'000}, .lr = 4e-3, .seconds = c.seconds});
  if (!c.out.empty()) save_char_rnn(c.out, model, vocabulary);
  fmt::print("\nIt writes:\n\n");
  write(model, vocabulary, "The ", c.length, {.temperature = c.temperature});
  return finished ? 0 : 130;
}

}  // namespace char_rnn
