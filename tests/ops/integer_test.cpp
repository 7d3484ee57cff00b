// Arithmetic, comparison and conversion of Indices: NumPy's numbers, errors, and replays.
#include <xgrad/ops/integer.hpp>

#include <cmath>
#include <limits>

#include <xgrad/xgrad.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using Floats = std::vector<float>;

constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min(),
                       largest = std::numeric_limits<std::int64_t>::max();

TEST_CASE("arithmetic of Indices is NumPy's") {
  const Indices a{-7, -6, -1, 0, 1, 6, 7}, b{2, -3, 4, 5, -2, 7, 7};
  CHECK(equal(a + b, {-5, -9, 3, 5, -1, 13, 14}));
  CHECK(equal(a - b, {-9, -3, -5, -5, 3, -1, 0}));
  CHECK(equal(a * b, {-14, 18, -4, 0, -2, 42, 49}));
  CHECK(equal(a / b, {-4, 2, -1, 0, -1, 0, 1}));
  CHECK(equal(a % b, {1, 0, 3, 0, -1, 6, 0}));
  CHECK(equal(a / -2, {3, 3, 0, 0, -1, -3, -4}));
  CHECK(equal(a % -2, {-1, 0, -1, 0, -1, 0, -1}));
  CHECK(equal(a + 1, {-6, -5, 0, 1, 2, 7, 8}));
  CHECK(equal(1 - a, {8, 7, 2, 1, 0, -5, -6}));
  CHECK(equal(Indices{12} / Indices{5, -5, 1}, {2, -3, 12}));
  CHECK(equal(Indices{largest, smallest} + Indices{1, -1}, {smallest, largest}));
  CHECK(equal(Indices{largest, smallest} * 2, {-2, 0}));
  CHECK(equal(Indices{smallest, smallest} / Indices{-1, 1}, {smallest, smallest}));
  CHECK(equal(Indices{smallest, 5} % -1, {0, 0}));
}

TEST_CASE("Indices broadcast") {
  const Indices column{{1}, {2}}, row{10, 20, 30};
  CHECK(equal(column + row, {{11, 21, 31}, {12, 22, 32}}));
  CHECK(equal(row - column, {{9, 19, 29}, {8, 18, 28}}));
  CHECK((column * 3).shape() == Shape{2, 1});
  CHECK((Indices(Shape{}, {4}) + 1).shape() == Shape{});
  CHECK((Indices() + Indices{{1}, {2}}).shape() == Shape{2, 0});
  CHECK(list(column == row / 10) == Floats{1, 0, 0, 0, 1, 0});
  CHECK_THROWS_AS((row + Indices{1, 2}), ShapeError);
  CHECK_THROWS_WITH((row + Indices{1, 2}), Contains("Indices +: shapes [3] and [2] do not broadcast"));
  CHECK_THROWS_WITH((row < Indices{1, 2}), Contains("Indices <: shapes [3] and [2] do not broadcast"));
  CHECK_THROWS_WITH(row + Indices(AnyTensor()), Contains("Indices +: operand 1 is undefined"));
}

TEST_CASE("dividing Indices by 0 says where") {
  CHECK_THROWS_AS(Indices{1} / 0, ValueError);
  CHECK_THROWS_WITH(Indices{1} / 0, Contains("Indices /: the divisor at position 0 of [] is 0"));
  CHECK_THROWS_WITH((Indices{1, 2, 3} % Indices{4, 0, 0}),
                    Contains("Indices %: the divisor at position 1 of [3] is 0"));
  CHECK((Indices() / Indices()).elements() == 0);
}

TEST_CASE("comparisons of Indices are elementwise") {
  const Indices a{1, 2, 3}, b{2, 2, 2};
  CHECK(list(a == b) == Floats{0, 1, 0});
  CHECK(list(a != b) == Floats{1, 0, 1});
  CHECK(list(a < b) == Floats{1, 0, 0});
  CHECK(list(a <= b) == Floats{1, 1, 0});
  CHECK(list(a > b) == Floats{0, 0, 1});
  CHECK(list(a >= b) == Floats{0, 1, 1});
  CHECK(list(2 < a) == Floats{0, 0, 1});
  CHECK(list(a == 3) == Floats{0, 0, 1});
  CHECK(list(Indices{largest} == largest - 1) == Floats{0});  // as floats they would be one
  const Tensor<> logits{{1, 2}, {4, 3}, {0, 1}, {5, 6}};
  CHECK(mean(argmax(logits, 1) == Indices{1, 1, 1, 1}).item() == 0.75f);
}

