// Formulas: what they compute and differentiate, for every kind of operand.
#include <xgrad/autograd/tape/formula.hpp>

#include <cmath>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/autograd/tape/mode.hpp>
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
  Tensor<double> part(storage.part(x.shape(), 17));
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
    const auto y = swish.into(place, x);
    REQUIRE(y.data() == place.data());
    REQUIRE(list(place) == list(swish(x)));
    Tensor<double> wide;
    const auto matrix = embedded(zeros<double>({3, n}), wide, sentinel);
    mixed.into(matrix, row, ones<double>({3, 1}), x);  // broadcast: row by row
    REQUIRE(list(matrix) == list(mixed(row, ones<double>({3, 1}), x)));
    for (const auto* s : {&storage, &wide})
      for (std::size_t i = 0; i < 17; ++i) {
        REQUIRE(s->values()[i] == sentinel);
        REQUIRE(s->values()[s->values().size() - 1 - i] == sentinel);
      }
  }
  CHECK_THROWS_WITH(swish.into(zeros<double>({3}), ones<double>({2})),
                    Contains("swish: the result has shape [2] and its destination [3]"));
}

TEST_CASE("formula: into() is a write in place, and differentiable", "[formula]") {
  auto x = Tensor<double>{1, 2}.set_requires_grad();
  Tensor<double> place = zeros<double>({2});
  const auto stale = swish(x) * place;  // saves `place`
  const auto y = swish.into(place, x);
  CHECK(y.requires_grad());
  y.backward(ones<double>({2}));
  CHECK(list(x.grad()) == list(grad(swish(x), {x}, {.grad_outputs = {ones<double>({2})}})[0]));
  CHECK_THROWS_WITH(stale.backward(ones<double>({2})), Contains("changed in place"));
  auto recorded = x * 1;
  CHECK_THROWS_WITH(swish.into(recorded, x), Contains("the result of 'mul'"));
}

TEST_CASE("formula: into() over its own input cannot be differentiated silently wrong", "[formula]") {
  const auto h = Tensor<double>{1, 2};
  auto x = Tensor<double>{3, 4}.set_requires_grad();
  auto place = h.clone();
  CHECK_THROWS_WITH(mixed.into(place, place, x, 1.0),  // backward would read what is gone
                    Contains("mixed: the destination overlaps an operand"));
  auto again = h.clone();
  const no_grad scope;
  CHECK(list(mixed.into(again, again, x, 1.0)) == list(mixed(h, x, 1.0)));
}

constexpr auto momentum = formula("momentum", [](auto p, auto v, auto g, auto lr) {
  auto next = 0.9 * v + g;
  return outputs(p - lr * next, next);
});

TEST_CASE("formula: into() takes a tensor for each result, under no_grad the operands themselves",
          "[formula]") {
  const double sentinel = 77.25;
  for (std::int64_t n = 1; n <= 40; ++n) {
    const auto p = randn<double>({n}), v = randn<double>({n}), g = randn<double>({n});
    const auto [next_p, next_v] = momentum(p, v, g, 0.1);
    Tensor<double> storage_p, storage_v;
    const auto own_p = embedded(p, storage_p, sentinel), own_v = embedded(v, storage_v, sentinel);
    const auto before = own_p.version();
    const no_grad scope;
    const auto results = momentum.into({own_p, own_v}, own_p, own_v, g, 0.1);
    REQUIRE(list(own_p) == list(next_p));
    REQUIRE(list(own_v) == list(next_v));
    REQUIRE(results[1].data() == own_v.data());
    REQUIRE(own_p.version() == before + 1);
    for (const auto* s : {&storage_p, &storage_v})
      for (std::size_t i = 0; i < 17; ++i) {
        REQUIRE(s->values()[i] == sentinel);
        REQUIRE(s->values()[s->values().size() - 1 - i] == sentinel);
      }
  }
  auto g = randn<double>({3}).set_requires_grad();
  const auto p = randn<double>({3}), v = randn<double>({3}), weight = randn<double>({3});
  const auto loss = [&](const auto& results) { return sum(results[0] * weight + square(results[1])); };
  const auto recorded = momentum.into({zeros<double>({3}), zeros<double>({3})}, p, v, g, 0.1);
  CHECK(list(grad(loss(recorded), {g})[0]) == list(grad(loss(momentum(p, v, g, 0.1)), {g})[0]));
}

TEST_CASE("formula: a Replay runs into() again", "[formula]") {
  const auto p = ones<double>({3}), v = zeros<double>({3}), g = arange<double>(3);
  const no_grad scope;
  Replay step([&] { momentum.into({p, v}, p, v, g, 0.1); });
  const auto before = v.version();
  step();
  CHECK(list(v) == Vector{0, 1.9, 3.8});
  CHECK(v.version() == before + 1);
}

TEST_CASE("formula: into() refuses destinations that it cannot write", "[formula]") {
  const auto p = zeros<double>({4}), v = zeros<double>({4}), g = ones<double>({4});
  const auto both = zeros<double>({5});
  const auto low = narrow(both, 0, 0, 4), high = narrow(both, 0, 1, 4);
  CHECK_THROWS_WITH(momentum.into(p, p, v, g, 1),
                    Contains("momentum: 2 results to be written into 1 tensor; give one for each"));
  CHECK_THROWS_WITH(swish.into({p, v}, g), Contains("1 result to be written into 2 tensors"));
  CHECK_THROWS_AS(swish.into({}, g), ValueError);
  CHECK_THROWS_WITH(momentum.into({p, zeros<double>({3})}, p, v, g, 1),
                    Contains("the result has shape [4] and its destination [3]"));
  CHECK_THROWS_WITH(momentum.into({low, high}, p, v, g, 1), Contains("momentum: two destinations overlap"));
  const no_grad scope;
  CHECK_THROWS_WITH(swish.into(low, high), Contains("overlaps an operand without being the same elements"));
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
  auto v = y.clone().set_requires_grad(), w = x.clone().set_requires_grad();
  const auto [g] = grad(unused(v, w), {w}, {.grad_outputs = {ones<double>({3, 4})}, .allow_unused = true});
  CHECK_FALSE(g.defined());
  CHECK_FALSE(unused(y, w).requires_grad());
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

TEST_CASE("formula: the place of the call is the caller's", "[formula]") {
  const auto x = ones<double>({1}).set_requires_grad();
  const auto named_in_errors = [](const Tensor<double>& y, int line) {
    y.backward();
    CHECK_THROWS_WITH(y.backward(), Contains("formula_test.cpp:" + std::to_string(line) + ","));
  };
  const auto y = swish(x);
  named_in_errors(y, __LINE__ - 1);
  named_in_errors(x * x, __LINE__);
  named_in_errors(-x, __LINE__);
  named_in_errors(tanh(x), __LINE__);
}

}  // namespace
