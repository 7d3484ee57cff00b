// Embedded Reber grammar (Hochreiter & Schmidhuber 1997): an LSTM learns to write strings whose last but one
// letter is the second, with a walk through a small automaton between them. It is held to the grammar's own
// entropy.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <xgrad/xgrad.hpp>

namespace {

using namespace xgrad;

const std::string letters = "BTPSXVE";
struct Arrow {
  char letter;
  int to;
};
// Of the inner grammar, by state; from the last one there is only the end.
const std::vector<std::vector<Arrow>> automaton = {{{'T', 1}, {'P', 2}}, {{'S', 1}, {'X', 3}},
                                                   {{'T', 2}, {'V', 4}}, {{'X', 2}, {'S', 5}},
                                                   {{'P', 3}, {'V', 5}}, {}};

// A string, and minus the logarithm of its probability.
std::pair<std::string, double> draw(Generator& generator) {
  const char frame = generator.below(2) ? 'T' : 'P';
  std::string text = {'B', frame, 'B'};
  double nats = std::log(2);
  for (int state = 0; !automaton[static_cast<std::size_t>(state)].empty(); nats += std::log(2)) {
    const Arrow& taken = automaton[static_cast<std::size_t>(state)][generator.below(2)];
    text += taken.letter;
    state = taken.to;
  }
  return {text + 'E' + frame + 'E', nats};
}

bool grammatical(const std::string& text) {
  if (text.size() < 8 || text[0] != 'B' || (text[1] != 'T' && text[1] != 'P') || text[2] != 'B') return false;
  std::size_t at = 3;
  for (int state = 0; !automaton[static_cast<std::size_t>(state)].empty(); ++at) {
    int next = -1;
    for (const Arrow& arrow : automaton[static_cast<std::size_t>(state)])
      if (at < text.size() && arrow.letter == text[at]) next = arrow.to;
    if (next < 0) return false;
    state = next;
  }
  return text.substr(at) == std::string{'E', text[1], 'E'};
}

struct Net {
  nn::LSTM<> rnn{7, 48};
  nn::Linear<> out{48, 7};
};

struct Batch {
  Indices x, y, lengths;  // (time, batch), the next letters or -100, (batch)
  double nats = 0;
  std::int64_t letters = 0;
};

Batch some_strings(std::int64_t count, Generator& generator) {
  std::vector<std::string> texts;
  std::vector<std::int64_t> lengths;
  Batch batch;
  for (std::int64_t n = 0; n < count; ++n) {
    const auto [text, nats] = draw(generator);
    texts.push_back(text);
    lengths.push_back(static_cast<std::int64_t>(text.size()) - 1);
    batch.nats += nats;
    batch.letters += lengths.back();
  }
  const std::int64_t time = *std::max_element(lengths.begin(), lengths.end());
  std::vector<std::int64_t> x, y;
  for (std::int64_t t = 0; t < time; ++t)
    for (const std::string& text : texts) {
      const auto at = static_cast<std::size_t>(t);
      const bool there = at + 1 < text.size();
      x.push_back(there ? static_cast<std::int64_t>(letters.find(text[at])) : 0);
      y.push_back(there ? static_cast<std::int64_t>(letters.find(text[at + 1])) : -100);
    }
  batch.x = Indices({time, count}, x), batch.y = Indices({time, count}, y),
  batch.lengths = Indices({count}, lengths);
  return batch;
}

Tensor<> loss_of(const Net& net, const Batch& batch) {
  return cross_entropy(net.out(net.rnn(batch.x, batch.lengths).output), batch.y);
}

std::string sampled(const Net& net, Generator& generator) {
  const no_grad scope;
  std::string text = "B";
  auto state = net.rnn.zero_state(1);
  while (text.size() < 100 && !(text.size() > 3 && text.back() == 'E' && text[text.size() - 3] == 'E')) {
    state = net.rnn.step(Indices{static_cast<std::int64_t>(letters.find(text.back()))}, state);
    const Tensor<> p = softmax(net.out(state.output()));
    text += letters[static_cast<std::size_t>(multinomial(p, 1, true, generator).values()[0])];
  }
  return text;
}

}  // namespace

int main() try {
  manual_seed(1);
  Net net;
  optim::Adam opt(nn::parameters(net), {.lr = 0.01});
  optim::Schedule schedule(opt, optim::CosineAnnealingLR{4000});
  for (int step = 1; step <= 4000; ++step) {
    opt.zero_grad();
    const Tensor<> loss = loss_of(net, some_strings(64, default_generator()));
    loss.backward();
    optim::clip_grad_norm(opt.parameters(), 1);
    opt.step();
    schedule.step();
    if (step % 500 == 0) fmt::print("step {:4}: {:.4f} nats a letter\n", step, loss.item());
  }
  Generator generator(2);
  const Batch test = some_strings(2000, generator);
  const no_grad scope;
  const double nats = loss_of(net, test).item(), entropy = test.nats / static_cast<double>(test.letters);
  int right = 0;
  std::string one;
  for (int k = 0; k < 1000; ++k) right += grammatical(one = sampled(net, generator));
  fmt::print(
      "{:.4f} nats a letter, of which the grammar has {:.4f}; {:.1f} % of 1,000 samples are grammatical, "
      "such as {}\n",
      nats, entropy, right / 10.0, one);
  return nats < 1.03 * entropy && right >= 990 ? 0 : 1;
} catch (const std::exception& error) {
  fmt::print(stderr, "reber: {}\n", error.what());
  return 1;
}