TEST_CASE("conversions between Indices and tensors") {
  const Tensor<> x = to_tensor(Indices{{1, -2}, {3, 0}});
  CHECK(x.shape() == Shape{2, 2});
  CHECK(list(x) == Floats{1, -2, 3, 0});
  CHECK(list(to_tensor<double>(Indices{(std::int64_t{1} << 53) - 1})) == std::vector{0x1p53 - 1});
  CHECK(equal(to_indices(Tensor<>{{1.9f, -1.9f}, {-0.5f, 7}}), {{1, -1}, {0, 7}}));
  CHECK(equal(to_indices(Tensor<double>{-0x1p63, 0x1p62}), {smallest, std::int64_t{1} << 62}));
  CHECK_THROWS_AS(to_indices(Tensor<>{1, NAN}), ValueError);
  CHECK_THROWS_WITH(to_indices(Tensor<>{1, NAN}),
                    Contains("to_indices: nan at position 1 of [2] is no 64-bit integer"));
  CHECK_THROWS_WITH(to_indices(Tensor<double>{0x1p63}), Contains("to_indices: 9.2"));
  CHECK_THROWS_WITH(to_indices(Tensor<>{-INFINITY}), Contains("to_indices: -inf"));
  CHECK_THROWS_WITH(to_indices(Tensor<>()), Contains("to_indices: operand 0 is undefined"));
}

TEST_CASE("a Replay computes with Indices anew in each run, and checks what comes of them") {
  const Tensor<double> table = counted({6, 2}), scores{0, 2, 1};
  Indices x{{0, 1}, {2, 3}}, by{2, 3};
  const auto function = [&] {
    const Indices moved = cat({transpose(x, 0, 1), flip(x / by, {1})}), best = argmax(scores, 0);
    const Tensor<double> rows = embedding(table, moved) * to_tensor<double>(unsqueeze(moved, -1));
    return std::vector{sum(rows), embedding(table, (best * 7 + 3) % 6), mean(to_tensor<double>(x)),
                       sum((x == reshape(best, {1})).to<double>())};
  };
  Replay step(function);
  CHECK(same_bits(step(), function()));
  x.assign({{5, 4}, {2, 1}});
  by.assign({1, 2});
  CHECK(same_bits(step(), function()));

  std::vector<Tensor<double>> before;
  for (const auto& y : step()) before.push_back(y.clone());
  x.assign({{5, 6}, {2, 1}});
  CHECK_THROWS_WITH(
      step(), Catch::Matchers::StartsWith("embedding: index 6 at position 2 of [4, 2] is not in [0, 6)"));
  x.assign({{5, 5}, {2, 1}});
  by.assign({1, 0});
  CHECK_THROWS_WITH(step(), Contains("Indices /: the divisor at position 1 of [2] is 0"));
  CHECK(same_bits(step.result(), before));  // nothing was computed
  by.assign({1, 1});
  CHECK(same_bits(step(), function()));
}

TEST_CASE("a Replay refuses computed Indices whose values cannot be told before a run") {
  const Tensor<> table = zeros({4, 2}), scores{0, 2, 1, 5};
  Indices x{1, 2};
  CHECK_THROWS_WITH(
      Replay([&] { return embedding(table, argmax(scores, 0) + 1); }),
      Catch::Matchers::StartsWith(
          "embedding: inside the function of a Replay indices are computed that may be any integers, "
          "and only those in [0, 4) fit; compute them before each run, and assign() them"));
  CHECK_THROWS_WITH(Replay([&] {
                      return embedding(table, cat({x, argmax(scores, 0, true)}));
                    }),
                    Contains("may be any integers"));
  CHECK_THROWS_WITH(Replay([&] { return embedding(table, argmax(scores, 0) % 5); }),
                    Contains("indices are computed that may reach 4, and only those in [0, 4) fit"));
  CHECK_THROWS_WITH(Replay([&] { return x / argmax(scores, 0); }),
                    Contains("Indices /: inside the function of a Replay divisors are computed"));
  CHECK_THROWS_WITH(Replay([&] { return to_indices(scores); }),
                    Contains("to_indices: inside the function of a Replay"));
  Replay step([&] { return embedding(table, expand(argmax(scores, 0, true), {3})); });
  CHECK(step().shape() == Shape{3, 2});
}

TEST_CASE("Indices that a Replay gave are changed by its next run, which graphs outside notice") {
  const Tensor<> w = Tensor<>{1, 1, 1}.set_requires_grad();
  Indices x{{0, 1}, {2, 0}};
  Replay step([&] { return flatten(transpose(x, 0, 1)) % 3; });
  const Tensor<> picked = index_select(w, 0, step());
  CHECK(equal(step.result(), {0, 2, 1, 0}));
  x.assign({{1, 1}, {2, 2}});
  CHECK(equal(step(), {1, 2, 1, 2}));
  CHECK_THROWS_WITH(sum(picked).backward(), Contains("backward of 'index_select': its indices of shape [4]"));
}
