// The adding problem (Hochreiter & Schmidhuber 1997): a sequence of numbers, of which two are marked, far
// from each other, and their sum is asked for at its end. Who answers 1 has an error of 1/6.
#include <algorithm>

#include <fmt/format.h>
#include <xgrad/xgrad.hpp>

namespace {

using namespace xgrad;

constexpr std::int64_t steps = 50, batch = 32;

struct Net {
  nn::LSTM<> rnn{2, 32};
  nn::Linear<> out{32, 1};
  Tensor<> operator()(const Tensor<>& x) const { return squeeze(out(rnn(x).state.output()), 1); }
};

struct Batch {
  Tensor<> x, sum;  // (steps, batch, 2) and (batch)
};

Batch some_sequences(Generator& generator) {
  std::vector<float> x(steps * batch * 2), sums(batch);
  for (std::int64_t n = 0; n < batch; ++n) {
    const auto first = static_cast<std::int64_t>(generator.below(steps / 2));
    const auto second = steps / 2 + static_cast<std::int64_t>(generator.below(steps / 2));
    for (std::int64_t t = 0; t < steps; ++t) {
      const auto place = static_cast<std::size_t>(2 * (t * batch + n));
      x[place] = static_cast<float>(generator.uniform());
      x[place + 1] = t == first || t == second;
      sums[static_cast<std::size_t>(n)] += x[place] * x[place + 1];
    }
  }
  return {from_values<float>({steps, batch, 2}, x), from_values<float>({batch}, sums)};
}

}  // namespace

int main() try {
  manual_seed(1);
  Net net;
  optim::Adam opt(nn::parameters(net), {.lr = 5e-3});
  double error = 1. / 6;  // a running mean
  for (int step = 1; step <= 4000 && error > 0.01; ++step) {
    const auto [x, sum] = some_sequences(default_generator());
    opt.zero_grad();
    const Tensor<> loss = mse_loss(net(x), sum);
    loss.backward();
    optim::clip_grad_norm(opt.parameters(), 1);
    opt.step();
    error += 0.02 * (static_cast<double>(loss.item()) - error);
    if (step % 500 == 0) fmt::print("step {:4}: mean squared error {:.4f}\n", step, error);
  }
  fmt::print("mean squared error {:.4f}, of {:.4f} without memory\n", error, 1. / 6);
  return error < 0.02 ? 0 : 1;
} catch (const std::exception& error) {
  fmt::print(stderr, "adding_problem: {}\n", error.what());
  return 1;
}
