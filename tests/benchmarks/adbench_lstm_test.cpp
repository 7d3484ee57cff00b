// The ADBench LSTM: formulas against the hand-written reverse, and both against central differences.
#include "../../benchmarks/adbench_lstm.hpp"

#include <algorithm>
#include <cmath>

#include "catch.hpp"

namespace {

using namespace xgrad;
using benchmarks::DiagonalLstmGradient;
using benchmarks::DiagonalLstmProblem;
using benchmarks::FormulaLstm;
using benchmarks::HandwrittenLstm;

double largest(const std::vector<double>& values) {
  double result = 0;
  for (const double value : values) result = std::max(result, std::abs(value));
  return result;
}

/// Largest difference over the largest entry of `expected`.
double relative_error(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0;
  for (std::size_t k = 0; k < found.size(); ++k) error = std::max(error, std::abs(found[k] - expected[k]));
  return error / largest(expected);
}

/// The loss in plain loops, as it is defined.
double plain_loss(const DiagonalLstmProblem& p) {
  const auto width = static_cast<std::size_t>(p.width), layers = static_cast<std::size_t>(p.layers);
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  auto state = p.state;
  std::vector<double> x(width), y(width);
  double total = 0;
  for (std::size_t t = 0; t + 1 < static_cast<std::size_t>(p.steps); ++t) {
    for (std::size_t j = 0; j < width; ++j) x[j] = p.sequence[t * width + j] * p.extra[j];
    for (std::size_t l = 0; l < layers; ++l)
      for (std::size_t j = 0; j < width; ++j) {
        const auto at = [&](std::size_t row) { return p.main[(8 * l + row) * width + j]; };
        double &h = state[2 * l * width + j], &c = state[(2 * l + 1) * width + j];
        const double f = sigmoid(x[j] * at(0) + at(4)), i = sigmoid(h * at(1) + at(5));
        const double o = sigmoid(x[j] * at(2) + at(6)), g = std::tanh(h * at(3) + at(7));
        c = c * f + i * g;
        x[j] = h = o * std::tanh(c);
      }
    double sum = 2;
    for (std::size_t j = 0; j < width; ++j) {
      y[j] = x[j] * p.extra[width + j] + p.extra[2 * width + j];
      sum += std::exp(y[j]);
    }
    for (std::size_t j = 0; j < width; ++j) total += p.sequence[(t + 1) * width + j] * (y[j] - std::log(sum));
  }
  return -total / static_cast<double>((p.steps - 1) * p.width);
}

/// How much the loss changes with `value`, which is one of p's.
double slope(const DiagonalLstmProblem& p, double& value) {
  const double step = 1e-5, before = value;
  value = before + step;
  const double above = plain_loss(p);
  value = before - step;
  const double below = plain_loss(p);
  value = before;
  return (above - below) / (2 * step);
}

TEST_CASE("formulas and the hand-written reverse agree", "[adbench]") {
  struct Sizes {
    std::int64_t layers, steps, width;
  };
  // An odd and an even number of steps, one step, rows that fill registers and rows that do not.
  for (const auto& [layers, steps, width] :
       {Sizes{1, 2, 14}, {1, 3, 1}, {2, 6, 3}, {2, 9, 8}, {3, 10, 5}, {2, 64, 14}, {4, 65, 14}}) {
    CAPTURE(layers, steps, width);
    const DiagonalLstmProblem problem(layers, steps, width);
    const DiagonalLstmGradient formulas = FormulaLstm(problem).gradient();
    const DiagonalLstmGradient by_hand = HandwrittenLstm(problem).gradient();
    const double loss = plain_loss(problem);
    CHECK(std::abs(formulas.loss - loss) <= 1e-12 * std::max(1.0, std::abs(loss)));
    CHECK(std::abs(by_hand.loss - loss) <= 1e-12 * std::max(1.0, std::abs(loss)));
    CHECK(relative_error(formulas.main, by_hand.main) < 1e-10);
    CHECK(relative_error(formulas.extra, by_hand.extra) < 1e-10);
  }
}

TEST_CASE("a second gradient is the first one again", "[adbench]") {
  const DiagonalLstmProblem problem(2, 12, 14);
  FormulaLstm formulas(problem);
  HandwrittenLstm by_hand(problem);
  const auto first = formulas.gradient(), second = formulas.gradient();
  CHECK(first.main == second.main);
  CHECK(first.extra == second.extra);
  const auto first_by_hand = by_hand.gradient(), second_by_hand = by_hand.gradient();
  CHECK(first_by_hand.main == second_by_hand.main);
  CHECK(first_by_hand.extra == second_by_hand.extra);
}

TEST_CASE("both are the central differences of the loss", "[adbench]") {
  DiagonalLstmProblem problem(2, 12, 14);
  const auto formulas = FormulaLstm(problem).gradient(), by_hand = HandwrittenLstm(problem).gradient();
  const auto check = [&](std::vector<double>& values, const std::vector<double>& a,
                         const std::vector<double>& b) {
    const double tolerance = 1e-8 * largest(a);
    for (std::size_t k = 0; k < values.size();
         k += 5) {  // 5 and the width share no factor: every column is met
      CAPTURE(k);
      const double expected = slope(problem, values[k]);
      CHECK(std::abs(a[k] - expected) <= tolerance);
      CHECK(std::abs(b[k] - expected) <= tolerance);
    }
  };
  check(problem.main, formulas.main, by_hand.main);
  check(problem.extra, formulas.extra, by_hand.extra);
}

}  // namespace
