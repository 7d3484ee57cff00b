// Back-propagation through time falls out of the tape: its gradients against BPTT written by hand, against
// finite differences, and once more differentiated.
#include <algorithm>
#include <cmath>
#include <map>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/rnn.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/loss.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "bptt_reference.hpp"
#include "catch.hpp"

namespace {

using namespace xgrad;
using reference::Array;
using reference::Cell;

constexpr std::int64_t features = 5, hidden = 6, classes = 4;

struct Net {
  using value_type = double;
  nn::Recurrent<double> rnn;
  nn::Linear<double> fc;

  Net(Cell cell, std::int64_t layers)
      : rnn(cell == Cell::lstm  ? nn::Cell::lstm
            : cell == Cell::gru ? nn::Cell::gru
                                : nn::Cell::rnn,
            features, hidden,
            {.layers = layers,
             .nonlinearity = cell == Cell::rnn_relu ? nn::Nonlinearity::relu : nn::Nonlinearity::tanh}),
        fc(hidden, classes) {}
  void visit(auto&& v) { v("rnn", rnn), v("fc", fc); }
};

using State = nn::RecurrentState<double>;

struct Problem {
  Net net;
  reference::Parameters parameters;
  Array x;
  reference::Targets targets, characters;
  reference::State initial;
};

Array wave(std::vector<std::size_t> shape, double frequency) {
  Array a(shape, 0.0);
  for (std::size_t k = 0; k < a.size(); ++k) a.flat(k) = std::sin(frequency * static_cast<double>(k + 1));
  return a;
}

Problem problem(Cell cell, std::size_t time, std::size_t batch, std::size_t layers) {
  const auto parameters = reference::random_parameters(cell, features, hidden, layers, classes, 3);
  Problem p{Net(cell, static_cast<std::int64_t>(layers)),
            parameters,
            wave({time, batch, features}, 0.7),
            {},
            {},
            {}};
  nn::StateDict dict;
  for (const auto& [name, value] : parameters) dict.push_back({name, Tensor<double>(value)});
  nn::load_state_dict(p.net, dict);
  p.initial = {wave({layers, batch, hidden}, 1.3), wave({layers, batch, hidden}, 2.1)};
  p.targets = p.characters = reference::Targets(std::vector<std::size_t>{time, batch}, 0);
  for (std::size_t k = 0; k < time * batch; ++k) {
    p.targets.flat(k) = static_cast<std::int64_t>(k * k % classes);
    p.characters.flat(k) = static_cast<std::int64_t>((k * k * k + k) % features);
  }
  return p;
}

// Elements [first, first + count) along the first axis.
template <class A>
A part(const A& a, std::size_t first, std::size_t count) {
  std::vector<std::size_t> shape(a.shape().begin(), a.shape().end());
  const std::size_t row = a.size() / shape[0];
  shape[0] = count;
  A result(shape);
  for (std::size_t k = 0; k < count * row; ++k) result.flat(k) = a.flat(first * row + k);
  return result;
}
Tensor<double> slice(const Array& a, std::size_t k) { return squeeze(Tensor<double>(part(a, k, 1)), 0); }

// (layers, batch, hidden) as a state that gradients are wanted of.
State leaves(const reference::State& s, Cell cell) {
  State state;
  for (std::size_t k = 0; k < s.h.shape(0); ++k) {
    state.h.push_back(slice(s.h, k).set_requires_grad());
    if (cell == Cell::lstm) state.c.push_back(slice(s.c, k).set_requires_grad());
  }
  return state;
}

Tensor<double> stacked(const State::List& list) {
  std::vector<Tensor<double>> parts(list.begin(), list.end());
  return stack(parts);
}
Tensor<double> stacked_gradients(const State::List& list) {
  std::vector<Tensor<double>> parts;
  for (const auto& x : list) parts.push_back(x.grad());
  return stack(parts);
}

// Largest difference over the largest entry of `expected`.
double error_of(const Tensor<double>& found, const Array& expected) {
  REQUIRE(found.shape() == Shape(expected.shape()));
  double error = 0, largest = 0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    error = std::max(error, std::abs(found.data()[k] - expected.flat(k)));
    largest = std::max(largest, std::abs(expected.flat(k)));
  }
  REQUIRE(largest > 0);
  return error / largest;
}

Tensor<double> mean_loss(const Net& net, const Tensor<double>& output, const Indices& targets) {
  return cross_entropy(net.fc(output), targets);
}

constexpr double tolerance = 1e-10;

