// Branches of where() that are not taken: whatever is computed on them, they send nothing, to any order.
#include <xgrad/autograd/tape/formula.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "derivatives.hpp"
#include "near.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using D = Tensor<double>;

constexpr double inf = std::numeric_limits<double>::infinity();

TEST_CASE("branches: NaN and infinity stay where they are", "[formula]") {
  constexpr auto root = formula("root", [](auto x) { return where(x > 0, sqrt(x), x); });
  CHECK(off_derivatives(root, D{-1, 0, 4}, {{1, 1, 0.25}, {0, 0, -1. / 32}, {0, 0, 3. / 256}}) == "");
  constexpr auto grows = formula("grows", [](auto a) { return where(a <= 0, exp(a), 1 + a); });
  const double e = std::exp(-1.0);
  CHECK(off_derivatives(grows, D{1000, -1}, {{1, e}, {0, e}, {0, e}, {0, e}}) == "");
  constexpr auto product = formula("product", [](auto x, auto y) { return where(y < inf, x * y, x); });
  const D x = leaf({2, 3}), y = leaf({5, inf});
  auto [gx, gy] = grad(sum(product(x, y)), {x, y});
  CHECK(off(gx, {2}, {5, 1}) == "");
  CHECK(off(gy, {2}, {2, 0}) == "");
}

TEST_CASE("branches: deep ones, that are nowhere near a safe value", "[formula]") {
  constexpr auto deep = formula("deep", [](auto x) {
    const auto root = sqrt(x - 3);
    return where(x > 4, log(root - 1) * root + pow(root, x) / tan(root), x * x);
  });
  CHECK(off_derivatives(deep, D{-2, 3, 4}, {{-4, 6, 8}, {2, 2, 2}, {0, 0, 0}}) == "");
  CHECK(gradcheck(deep, {D{-2, 3, 5.5, 7}}));
  CHECK(gradgradcheck(deep, {D{-2, 3, 5.5, 7}}));
}

TEST_CASE("branches: nested, and what several of them share", "[formula]") {
  constexpr auto shared = formula("shared", [](auto x) {
    const auto s = log(x);
    return where(x > 1, s * s, where(x > 0.5, s * x, x * x));
  });
  // (log² x)'' = 2 (1 - log x) / x², (x log x)'' = 1 / x
  const double l2 = std::log(2.0);
  CHECK(off_derivatives(shared, D{0, -1, 0.75, 2},
                        {{0, -2, std::log(0.75) + 1, l2},
                         {2, 2, 4. / 3, (1 - l2) / 2},
                         {0, 0, -16. / 9, (2 * l2 - 3) / 4}}) == "");
  constexpr auto both = formula("both", [](auto x) {
    const auto s = sqrt(x);
    return where(x < 0, x, where(x < 1, where(x == 0, 2 * x, s), s + s));
  });
  CHECK(off_derivatives(both, D{-1, 0, 0.25, 4}, {{1, 2, 1, 0.5}, {0, 0, -2, -1. / 16}}) == "");
  constexpr auto condition = formula("condition", [](auto x) {
    const auto s = sqrt(x);
    return where(s > 1, s, x);  // NaN > 1 does not hold
  });
  CHECK(off_derivatives(condition, D{-1, 0, 4}, {{1, 1, 0.25}, {0, 0, -1. / 32}}) == "");
}

TEST_CASE("branches: kept values", "[formula]") {
  constexpr auto kept = formula("kept", [](auto x) {
    const auto s = keep(sqrt(x));
    return where(x > 0, s * s * s, x * x);
  });
  CHECK(off_derivatives(kept, D{-1, 0, 4}, {{-2, 0, 3}, {2, 2, 0.375}, {0, 0, -3. / 64}}) == "");
}

