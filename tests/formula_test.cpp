// Formulas: what they compute, save and differentiate, for every kind of operand.
#include <xgrad/autograd/tape/formula.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/autograd/tape/graph.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using Vector = std::vector<double>;

constexpr auto swish = formula("swish", [](auto x) { return x * sigmoid(x); });
constexpr auto mixed =
    formula("mixed", [](auto a, auto b, auto c) { return a * b + tanh(b * c) - c / (2.0 + a * a); });

/// `mixed` by hand, on indices that broadcast.
double mixed_value(double a, double b, double c) { return a * b + std::tanh(b * c) - c / (2 + a * a); }

/// Element of `x`, broadcast to `shape`, at flat index `i`.
double broadcast_element(const Tensor<double>& x, const Shape& shape, std::int64_t i) {
  std::int64_t offset = 0, step = 1;
  for (std::size_t k = 1; k <= shape.rank(); ++k) {
    const std::int64_t at = i % shape[shape.rank() - k];
    i /= shape[shape.rank() - k];
    if (k > x.rank()) continue;
    const std::int64_t extent = x.shape()[x.rank() - k];
    if (extent != 1) offset += at * step;
    step *= extent;
  }
  return x.values()[static_cast<std::size_t>(offset)];
}

/// A tensor in the middle of a larger storage filled with `sentinel`.
Tensor<double> embedded(const Tensor<double>& x, Tensor<double>& storage, double sentinel) {
  storage = full<double>({x.elements() + 34}, sentinel);
  Tensor<double> part(storage.view(x.shape(), 17));
  part.assign(x);
  return part;
}

TEST_CASE("formula: values and gradients for every way of broadcasting", "[formula]") {
  const auto shapes =
      GENERATE(std::array<Shape, 3>{Shape{3, 5}, Shape{3, 5}, Shape{3, 5}},  // alike
               std::array<Shape, 3>{Shape{3, 5}, Shape{5}, Shape{3, 1}},     // row, column
               std::array<Shape, 3>{Shape{1, 5}, Shape{3, 1}, Shape{}},      // outer product, scalar
               std::array<Shape, 3>{Shape{1}, Shape{1, 1}, Shape{7}},        // ones
               std::array<Shape, 3>{Shape{}, Shape{}, Shape{}},
               std::array<Shape, 3>{Shape{2, 1, 3, 1}, Shape{4, 1, 5}, Shape{2, 1, 1, 5}},
               std::array<Shape, 3>{Shape{2, 3, 2, 2}, Shape{1, 2, 1}, Shape{3, 1, 1}},
               std::array<Shape, 3>{Shape{0, 4}, Shape{4}, Shape{1, 1}},  // nothing
               std::array<Shape, 3>{Shape{3, 1}, Shape{1, 0}, Shape{}},
               std::array<Shape, 3>{Shape{2, 1, 2, 1, 2, 1, 2}, Shape{1, 2, 1, 2, 1}, Shape{2, 1}});
  Generator random(7);
  const auto a = randn<double>(shapes[0], random), b = randn<double>(shapes[1], random),
             c = randn<double>(shapes[2], random);
  const auto y = mixed(a, b, c);
  const Shape expected = broadcast("test", broadcast("test", a.shape(), b.shape()), c.shape());
  REQUIRE(y.shape() == expected);
  for (std::int64_t i = 0; i < y.elements(); ++i)
    CHECK(y.values()[static_cast<std::size_t>(i)] ==
          Approx(mixed_value(broadcast_element(a, expected, i), broadcast_element(b, expected, i),
                             broadcast_element(c, expected, i)))
              .epsilon(1e-13)
              .margin(1e-14));
  CHECK(gradcheck(mixed, {a, b, c}));
  CHECK(gradgradcheck(mixed, {a, b, c}));
}