// Of finite differences with an error of O(step^4); small enough with relu that no unit crosses the kink.
double step_of(Cell cell) { return cell == Cell::rnn_relu ? 1e-6 : 1e-4; }

void check_gradients(const Net& net, const reference::Parameters& expected) {
  for (const auto& [name, parameter] : nn::named_parameters(net)) {
    INFO(name);
    CHECK(error_of(parameter.grad(), expected.at(name)) < tolerance);
  }
}

TEST_CASE("BPTT: the tape's gradients are those written by hand", "[bptt]") {
  const Cell cell = GENERATE(Cell::rnn_tanh, Cell::rnn_relu, Cell::lstm, Cell::gru);
  const std::size_t time = GENERATE(1, 2, 25, 200), batch = GENERATE(1, 7), layers = GENERATE(1, 2, 3);
  INFO("cell " << static_cast<int>(cell) << ", " << time << " steps, batch " << batch << ", " << layers
               << " layers");
  Problem p = problem(cell, time, batch, layers);
  const reference::Bptt expected = reference::bptt(cell, p.parameters, p.x, p.targets, p.initial);

  const Tensor<double> x = Tensor<double>(p.x).set_requires_grad();
  const State initial = leaves(p.initial, cell);
  const auto [output, final_state] = p.net.rnn(x, initial);
  const Tensor<double> loss = mean_loss(p.net, output, p.targets);
  loss.backward();

  CHECK(std::abs(loss.item() - expected.loss) < tolerance * expected.loss);
  CHECK(error_of(p.net.fc(output), expected.logits) < tolerance);
  CHECK(error_of(stacked(final_state.h), expected.final_state.h) < tolerance);
  check_gradients(p.net, expected.gradients);
  CHECK(error_of(x.grad(), expected.input_gradient) < tolerance);
  CHECK(error_of(stacked_gradients(initial.h), expected.state_gradient.h) < tolerance);
  if (cell == Cell::lstm) {
    CHECK(error_of(stacked(final_state.c), expected.final_state.c) < tolerance);
    CHECK(error_of(stacked_gradients(initial.c), expected.state_gradient.c) < tolerance);
  }
}

TEST_CASE("BPTT: a loop of single steps gives the same", "[bptt]") {
  const Cell cell = GENERATE(Cell::rnn_tanh, Cell::rnn_relu, Cell::lstm, Cell::gru);
  const std::size_t layers = GENERATE(1, 3), time = 25, batch = 7;
  Problem p = problem(cell, time, batch, layers);
  const reference::Bptt expected = reference::bptt(cell, p.parameters, p.x, p.targets, p.initial);

  const Indices targets = p.targets;
  State state = leaves(p.initial, cell);
  Tensor<double> loss = zeros<double>({});
  for (std::size_t t = 0; t < time; ++t) {
    state = p.net.rnn.step(slice(p.x, t), state);
    loss = loss + cross_entropy(p.net.fc(state.output()), targets[static_cast<std::int64_t>(t)]);
  }
  loss = loss / static_cast<double>(time);
  loss.backward();
  CHECK(std::abs(loss.item() - expected.loss) < tolerance * expected.loss);
  check_gradients(p.net, expected.gradients);
}

TEST_CASE("BPTT: indices give what one-hot rows give", "[bptt]") {
  const Cell cell = GENERATE(Cell::rnn_tanh, Cell::rnn_relu, Cell::lstm, Cell::gru);
  const std::size_t time = GENERATE(1, 25), batch = GENERATE(1, 7), layers = GENERATE(1, 2);
  Problem p = problem(cell, time, batch, layers);
  const Array rows = reference::one_hot(p.characters, features);
  const reference::Bptt expected = reference::bptt(cell, p.parameters, rows, p.targets, p.initial);

  const auto [output, final_state] = p.net.rnn(Indices(p.characters), leaves(p.initial, cell));
  const Tensor<double> loss = mean_loss(p.net, output, p.targets);
  loss.backward();
  CHECK(std::abs(loss.item() - expected.loss) < tolerance * expected.loss);
  check_gradients(p.net, expected.gradients);
}