TEST_CASE("branches: several outputs", "[formula]") {
  constexpr auto two = formula("two", [](auto x) {
    const auto s = sqrt(x);
    return outputs(where(x > 0, s, x), 3 * s, where(x > 0, x, -s));
  });
  const auto output = [&](std::size_t k) { return [&two, k](const D& x) { return two(x)[k]; }; };
  CHECK(off_derivatives(output(0), D{-1, 0, 4}, {{1, 1, 0.25}, {0, 0, -1. / 32}}) == "");
  CHECK(off_derivatives(output(1), D{1, 4}, {{1.5, 0.75}, {-0.75, -3. / 32}}) == "");
  CHECK(off_derivatives(output(2), D{1, 4}, {{1, 1}, {0, 0}}) == "");
  const auto all = [&](const D& x) {
    const auto [a, b, c] = two(x);
    return a + b * 2 + c;
  };
  CHECK(off_derivatives(all, D{1, 4}, {{4.5, 2.75}, {-1.75, -7. / 32}}) == "");
  // By a gradient that is 0: the derivative in a direction, as two passes backward give it.
  const D x = leaf({4}), dummy = leaf({0});
  const D g = grad(sum(two(x)[1] * dummy), x, {.create_graph = true});
  CHECK(off(grad(sum(g), dummy), {1}, {0.75}) == "");
}

TEST_CASE("branches: broadcast, captured numbers, float, a Replay", "[formula]") {
  const double limit = 0;
  const auto scaled =
      formula("scaled", [limit](auto x, auto scale) { return where(x > limit, log(x) * scale, x); });
  const D x = leaf({{-1, 2}, {0, 4}}), scale = leaf({10, 100});
  auto [gx, gs] = grad(sum(scaled(x, scale)), {x, scale});
  CHECK(off(gx, {2, 2}, {1, 50, 1, 25}) == "");
  CHECK(off(gs, {2}, {0, std::log(8.0)}) == "");

  auto single = Tensor<>{-1, 2, 0, 4}.set_requires_grad();
  Replay replay([&] { return grad(sum(scaled(single, 10)), single); });
  CHECK(off(replay(), {4}, {1, 5, 1, 2.5}) == "");
  single.assign(Tensor<>{5, -1, 10, 0});
  CHECK(off(replay(), {4}, {2, 1, 1, 1}) == "");
}

TEST_CASE("branches: a formula without where() pays nothing", "[formula]") {
  constexpr auto plain = [](auto x, auto y) { return outputs(sqrt(x) * y, tanh(x / y)); };
  const detail::Program &fast = detail::AdjointProgram<decltype(plain), 2>::program,
                        &recorded = detail::RecordedAdjointProgram<decltype(plain), 2>::program;
  CHECK(fast.code == recorded.code);
  CHECK(std::ranges::none_of(fast.code, [](const auto& step) { return step.op == detail::Opcode::where; }));
  const auto x = leaf({0, 1});
  auto [g] = grad(sum(sqrt(x) * 0), {x});
  CHECK(std::isnan(g.values()[0]));  // 0 times infinity: no branch is to blame
}

TEST_CASE("flat functions: comparisons need no gradient, sign has one of 0", "[formula]") {
  const D x = leaf({-2, 0, 3});
  for (const D& y : {x > 1, x >= 1, x < 1, x <= 1, x == 1, x != 1, 1 < x, where(x > 0, 1.0, 2.0)}) {
    CHECK_FALSE(y.requires_grad());
    CHECK_THROWS_AS(sum(y).backward(), GraphError);
  }
  constexpr auto step = formula("step", [](auto v) { return (v > 0) * 2.0; });
  CHECK_FALSE(step(x).requires_grad());
  constexpr auto flat = formula("flat", [](auto v) { return sign(exp(v)) + 1; });
  CHECK(off(gradient([](const D& v) { return sign(v); }, x), {3}, {0, 0, 0}) == "");
  CHECK(off(gradient(flat, D{1, 1000}), {2}, {0, 0}) == "");  // not 0 times infinity
  CHECK(off_derivatives([](const D& v) { return abs(v) * v; }, D{-2, 3}, {{4, 6}, {-2, 2}}) == "");
  // Where only the condition would need one, there is none either.
  CHECK_FALSE(where(x, ones<double>({3}), 0).requires_grad());
}

}  // namespace