TEST_CASE("formula: shapes that do not broadcast are named", "[formula]") {
  const auto x = ones<double>({3, 4});
  CHECK_THROWS_WITH(mixed(x, ones<double>({3}), x),
                    Contains("mixed: shapes [3, 4] and [3] do not broadcast: axis -1 has 4 and 3"));
  CHECK_THROWS_AS(mixed(x, x, ones<double>({2, 4})), ShapeError);
  CHECK_THROWS_WITH(mixed(x, Tensor<double>(), x), Contains("mixed: an operand is undefined"));
  CHECK_NOTHROW(mixed(x, x, x));
}

TEST_CASE(
    "formula: every size around the registers, in slices of a larger storage, leaves its neighbours alone",
    "[formula]") {
  const double sentinel = -12345.0625;
  for (std::int64_t n = 1; n <= 70; ++n) {
    Tensor<double> storage_a, storage_b;
    Generator random(static_cast<std::uint64_t>(n));
    const auto plain_a = randn<double>({n}, random), plain_b = randn<double>({n}, random),
               seed = randn<double>({n}, random);
    auto a = embedded(plain_a, storage_a, sentinel).set_requires_grad(),
         b = embedded(plain_b, storage_b, sentinel).set_requires_grad();
    const auto y = mixed(a, b, 0.5);
    y.backward(seed);
    Vector expected, gradient;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      const double x = plain_a.values()[i], z = plain_b.values()[i];
      expected.push_back(mixed_value(x, z, 0.5));
      gradient.push_back(seed.values()[i] * (z + 0.5 * 2 * x / ((2 + x * x) * (2 + x * x))));
    }
    REQUIRE_THAT(list(y), Catch::Matchers::Approx(expected).epsilon(1e-13).margin(1e-14));
    REQUIRE_THAT(list(a.grad()), Catch::Matchers::Approx(gradient).epsilon(1e-12).margin(1e-14));
    for (const auto* storage : {&storage_a, &storage_b})
      for (std::size_t i = 0; i < 17; ++i) {
        REQUIRE(storage->values()[i] == sentinel);
        REQUIRE(storage->values()[storage->values().size() - 1 - i] == sentinel);
      }
  }
}

TEST_CASE("formula: into() writes its region and nothing beside it", "[formula]") {
  const double sentinel = 77.25;
  for (std::int64_t n = 1; n <= 40; ++n) {
    Tensor<double> storage;
    const auto x = arange<double>(static_cast<double>(n)), row = ones<double>({n});
    const auto place = embedded(zeros<double>({n}), storage, sentinel);
    const auto y = swish.into(place, Location::current(), x);
    REQUIRE(y.data() == place.data());
    REQUIRE(list(place) == list(swish(x)));
    Tensor<double> wide;
    const auto matrix = embedded(zeros<double>({3, n}), wide, sentinel);
    mixed.into(matrix, Location::current(), row, ones<double>({3, 1}), x);  // broadcast: row by row
    REQUIRE(list(matrix) == list(mixed(row, ones<double>({3, 1}), x)));
    for (const auto* s : {&storage, &wide})
      for (std::size_t i = 0; i < 17; ++i) {
        REQUIRE(s->values()[i] == sentinel);
        REQUIRE(s->values()[s->values().size() - 1 - i] == sentinel);
      }
  }
  CHECK_THROWS_WITH(swish.into(zeros<double>({3}), Location::current(), ones<double>({2})),
                    Contains("swish: the result has shape [2] and its destination [3]"));
}

TEST_CASE("formula: into() is a write in place, and differentiable", "[formula]") {
  auto x = Tensor<double>{1, 2}.set_requires_grad();
  Tensor<double> place = zeros<double>({2});
  const auto stale = swish(x) * place;  // saves `place`
  const auto y = swish.into(place, Location::current(), x);
  CHECK(y.requires_grad());
  y.backward(ones<double>({2}));
  CHECK(list(x.grad()) == list(grad(swish(x), {x}, {.grad_outputs = {ones<double>({2})}})[0]));
  CHECK_THROWS_WITH(stale.backward(ones<double>({2})), Contains("changed in place"));
  auto recorded = x * 1;
  CHECK_THROWS_WITH(swish.into(recorded, Location::current(), x), Contains("the result of 'mul'"));
}

