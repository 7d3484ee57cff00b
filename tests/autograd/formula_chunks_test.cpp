// Formulas of the chunks of a tensor.
#include <xgrad/autograd/tape/formula.hpp>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

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
  const auto part = chunk(z, 4, -1);
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

}  // namespace
