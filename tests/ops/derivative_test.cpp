// Derivatives of elementwise functions: at their limits, where digits are easily lost, and to high orders.
#include <cmath>
#include <limits>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "derivatives.hpp"
#include "near.hpp"
#include "reference_math.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using D = Tensor<double>;
using Vector = std::vector<double>;

constexpr double inf = std::numeric_limits<double>::infinity(),
                 not_a_number = std::numeric_limits<double>::quiet_NaN();

double exact_exp(double x) { return static_cast<double>(rounded<mpfr_exp>(x)); }

/// The relative error of the first derivative, and of the second, at one point.
template <class T, class F>
std::pair<double, double> errors(F f, double at, double first, double second) {
  const auto x = Tensor<T>{at}.set_requires_grad();
  const auto g = grad(f(x), {x}, {.create_graph = true})[0];
  const auto h = grad(g, {x})[0];
  return {std::abs(static_cast<double>(g.item()) / first - 1),
          std::abs(static_cast<double>(h.item()) / second - 1)};
}

TEST_CASE("a power has derivatives of every order at 0") {
  const auto polynomial = [](const D& x) { return pow(x, 0) + 2 * x + 3 * pow(x, 2); };
  CHECK(off_derivatives(polynomial, D{0, 1}, {{2, 8}, {6, 6}, {0, 0}, {0, 0}}) == "");
  const auto bell = [](const D& x) { return exp(-pow(x, 2)); };  // (-1)ⁿ (2n)! / n!
  CHECK(off_derivatives(bell, D{0}, {{0}, {-2}, {0}, {12}, {0}, {-120}}) == "");
  CHECK(off_derivatives([](const D& x) { return pow(x, 3); }, D{0, -2},
                        {{0, 12}, {0, -12}, {6, 6}, {0, 0}, {0, 0}}) == "");
  CHECK(off_derivatives([](const D& x) { return pow(x, -1); }, D{-2}, {{-0.25}, {-0.25}, {-0.375}}) == "");
  CHECK(off_derivatives([](const D& x) { return pow(x, 0.5); }, D{0, 4}, {{inf, 0.25}}) == "");
}

TEST_CASE("the gradients of pow at 0, by both operands, are PyTorch's") {
  const D a = leaf({0, 0, 0, inf}), b = leaf({0, 2, -1, -1});
  auto [ga, gb] = grad(sum(pow(a, b)), {a, b}, {.create_graph = true});
  CHECK(off(ga.detach(), {4}, {0, 0, -inf, 0}) == "");
  CHECK(off(gb.detach(), {4}, {0, 0, -inf, 0}) == "");  // the last is NaN in PyTorch
  const D base = leaf({0, 0}), exponent = leaf({2, 3});
  auto [g, h] = grad(sum(pow(base, exponent)), {base, exponent}, {.create_graph = true});
  auto [by_base, by_exponent] = grad(sum(g + h), {base, exponent});  // in PyTorch NaN
  CHECK(off(by_base, {2}, {2, 0}) == "");
  CHECK(off(by_exponent, {2}, {0, 0}) == "");
}

TEST_CASE("xlogy and entr, and their derivatives, at 0") {
  const D a{0, 0, 0, 2, 0, 0, not_a_number, 3}, b{0, 2, -1, 0, not_a_number, inf, 2, 2};
  CHECK(off(xlogy(a, b), {8}, {0, 0, 0, -inf, not_a_number, 0, not_a_number, 3 * std::log(2.0)}) == "");
  const D x = leaf({0, 0, 0, 3}), y = leaf({0, 2, -1, 2});
  auto [gx, gy] = grad(sum(xlogy(x, y)), {x, y}, {.create_graph = true});
  CHECK(off(gx.detach(), {4}, {0, std::log(2.0), 0, std::log(2.0)}) == "");
  CHECK(off(gy.detach(), {4}, {0, 0, 0, 1.5}) == "");
  auto [hx, hy] = grad(sum(gx + gy), {x, y});
  CHECK(off(hx, {4}, {0, 0.5, 0, 0.5}) == "");
  CHECK(off(hy, {4}, {0, 0.5, 0, 0.5 - 0.75}) == "");

  CHECK(off(entr(D{0, -1, not_a_number, 0.5, inf}), {5},
            {0, -inf, not_a_number, 0.5 * std::log(2.0), -inf}) == "");
  CHECK(off_derivatives([](const D& t) { return entr(t); }, D{0, 0.5},
                        {{inf, std::log(2.0) - 1}, {-inf, -2}}) == "");
  CHECK(off(xlogy(2, D{1, 0}), {2}, {0, -inf}) == "");
}

TEST_CASE("with a NaN maximum and minimum send their gradient to both, as PyTorch's do") {
  const D a = leaf({not_a_number, 1, 2}), b = leaf({1, not_a_number, 1});
  for (const auto& [y, want_a, want_b] : {std::tuple{maximum(a, b), Vector{1, 1, 1}, Vector{1, 1, 0}},
                                          std::tuple{minimum(a, b), Vector{1, 1, 0}, Vector{1, 1, 1}}}) {
    auto [ga, gb] = grad(sum(y), {a, b});
    CHECK(off(ga, {3}, want_a) == "");
    CHECK(off(gb, {3}, want_b) == "");
  }
}

TEMPLATE_TEST_CASE("derivatives keep their digits", "", float, double) {
  using T = TestType;
  const double limit = sizeof(T) == 4 ? 2e-6 : 1e-14;
  const auto check = [&](auto f, double x, double first, double second) {
    const double at = static_cast<double>(static_cast<T>(x));
    const auto [g, h] = errors<T>(f, at, first, second);
    INFO(at << ": wrong by " << g << ", " << h);
    CHECK(g <= limit);
    CHECK(h <= limit);
  };
  for (const double x : {-16.0, -8.0, -30.0}) {  // elu and expm1: exp
    check([](const auto& t) { return elu(t); }, x, exact_exp(x), exact_exp(x));
    check([](const auto& t) { return expm1(t); }, x, exact_exp(x), exact_exp(x));
  }
  // gelu: Φ(x) + x φ(x), (2 - x²) φ(x)
  for (const double x : {-5.0, -8.0, -3.0, 2.0}) {
    const double phi = exact_exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0)),
                 cumulated = static_cast<double>(rounded<mpfr_erfc>(-x / std::sqrt(2.0L))) / 2;
    check([](const auto& t) { return gelu(t); }, x, cumulated + x * phi, (2 - x * x) * phi);
    CHECK(static_cast<double>(gelu(Tensor<T>{x}).item()) == Approx(x * cumulated).epsilon(limit * 2));
  }
  // asin: 1 / √(1 - x²), x / √(1 - x²)³
  for (const double wanted : {1e-4, -1e-6, 0.3, 0.7, 0.9999, -0.99}) {
    const double x = static_cast<double>(static_cast<T>(wanted)), square = (1 - x) * (1 + x);
    check([](const auto& t) { return asin(t); }, x, 1 / std::sqrt(square), x / std::pow(square, 1.5));
    check([](const auto& t) { return acos(t); }, x, -1 / std::sqrt(square), -x / std::pow(square, 1.5));
  }
}

}  // namespace