TEST_CASE("formula: into() over its own input cannot be differentiated silently wrong", "[formula]") {
  const auto h = Tensor<double>{1, 2};
  auto x = Tensor<double>{3, 4}.set_requires_grad();
  auto place = h.clone();
  CHECK_THROWS_WITH(
      mixed.into(place, Location::current(), place, x, 1.0),  // backward would read what is gone
      Contains("mixed: the destination overlaps an operand"));
  auto again = h.clone();
  const no_grad scope;
  CHECK(list(mixed.into(again, Location::current(), again, x, 1.0)) == list(mixed(h, x, 1.0)));
}

TEST_CASE("formula: numbers as arguments, in any place and of any type", "[formula]") {
  auto x = Tensor<double>{1, -2}.set_requires_grad();
  CHECK(list(mixed(2, x, 3.f)) == Vector{mixed_value(2, 1, 3), mixed_value(2, -2, 3)});
  CHECK(list(mixed(x, 2u, std::int64_t{-1})) == Vector{mixed_value(1, 2, -1), mixed_value(-2, 2, -1)});
  const auto f = [](const Tensor<double>& t) { return mixed(2, t, 3) + mixed(t, 0.5, t); };
  CHECK(gradcheck(f, {x}));
  CHECK(gradgradcheck(f, {x}));
}

TEST_CASE("formula: the same tensor in several places", "[formula]") {
  const auto x = randn<double>({3, 7}), row = randn<double>({7});
  const auto f = [](const Tensor<double>& t) { return mixed(t, t, t); };
  CHECK(gradcheck(f, {x}));
  CHECK(gradgradcheck(f, {x}));
  const auto g = [](const Tensor<double>& t, const Tensor<double>& r) {
    return mixed(t, r, r) + mixed(r, t, t);
  };
  CHECK(gradcheck(g, {x, row}));
  CHECK(gradgradcheck(g, {x, row}));
}

// ------------------------------------------------------------------------------------------------- several
// results

constexpr auto cell = formula("cell", [](auto x, auto h, auto c) {
  auto f = keep(sigmoid(x + h)), g = keep(tanh(x * h));
  auto next = f * c + (1 - f) * g;
  return outputs(f * tanh(next), next);
});

TEST_CASE("formula: several outputs, of which any may be used", "[formula]") {
  const auto x = randn<double>({2, 5}), h = randn<double>({2, 5}), c = randn<double>({5});
  CHECK(gradcheck(cell, {x, h, c}));
  CHECK(gradgradcheck(cell, {x, h, c}));
  CHECK(gradcheck([](auto a, auto b, auto d) { return cell(a, b, d)[0]; }, {x, h, c}));
  CHECK(gradgradcheck([](auto a, auto b, auto d) { return cell(a, b, d)[1]; }, {x, h, c}));
  const std::array<Tensor<double>, 2> both = cell(x, h, c);
  CHECK(both[1].shape() == Shape{2, 5});
}

TEST_CASE("formula: outputs that are inputs, or the same value twice", "[formula]") {
  constexpr auto odd = formula("odd", [](auto x, auto y) {
    auto p = x * y;
    return outputs(p, p, x, p + x);
  });
  const auto x = randn<double>({2, 3}), y = randn<double>({3});
  CHECK(list(odd(x, y)[2]) == list(x));
  CHECK(gradcheck(odd, {x, y}));
  CHECK(gradgradcheck(odd, {x, y}));
  auto w = x.clone().set_requires_grad();
  CHECK(odd(w, y)[2].data() != w.data());
}

TEST_CASE("formula: the most outputs and kept values", "[formula]") {
  constexpr auto many = formula("many", [](auto x) {
    auto a = keep(exp(x)), b = keep(sin(x)), c = keep(cos(x)), d = keep(tanh(x));
    return outputs(a * 1, a * 2, b * 3, b * 4, c * 5, c * 6, d * 7, d * 8, a + b, b + c, c + d,
                   a * b * c * d);
  });
  const auto x = randn<double>({3});
  CHECK(gradcheck(many, {x}));
  CHECK(gradgradcheck(many, {x}));
}

