// Formulas that capture numbers.
#include <xgrad/autograd/tape/formula.hpp>

#include <array>
#include <cmath>
#include <numeric>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;

TEST_CASE("formula: captured numbers have the values of the moment", "[formula]") {
  const auto scaled = [](double a, double b) {
    return formula("scaled", [a, b](auto x) { return a * x * x + b * sin(a * x); });
  };
  const auto x = randn<double>({3, 3});
  for (const auto& [a, b] :
       {std::pair{2., 3.}, std::pair{3., 2.}, std::pair{1., 1.}, std::pair{0., 0.}, std::pair{-1., 0.5}}) {
    const auto f = scaled(a, b);
    const auto y = f(x);
    for (std::size_t i = 0; i < 9; ++i) {
      const double v = x.values()[i];
      CHECK(y.values()[i] == Approx(a * v * v + b * std::sin(a * v)).epsilon(1e-14).margin(1e-14));
    }
    CHECK(gradcheck(f, {x}));
    CHECK(gradgradcheck(f, {x}));
  }
}

TEST_CASE("formula: compound assignment takes numbers too", "[formula]") {
  constexpr auto f = formula("compound", [](auto x, auto y) {
    auto t = x;
    t += 1;
    t *= y;
    t -= 2.5;
    t /= 2;
    t += t;
    return t;
  });
  auto x = Tensor<double>{3, 4}.set_requires_grad();
  const auto y = f(x, Tensor<double>{5});
  CHECK(y.values()[0] == 17.5);
  CHECK(y.values()[1] == 22.5);
  y.backward(ones<double>({2}));
  CHECK(x.grad().values()[1] == 5);
}

TEST_CASE("formula: constants that derivatives need do not mix with captured ones", "[formula]") {
  for (const double a : {0.5, 1.0, 2.0, -0.5}) {
    const auto f = formula("roots", [a](auto x, auto y) {
      return sqrt(x * x + a * a) * 0.5 + maximum(x * a, y) + pow(y * y + 1.0, a);
    });
    const auto x = randn<double>({4}), y = randn<double>({4});
    CHECK(gradcheck(f, {x, y}));
    CHECK(gradgradcheck(f, {x, y}));
  }
}

TEST_CASE("formula: captured constants beside kept values", "[formula]") {
  for (const double a : {0.5, 1.0, 3.0}) {
    const auto f = formula("kept_scaled", [a](auto x, auto y) {
      auto root = keep(sqrt(x * x + a));
      keep(sqrt(root * 2.0 + a));
      return pow(root, 1.5) * y + a * root;
    });
    const auto x = randn<double>({4}), y = randn<double>({4});
    CHECK(gradcheck(f, {x, y}));
    CHECK(gradgradcheck(f, {x, y}));
  }
}

TEST_CASE("formula: many captured numbers, and small ones", "[formula]") {
  struct Twelve {
    double v[12];
  };
  Twelve c;
  std::iota(std::begin(c.v), std::end(c.v), 1.0);
  const auto weighted = formula("weighted", [c](auto x) {
    auto sum = c.v[0] * x;
    for (int i = 1; i < 12; ++i) sum = sum * x + c.v[i];
    return sum;
  });
  const auto x = Tensor<double>{0.5, -1};
  const auto expected = [&](double v) {
    return std::accumulate(std::begin(c.v) + 1, std::end(c.v), c.v[0] * v,
                           [&](double s, double k) { return s * v + k; });
  };
  CHECK(weighted(x).values()[0] == Approx(expected(0.5)).epsilon(1e-14));
  CHECK(weighted(x).values()[1] == Approx(expected(-1)).epsilon(1e-14));
  CHECK(gradcheck(weighted, {x}));

  const signed char p = 3, q = 3, r = 7;
  const short s = -2;
  const auto small =
      formula("small", [p, q, r, s](auto v) { return p * v + q * v * v + 45 * v + r + s * v; });
  CHECK(small(Tensor<double>{2}).item() == 3 * 2 + 3 * 4 + 45 * 2 + 7 - 4);
  CHECK(gradcheck(small, {x}));
}

TEST_CASE("formula: a captured value that steers what is computed is refused", "[formula]") {
  const auto branch = [](double a) {
    return formula("branch", [a](auto x) { return a > 0 ? x + 1.0 : x - 1.0; });
  };
  const auto x = ones<double>({1});
  const auto result = [&](double a) -> std::string {
    try {
      return std::to_string(branch(a)(x).item());
    } catch (const ValueError& error) {
      return error.what();
    }
  };
  const std::string refusal =
      "branch: what the formula computes depends on a captured value; branch with where()";
  const std::array found{result(1), result(-1)};
  CHECK((found == std::array<std::string, 2>{"2.000000", refusal} ||
         found == std::array<std::string, 2>{refusal, "0.000000"}));
}

TEST_CASE("formula: a captured constant in float", "[formula]") {
  const double third = 1.0 / 3;
  const auto f = formula("third", [third](auto x) { return third * x; });
  CHECK(f(Tensor<float>{3}).item() == static_cast<float>(third) * 3);
}

}  // namespace