TEST_CASE("BPTT: truncated, with the state carried through three windows", "[bptt]") {
  const Cell cell = GENERATE(Cell::rnn_tanh, Cell::rnn_relu, Cell::lstm, Cell::gru);
  const std::size_t batch = GENERATE(1, 7), layers = GENERATE(1, 3), window = 25;
  Problem p = problem(cell, 3 * window, batch, layers);
  reference::State by_hand = p.initial;
  State state = detach(leaves(p.initial, cell));
  for (std::size_t w = 0; w < 3; ++w) {
    INFO("window " << w);
    const Array x = part(p.x, w * window, window);
    const reference::Targets targets = part(p.targets, w * window, window);
    const reference::Bptt expected = reference::bptt(cell, p.parameters, x, targets, by_hand);
    by_hand = expected.final_state;

    nn::zero_grad(p.net);
    const auto [output, final_state] = p.net.rnn(Tensor<double>(x), state);
    const Tensor<double> loss = mean_loss(p.net, output, targets);
    loss.backward();
    state = detach(final_state);
    CHECK(std::abs(loss.item() - expected.loss) < tolerance * expected.loss);
    CHECK(error_of(stacked(state.h), expected.final_state.h) < tolerance);
    check_gradients(p.net, expected.gradients);
  }
}

TEST_CASE("BPTT: gradients over 25 steps agree with finite differences", "[bptt]") {
  const Cell cell = GENERATE(Cell::rnn_tanh, Cell::rnn_relu, Cell::lstm, Cell::gru);
  Problem p = problem(cell, 25, 2, 2);
  const Tensor<double> x(p.x);
  const State initial = detach(leaves(p.initial, cell));
  const auto loss = [&] { return mean_loss(p.net, p.net.rnn(x, initial).output, p.targets); };
  loss().backward();
  for (auto& [name, parameter] : nn::named_parameters(p.net)) {
    INFO(name);
    const no_grad scope;
    const double step = step_of(cell);
    Array slope(std::vector<std::size_t>(parameter.shape().begin(), parameter.shape().end()));
    for (std::size_t k = 0; k < slope.size(); ++k) {
      const double before = parameter.values()[k];
      const auto at = [&](double shift) {
        parameter.mutable_values()[k] = before + shift;
        return loss().item();
      };
      slope.flat(k) = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
      parameter.mutable_values()[k] = before;
    }
    CHECK(error_of(parameter.grad(), slope) < (cell == Cell::rnn_relu ? 1e-7 : 1e-8));
  }
}

TEST_CASE("BPTT: a Hessian-vector product through 20 steps agrees with differences of the gradient",
          "[bptt]") {
  const Cell cell = GENERATE(Cell::rnn_tanh, Cell::rnn_relu, Cell::lstm, Cell::gru);
  const std::size_t layers = GENERATE(1, 2);
  const bool indices = GENERATE(false, true);
  Problem p = problem(cell, 20, 2, layers);
  const Tensor<double> x(p.x);
  const Indices characters(p.characters);
  const State initial = detach(leaves(p.initial, cell));
  const std::vector<Tensor<double>> parameters = nn::parameters(p.net);
  const auto gradient = [&](bool create_graph) {
    const auto sequence = indices ? p.net.rnn(characters, initial) : p.net.rnn(x, initial);
    return grad(std::vector{mean_loss(p.net, sequence.output, p.targets)}, parameters,
                {.create_graph = create_graph});
  };

  std::vector<Tensor<double>> v;
  Tensor<double> along = zeros<double>({});
  const auto g = gradient(true);
  for (std::size_t k = 0; k < g.size(); ++k) {
    const std::vector<std::size_t> shape(g[k].shape().begin(), g[k].shape().end());
    v.push_back(Tensor<double>(wave(shape, 0.37 + 0.11 * static_cast<double>(k))));
    along = along + sum(g[k] * v[k]);
  }
  const auto product = grad(std::vector{along}, parameters);

  const auto gradient_at = [&](double shift) {
    std::vector<Tensor<double>> before;
    for (std::size_t k = 0; k < v.size(); ++k) {
      before.push_back(parameters[k].detach().clone());
      Tensor<double> moved = parameters[k];
      moved.assign(before[k] + v[k] * shift);
    }
    const auto result = gradient(false);
    for (std::size_t k = 0; k < v.size(); ++k) Tensor<double>(parameters[k]).assign(before[k]);
    return result;
  };
  const double step = step_of(cell);
  const auto plus = gradient_at(step), minus = gradient_at(-step), plus2 = gradient_at(2 * step),
             minus2 = gradient_at(-2 * step);
  for (std::size_t k = 0; k < v.size(); ++k) {
    INFO("parameter " << k);
    Array expected(std::vector<std::size_t>(v[k].shape().begin(), v[k].shape().end()));
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected.flat(i) =
          (8 * (plus[k].data()[i] - minus[k].data()[i]) - (plus2[k].data()[i] - minus2[k].data()[i])) /
          (12 * step);
    CHECK(error_of(product[k], expected) < 1e-6);
  }
}

}  // namespace