TEST_CASE("formula: a kept value that no output reads", "[formula]") {
  constexpr auto f = formula("kept_aside", [](auto x, auto y) {
    auto p = pow(x * x + 0.25, 1.5);
    keep(sqrt(p));
    return p * y * 3.0;
  });
  const auto x = randn<double>({5}), y = randn<double>({5});
  CHECK(gradcheck(f, {x, y}));
  CHECK(gradgradcheck(f, {x, y}));
}

// ---------------------------------------------------------------------------------------------------------
// chunks

constexpr auto gates = formula("gates", [](auto i, auto f, auto g, auto o, auto c) {
  auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
  return outputs(sigmoid(o) * tanh(next), next);
});

constexpr auto f3 = formula("f3", [](auto a, auto b, auto c) { return a * b + sin(c) * b; });
constexpr auto f4 = formula("f4", [](auto a, auto b, auto c, auto d) { return a * sin(b) + c * d * d; });

TEST_CASE("formula: chunks are the parts of the last axis", "[formula]") {
  const std::int64_t n = GENERATE(1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33);
  Generator random(3);
  const auto z = randn<double>({3, 4 * n}, random), c = randn<double>({3, n}, random);
  std::array<Tensor<double>, 4> part;
  for (int k = 0; k < 4; ++k)
    part[static_cast<std::size_t>(k)] = Tensor<double>(column_block(z, k, 4, Location::current()));
  const auto expected = gates(part[0], part[1], part[2], part[3], c), found = gates(chunks<4>(z), c);
  CHECK(list(found[0]) == list(expected[0]));
  CHECK(list(found[1]) == list(expected[1]));
  const auto f = [](const Tensor<double>& a, const Tensor<double>& b) { return gates(chunks<4>(a), b); };
  CHECK(gradcheck(f, {z, c}));
  if (n < 6) CHECK(gradgradcheck(f, {z, c}));
}

TEST_CASE("formula: chunks that broadcast, of several tensors, of a vector, used in part", "[formula]") {
  constexpr auto first = formula("first", [](auto a, auto, auto c) { return a * c; });
  const auto row = randn<double>({1, 10}), full_rows = randn<double>({4, 10}), vector = randn<double>({10}),
             three = randn<double>({2, 9});
  const auto f = [](const Tensor<double>& a, const Tensor<double>& b) {
    return f4(chunks<2>(a), chunks<2>(b));
  };
  for (const auto& a : {row, full_rows, vector}) {
    CHECK(gradcheck(f, {a, full_rows}));
    CHECK(gradgradcheck(f, {full_rows, a}));
  }
  CHECK(gradcheck([&](const Tensor<double>& a) { return first(chunks<3>(a)); }, {three}));
  CHECK(gradgradcheck([&](const Tensor<double>& a) { return first(chunks<3>(a)); }, {three}));
}

TEST_CASE("formula: the same chunks twice, and chunks beside their own tensor", "[formula]") {
  for (std::int64_t n = 1; n <= 19; ++n) {
    const auto z = randn<double>({2, 2 * n});
    CHECK(gradcheck([](const Tensor<double>& a) { return f4(chunks<2>(a), chunks<2>(a)); }, {z}));
    CHECK(gradcheck(
        [](const Tensor<double>& a) {
          const auto b = a;
          return f4(chunks<2>(a), chunks<2>(b));
        },
        {z}));
  }
  const auto column = randn<double>({5, 1}), pair = randn<double>({5, 2});
  CHECK(gradcheck([](const Tensor<double>& a) { return f3(a, chunks<2>(a)); },
                  {pair}));  // [5, 2] beside two of [5, 1]
  CHECK(gradgradcheck([](const Tensor<double>& a) { return f3(a, chunks<2>(a)); }, {pair}));
  CHECK(gradgradcheck([](const Tensor<double>& a) { return f4(chunks<2>(a), chunks<2>(a)); }, {pair}));
  CHECK(gradcheck([](const Tensor<double>& a, const Tensor<double>& b) { return f3(b, chunks<2>(a)); },
                  {pair, column}));
}

