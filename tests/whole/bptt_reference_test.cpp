// The hand-written BPTT itself, against finite differences and against gradients that PyTorch computed.
#include "bptt_reference.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <xgrad/nn/npy.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad::reference;

double largest(const Array& a) {
  double m = 0;
  for (const double v : a) m = std::max(m, std::abs(v));
  return m;
}

/// Largest difference over the largest entry of `expected`.
double relative_error(const Array& found, const Array& expected) {
  REQUIRE((found.shape() == expected.shape()));
  double error = 0;
  for (std::size_t k = 0; k < found.size(); ++k)
    error = std::max(error, std::abs(found.flat(k) - expected.flat(k)));
  return error / largest(expected);
}

/// Central differences of the loss by every entry of `variable`, with error O(step⁴).
template <class Loss>
Array differences(Array& variable, Loss loss) {
  const double step = 1e-4;  // small enough that no unit of the test crosses the kink of relu
  Array slope = variable;
  for (std::size_t k = 0; k < variable.size(); ++k) {
    const double x = variable.flat(k);
    const auto at = [&](double shift) { return variable.flat(k) = x + shift, loss(); };
    slope.flat(k) = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
    variable.flat(k) = x;
  }
  return slope;
}

struct Problem {
  Parameters parameters;
  Array x;
  Targets targets;
  State initial;
};

Problem problem(Cell cell, std::size_t time, std::size_t batch, std::size_t layers) {
  const std::size_t features = 3, hidden = 4, classes = 5;
  Problem p{random_parameters(cell, features, hidden, layers, classes, 1), {}, {}, {}};
  const auto wave = [](std::vector<std::size_t> shape, double frequency) {
    Array a(shape, 0.0);
    for (std::size_t k = 0; k < a.size(); ++k) a.flat(k) = std::sin(frequency * double(k + 1));
    return a;
  };
  p.x = wave({time, batch, features}, 0.7);
  p.initial = {wave({layers, batch, hidden}, 1.3), wave({layers, batch, hidden}, 2.1)};
  p.targets = Targets(std::vector<std::size_t>{time, batch}, 0);
  for (std::size_t k = 0; k < time * batch; ++k) p.targets.flat(k) = std::int64_t(k * k % classes);
  return p;
}

TEST_CASE("BPTT by hand: every gradient agrees with finite differences", "[reference]") {
  const Cell cell = GENERATE(Cell::rnn_tanh, Cell::rnn_relu, Cell::lstm, Cell::gru);
  const std::size_t time = GENERATE(1, 6), layers = GENERATE(1, 2);
  Problem p = problem(cell, time, 2, layers);
  const Bptt exact = bptt(cell, p.parameters, p.x, p.targets, p.initial);
  const auto loss = [&] { return bptt(cell, p.parameters, p.x, p.targets, p.initial).loss; };

  for (auto& [name, value] : p.parameters) {
    INFO(name);
    CHECK(relative_error(exact.gradients.at(name), differences(value, loss)) < 1e-8);
  }
  CHECK(relative_error(exact.input_gradient, differences(p.x, loss)) < 1e-8);
  CHECK(relative_error(exact.state_gradient.h, differences(p.initial.h, loss)) < 1e-8);
  if (cell == Cell::lstm)
    CHECK(relative_error(exact.state_gradient.c, differences(p.initial.c, loss)) < 1e-8);
}

TEST_CASE("BPTT by hand: a window continues where the one before it ended", "[reference]") {
  const Cell cell = GENERATE(Cell::rnn_tanh, Cell::lstm, Cell::gru);
  Problem whole = problem(cell, 6, 2, 2), half = problem(cell, 3, 2, 2);
  const Bptt once = bptt(cell, whole.parameters, whole.x, whole.targets, whole.initial);
  State state = whole.initial;
  for (std::size_t window = 0; window < 2; ++window) {
    const std::size_t xs = half.x.size(), ts = half.targets.size(), ls = once.logits.size() / 2;
    std::copy_n(whole.x.begin() + long(window * xs), xs, half.x.begin());
    std::copy_n(whole.targets.begin() + long(window * ts), ts, half.targets.begin());
    const Bptt part = bptt(cell, whole.parameters, half.x, half.targets, state);
    CHECK(std::equal(part.logits.begin(), part.logits.end(), once.logits.begin() + long(window * ls)));
    state = part.final_state;
  }
  CHECK(std::equal(state.h.begin(), state.h.end(), once.final_state.h.begin()));
  CHECK(std::equal(state.c.begin(), state.c.end(), once.final_state.c.begin()));
}

TEST_CASE("BPTT by hand: agrees with PyTorch on \"hello\"", "[reference]") {
  const std::filesystem::path folder = XGRAD_FIXTURES "/seeds/001_torch_char_rnn";
  const auto read = [&](const std::string& name) {
    const auto file = xgrad::nn::read_npy(folder / (name + ".npy"));
    Array a(file.shape, 0.0);
    std::copy(file.data.begin(), file.data.end(), a.begin());
    return a;
  };
  Parameters p;
  for (const char* name :
       {"rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0", "fc.weight", "fc.bias"})
    p[name] = read(std::string("init_") + name);
  const auto column = [](std::vector<std::int64_t> v) {
    Targets t(std::vector<std::size_t>{v.size(), 1}, 0);
    std::copy(v.begin(), v.end(), t.begin());
    return t;
  };
  const Targets inputs = column({0, 1, 2, 2}), targets = column({1, 2, 2, 3});  // of the alphabet "helo"
  const Bptt result = bptt(Cell::rnn_tanh, p, one_hot(inputs, 4), targets, zero_state(p, 1));

  CHECK(std::abs(result.loss - read("loss")(0)) < 1e-14);
  for (const auto& [name, gradient] : result.gradients)
    CHECK(relative_error(gradient, read("grad0_" + name)) < 1e-13);
}

}  // namespace
