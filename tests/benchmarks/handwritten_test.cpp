// The hand-written training step against hand-written BPTT in plain loops, and its optimizers against
// formulas.
#include "../../benchmarks/handwritten/handwritten.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "bptt_reference.hpp"
#include "catch.hpp"

namespace {

using namespace xgrad;
using benchmarks::Arrays;
using benchmarks::Cell;
using benchmarks::Handwritten;
using benchmarks::Sizes;
using benchmarks::Update;

constexpr Update no_update{};

reference::Cell reference_cell(Cell cell) {
  return cell == Cell::lstm  ? reference::Cell::lstm
         : cell == Cell::gru ? reference::Cell::gru
                             : reference::Cell::rnn_tanh;
}

template <class T>
Arrays<T> flat(const reference::Parameters& parameters) {
  Arrays<T> arrays;
  for (const auto& [name, value] : parameters) arrays[name] = {value.begin(), value.end()};
  return arrays;
}

/// Largest difference over the largest entry of `expected`.
template <class Found, class Expected>
double relative_error(const Found& found, const Expected& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, largest = std::numeric_limits<double>::min();
  auto at = expected.begin();
  for (const auto value : found) {
    error = std::max(error, std::abs(double(value) - double(*at)));
    largest = std::max(largest, std::abs(double(*at++)));
  }
  return error / largest;
}

struct Problem {
  Sizes sizes;
  reference::Parameters parameters;
  std::vector<std::int64_t> inputs, targets;
};

Problem problem(Cell cell, const Sizes& sizes) {
  Problem p{sizes,
            reference::random_parameters(reference_cell(cell), sizes.vocabulary, sizes.hidden, 1,
                                         sizes.vocabulary, 5),
            {},
            {}};
  std::mt19937 random(7);
  for (std::size_t k = 0; k < sizes.time * sizes.batch; ++k) {
    p.inputs.push_back(std::int64_t(random() % sizes.vocabulary));
    p.targets.push_back(std::int64_t(random() % sizes.vocabulary));
  }
  return p;
}

reference::Bptt expected(Cell cell, const Problem& p, const reference::State& state) {
  const std::vector<std::size_t> shape{p.sizes.time, p.sizes.batch};
  reference::Targets inputs(shape, 0), targets(shape, 0);
  std::copy(p.inputs.begin(), p.inputs.end(), inputs.begin());
  std::copy(p.targets.begin(), p.targets.end(), targets.begin());
  return reference::bptt(reference_cell(cell), p.parameters, reference::one_hot(inputs, p.sizes.vocabulary),
                         targets, state);
}

TEMPLATE_TEST_CASE("hand-written step: loss, gradients and carried state are those of BPTT", "[handwritten]",
                   float, double) {
  const Cell cell = GENERATE(Cell::rnn, Cell::lstm, Cell::gru);
  const Sizes sizes =
      GENERATE(Sizes{4, 16, 4, 1}, Sizes{17, 12, 14, 3}, Sizes{3, 1, 1, 2}, Sizes{65, 40, 9, 5},
               Sizes{33, 17, 25, 4}, Sizes{65, 128, 3, 8}, Sizes{5, 256, 2, 3});
  INFO("cell " << int(cell) << ", hidden " << sizes.hidden);
  const Problem p = problem(cell, sizes);
  const double tolerance = sizeof(TestType) == 4 ? 1e-5 : 1e-10;

  Handwritten<TestType> step(cell, sizes, flat<TestType>(p.parameters));
  reference::State state = reference::zero_state(p.parameters, sizes.batch);
  for (int window = 0; window < 3; ++window) {
    const reference::Bptt exact = expected(cell, p, state);
    const double loss = step.step(p.inputs, p.targets, no_update);
    CHECK(std::abs(loss - exact.loss) < tolerance * exact.loss);
    for (const auto& [name, gradient] : step.gradients()) {
      INFO(name);
      CHECK(relative_error(gradient, exact.gradients.at(name)) < tolerance);
    }
    state = exact.final_state;
    CHECK(relative_error(step.h(), state.h) < tolerance);
    if (cell == Cell::lstm) CHECK(relative_error(step.c(), state.c) < tolerance);
  }
  CHECK(step.parameters() == flat<TestType>(p.parameters));
}

TEST_CASE("hand-written step: the state can be set", "[handwritten]") {
  const Sizes sizes{5, 20, 6, 3};
  const Problem p = problem(Cell::lstm, sizes);
  Handwritten<double> step(Cell::lstm, sizes, flat<double>(p.parameters));
  step.step(p.inputs, p.targets, no_update);
  const auto h = step.h(), c = step.c();
  const double continued = step.step(p.inputs, p.targets, no_update);
  step.set_state(h, c);
  CHECK(step.step(p.inputs, p.targets, no_update) == continued);
}

TEST_CASE("hand-written step: SGD and clipping by norm", "[handwritten]") {
  const Sizes sizes{4, 16, 4, 1};
  const Problem p = problem(Cell::rnn, sizes);
  const double max_norm = GENERATE(0.0, 0.01, 100.0);
  Handwritten<double> step(Cell::rnn, sizes, flat<double>(p.parameters));
  step.step(p.inputs, p.targets, {.rule = Update::Rule::sgd, .lr = 0.1, .max_norm = max_norm});

  const auto gradients = expected(Cell::rnn, p, reference::zero_state(p.parameters, sizes.batch)).gradients;
  double norm = 0;
  for (const auto& [name, gradient] : gradients)
    for (const double g : gradient) norm += g * g;
  norm = std::sqrt(norm);
  const double factor = max_norm == 0.01 ? max_norm / (norm + 1e-6) : 1;
  for (const auto& [name, value] : step.parameters()) {
    reference::Array moved = p.parameters.at(name);
    for (std::size_t k = 0; k < moved.size(); ++k) moved.flat(k) -= 0.1 * factor * gradients.at(name).flat(k);
    CHECK(relative_error(value, moved) < 1e-14);
  }
}

TEST_CASE("hand-written step: Adam over several steps", "[handwritten]") {
  const Cell cell = GENERATE(Cell::rnn, Cell::lstm, Cell::gru);
  const Sizes sizes{7, 18, 5, 3};
  Problem p = problem(cell, sizes);
  Handwritten<double> step(cell, sizes, flat<double>(p.parameters));
  reference::State state = reference::zero_state(p.parameters, sizes.batch);
  reference::Parameters m, v;
  for (int t = 1; t <= 4; ++t) {
    const reference::Bptt exact = expected(cell, p, state);
    CHECK(std::abs(step.step(p.inputs, p.targets, {Update::Rule::adam, 1e-3, 0}) - exact.loss) < 1e-10);
    for (auto& [name, value] : p.parameters) {
      if (t == 1) m[name] = v[name] = reference::Array(value.shape(), 0.0);
      for (std::size_t k = 0; k < value.size(); ++k) {
        const double g = exact.gradients.at(name).flat(k);
        double &first = m[name].flat(k), &second = v[name].flat(k);
        first = 0.9 * first + 0.1 * g;
        second = 0.999 * second + 0.001 * g * g;
        value.flat(k) -=
            1e-3 * (first / (1 - std::pow(0.9, t))) / (std::sqrt(second / (1 - std::pow(0.999, t))) + 1e-8);
      }
    }
    state = exact.final_state;
  }
  for (const auto& [name, value] : step.parameters())
    CHECK(relative_error(value, p.parameters.at(name)) < 1e-10);
}

TEST_CASE("hand-written step: wrong sizes are refused", "[handwritten]") {
  const Problem p = problem(Cell::rnn, {4, 8, 3, 2});
  auto parameters = flat<double>(p.parameters);
  Handwritten<double> step(Cell::rnn, p.sizes, parameters);
  CHECK_THROWS_WITH(step.step({}, p.targets, no_update), "Handwritten: inputs has 0 elements, expected 6");
  parameters["fc.bias"].pop_back();
  CHECK_THROWS_WITH(Handwritten<double>(Cell::rnn, p.sizes, parameters),
                    "Handwritten: fc.bias has 3 elements, expected 4");
  parameters.erase("fc.bias");
  CHECK_THROWS_WITH(Handwritten<double>(Cell::rnn, p.sizes, parameters), "Handwritten: no fc.bias");
}

}  // namespace