TEST_CASE("formula: chunks of an axis that does not divide", "[formula]") {
  const auto c = ones<double>({2, 2});
  CHECK_THROWS_WITH(gates(chunks<4>(ones<double>({2, 7})), c),
                    Contains("gates: the last axis of [2, 7] does not divide into 4 equal blocks"));
  CHECK_THROWS_AS(gates(chunks<4>(scalar<double>(1)), c), ShapeError);
  CHECK(gates(chunks<4>(ones<double>({2, 0})), ones<double>({2, 0}))[0].shape() == Shape{2, 0});
}

TEST_CASE("formula: a gradient shared with other uses of the chunked tensor accumulates", "[formula]") {
  for (const std::int64_t n : {1, 3, 8, 11}) {
    const auto f = [](const Tensor<double>& z, const Tensor<double>& c) {
      const auto a = gates(chunks<4>(z), c), b = gates(chunks<4>(z * 2), a[1]);
      return a[0] + gates(chunks<4>(z), b[0])[1] + c * 3;
    };
    CHECK(gradcheck(f, {randn<double>({2, 4 * n}), randn<double>({2, n})}));
  }
}

// ------------------------------------------------------------------------------------------------------
// constants

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

// ------------------------------------------------------------------------------------------ where and
// comparisons

TEST_CASE("formula: clamp to limits that cross, and to none", "[formula]") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  auto x = Tensor<double>{-1, 0, 2, 4}.set_requires_grad();
  const auto crossed = clamp(x, 3, 1);  // all are the upper limit, as in PyTorch
  CHECK(allclose(crossed, ones<double>({4}), 0, 0));
  crossed.backward(ones<double>({4}));
  CHECK(allclose(x.grad(), zeros<double>({4}), 0, 0));
  CHECK(allclose(clamp(x, -inf, inf), x, 0, 0));
  CHECK(std::isnan(clamp(Tensor<double>{nan}, 3, 1).item()));
  CHECK_THROWS_AS(clamp(x, nan, 1), ValueError);
  CHECK_THROWS_WITH(clamp(x, nan, 1), Contains("clamp: limits nan and 1; give numbers, infinity for none"));
  CHECK_THROWS_WITH(clamp(x, 0, nan), Contains("clamp: limits 0 and nan"));
}

TEST_CASE("formula: where and comparisons", "[formula]") {
  constexpr auto pieces = formula("pieces", [](auto x, auto y) {
    return where(x > y, x * x, where(x < -1, sin(y), x * y)) + (x >= 0) * y + where(x == y, 0.0, exp(-y)) +
           where(y != 0, x, y);
  });
  const auto x = Tensor<double>{{-2, -1.5, -0.5}, {0.25, 0.5, 2}}, y = Tensor<double>{0.1, -0.7, 1.5};
  const auto value = [](double a, double b) {
    return (a > b    ? a * a
            : a < -1 ? std::sin(b)
                     : a * b) +
           (a >= 0 ? b : 0) + (a == b ? 0 : std::exp(-b)) + (b != 0 ? a : b);
  };
  const auto z = pieces(x, y);
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(z.values()[i] == Approx(value(x.values()[i], y.values()[i % 3])).epsilon(1e-14).margin(1e-14));
  CHECK(gradcheck(pieces, {x, y}));
  CHECK(gradgradcheck(pieces, {x, y}));
}

TEST_CASE("formula: the branch not taken may be infinite or NaN", "[formula]") {
  constexpr auto safe = formula("safe", [](auto x) { return where(x > 0, x, expm1(where(x > 0, 0.0, x))); });
  auto x = Tensor<double>{-1, 800, 0}.set_requires_grad();
  const auto y = safe(x);
  CHECK(list(y) == Vector{expm1(Tensor<double>{-1}).item(), 800, 0});
  y.backward(ones<double>({3}));
  CHECK(x.grad().values()[1] == 1);
  CHECK(x.grad().values()[2] == 1);
}

TEST_CASE("formula: maximum and minimum share the gradient of a tie", "[formula]") {
  auto a = Tensor<double>{1, 2, 3}.set_requires_grad(), b = Tensor<double>{2, 2, 2}.set_requires_grad();
  maximum(a, b).backward(ones<double>({3}));
  CHECK(list(a.grad()) == Vector{0, 0.5, 1});
  CHECK(list(b.grad()) == Vector{1, 0.5, 0});
  a.zero_grad();
  minimum(a, a).backward(ones<double>({3}));
  CHECK(list(a.grad()) == Vector{1, 1, 1});
}

// ------------------------------------------------------------------------------------------------ vjp
// written by hand

TEST_CASE("formula: a vjp by hand", "[formula]") {
  constexpr auto product = formula(
      "product", [](auto x, auto y) { return x * y * y; },
      [](auto g, auto x, auto y) { return outputs(g * y * y, 2.0 * g * x * y); });
  const auto x = randn<double>({3, 4}), y = randn<double>({4});
  CHECK(gradcheck(product, {x, y}));
  CHECK(gradgradcheck(product, {x, y}));
  constexpr auto straight_through = formula(
      "straight_through", [](auto v) { return where(v > 0, 1.0, -1.0) + v * 0; },
      [](auto g, auto) { return g; });
  auto v = Tensor<double>{-3, 4}.set_requires_grad();
  const auto s = straight_through(v);
  CHECK(list(s) == Vector{-1, 1});
  s.backward(Tensor<double>{5, 6});
  CHECK(list(v.grad()) == Vector{5, 6});
  constexpr auto two = formula(
      "two", [](auto a, auto b) { return outputs(a * b, a + b); },
      [](auto g, auto h, auto a, auto b) { return outputs(g * b + h, g * a + h); });
  CHECK(gradcheck(two, {x, y}));
  CHECK(gradgradcheck(two, {x, y}));
}

TEST_CASE("formula: captured numbers in the formula, in its vjp by hand, and in both", "[formula]") {
  const auto x = randn<double>({5});
  const double a = 3, b = 2;
  const auto in_both = formula(
      "in_both", [a](auto v) { return a * v * v; }, [a](auto g, auto v) { return 2.0 * a * g * v; });
  CHECK(gradcheck(in_both, {x}));
  CHECK(gradgradcheck(in_both, {x}));
  const auto in_vjp = formula(
      "in_vjp", [](auto v) { return 2.0 * v; }, [b](auto g, auto) { return b * g; });
  CHECK(gradcheck(in_vjp, {x}));
  const auto outside = formula(
      "outside", [a](auto v) { return v * v + a; }, [](auto g, auto v) { return 2.0 * g * v; });
  CHECK(list(outside(Tensor<double>{2})) == Vector{7});
  CHECK(gradcheck(outside, {x}));
  CHECK(gradgradcheck(outside, {x}));
}

// ------------------------------------------------------------------------------------------------------- and
// the rest

TEST_CASE("formula: shared sub-expressions stay linear", "[formula]") {
  constexpr auto nested = formula("nested", [](auto x) {
    auto s = x;
    for (int i = 0; i < 20; ++i) s = s * s + s;
    return s;
  });
  using F = std::remove_cvref_t<decltype([](auto x) {
    auto s = x;
    for (int i = 0; i < 20; ++i) s = s * s + s;
    return s;
  })>;
  CHECK(detail::ForwardProgram<F, 1>::program.instructions == 41);
  CHECK(detail::AdjointProgram<F, 1>::program.instructions < 160);
  double value = 1e-3, derivative = 1;
  for (int i = 0; i < 20; ++i) derivative *= 2 * value + 1, value = value * value + value;
  auto x = full<double>({3}, 1e-3).set_requires_grad();
  const auto y = nested(x);
  CHECK(y.values()[2] == Approx(value).epsilon(1e-13));
  y.backward(ones<double>({3}));
  CHECK(x.grad().values()[1] == Approx(derivative).epsilon(1e-13));
  CHECK(gradgradcheck(nested, {full<double>({2}, 0.01)}));
}

TEST_CASE("formula: a constant result, an unused input, the input itself", "[formula]") {
  constexpr auto unused = formula("unused", [](auto x, auto) { return x * 2.0; });
  constexpr auto same = formula("same", [](auto x) { return x; });
  constexpr auto flat = formula("flat", [](auto x) { return sign(x) + (x > 0); });
  const auto x = randn<double>({3, 4}), y = randn<double>({4});
  CHECK(gradcheck(unused, {x, y}));
  CHECK(gradgradcheck(unused, {y, x}));
  CHECK(list(same(x)) == list(x));
  CHECK(same(x).data() != x.data());
  CHECK(gradcheck(same, {x}));
  CHECK(gradcheck(flat, {x}));
  auto w = x.clone().set_requires_grad();
  const auto [g] = grad(unused(y, w), {w}, {.grad_outputs = {ones<double>({3, 4})}, .allow_unused = true});
  CHECK_FALSE(g.defined());
}

TEST_CASE("formula: sixteen inputs", "[formula]") {
  constexpr auto sum = formula("sum16", [](auto... x) { return (... + (x * x)); });
  std::vector<Tensor<double>> x;
  for (int i = 0; i < 16; ++i) x.push_back(full<double>({3}, i).set_requires_grad());
  const auto y = sum(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9], x[10], x[11], x[12], x[13],
                     x[14], x[15]);
  CHECK(list(y) == Vector{1240, 1240, 1240});
  y.backward(ones<double>({3}));
  for (int i = 0; i < 16; ++i) CHECK(list(x[static_cast<std::size_t>(i)].grad()) == Vector(3, 2. * i));
}

TEST_CASE("formula: of one element type, which the compiler checks", "[formula]") {
  const auto can = []<class A, class B>(const A&, const B&) {
    return requires(const A& a, const B& b) { pow(a, b); };
  };
  CHECK(can(Tensor<float>(), Tensor<float>()));
  CHECK(can(Tensor<double>(), 2));
  CHECK_FALSE(can(Tensor<float>(), Tensor<double>()));
  CHECK_FALSE(can(Tensor<double>(), Tensor<float>()));
}

TEST_CASE("formula: float agrees with double", "[formula]") {
  const auto x = randn<double>({3, 37}), row = randn<double>({37});
  const auto y = mixed(x, row, 0.5);
  const auto z = mixed(x.to<float>(), row.to<float>(), 0.5).to<double>();
  CHECK(allclose(z, y, 1e-5, 1e-5));
}

TEST_CASE("formula: in one node, which saves the least", "[formula]") {
  auto x = randn<double>({1000}).set_requires_grad();
  const auto nodes = [&](const Tensor<double>& y) { return count_nodes(y); };
  CHECK(nodes(swish(x)) == 2);
  CHECK(nodes(cell(x, x, x)[0]) == 2);
  const auto held = [&](auto&& f) {  // bytes that stay alive beyond the result's own
    const auto before = live_counts().bytes;
    auto y = f();
    const auto own = live_counts().bytes - before;
    return own;
  };
  const auto array = held([&] { return Tensor<double>(x.detach() * 1.0); });
  CHECK(held([&] { return x + 1.0; }) < array + 600);         // nothing
  CHECK(held([&] { return tanh(x); }) < array + 600);         // the output
  CHECK(held([&] { return swish(x); }) < array + 600);        // the input
  CHECK(held([&] { return cell(x, x, x)[0]; }) > 3 * array);  // the kept values
  const no_grad scope;
  CHECK(held([&] { return cell(x, x, x)[0]; }) < array + 600);
}

TEST_CASE("formula: the place of the call is the caller's", "[formula]") {
  auto x = ones<double>({2}).set_requires_grad();
  const auto y = swish(x);
  CHECK(y.node()->location().line() == __LINE__ - 1);
  CHECK_THAT(y.node()->location().file_name(), Contains("formula_test.cpp"));
  CHECK((x + x).node()->location().line() == __LINE__);
  CHECK(tanh(x).node()->location().line() == __LINE__);
}

}  // namespace
