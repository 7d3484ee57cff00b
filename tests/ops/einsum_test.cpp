// einsum against the definition: loops over every label, gradients, and what it refuses.
#include <xgrad/ops/einsum.hpp>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/autograd/tape/graph.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"

using namespace xgrad;
using Catch::Matchers::Contains;

namespace {

// The sum over every value of every label, written with an arrow and without an ellipsis.
Tensor<double> by_definition(const std::string& equation, const std::vector<Tensor<double>>& operands) {
  const std::size_t arrow = equation.find("->");
  const std::string result = equation.substr(arrow + 2);
  std::vector<std::string> terms(1);
  for (const char c : equation.substr(0, arrow))
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  std::map<char, std::int64_t> extent, index;
  for (std::size_t i = 0; i < terms.size(); ++i)
    for (std::size_t axis = 0; axis < terms[i].size(); ++axis)
      extent[terms[i][axis]] = operands[i].shape()[axis];
  std::int64_t total = 1;
  for (const auto& [label, n] : extent) total *= n;
  Shape shape;
  for (const char label : result) shape.push_back(extent.at(label));
  const auto position = [&](const std::string& labels) {
    std::int64_t at = 0;
    for (const char label : labels) at = at * extent[label] + index[label];
    return static_cast<std::size_t>(at);
  };
  std::vector<double> values(static_cast<std::size_t>(shape.elements()), 0.0);
  for (std::int64_t step = 0; step < total; ++step) {
    std::int64_t rest = step;
    for (const auto& [label, n] : extent) {
      index[label] = rest % n;
      rest /= n;
    }
    double product = 1;
    for (std::size_t i = 0; i < terms.size(); ++i) product *= operands[i].values()[position(terms[i])];
    values[position(result)] += product;
  }
  return from_values<double>(shape, std::span<const double>(values));
}

void check_equal(const Tensor<double>& got, const Tensor<double>& want) {
  REQUIRE(got.shape() == want.shape());
  CHECK(allclose(got, want, 1e-13, 1e-13));
}

struct Case {
  std::string equation;
  std::vector<Shape> shapes;
};

const std::vector<Case> cases = {
    {"ij->ij", {{2, 3}}},
    {"ij->ji", {{2, 3}}},
    {"ij->i", {{2, 3}}},
    {"ij->", {{2, 3}}},
    {"ijk->kj", {{2, 3, 4}}},
    {"ii->i", {{3, 3}}},
    {"ii->", {{3, 3}}},
    {"iji->j", {{3, 2, 3}}},
    {"iij->ji", {{3, 3, 2}}},
    {"iii->i", {{3, 3, 3}}},
    {"ijij->ij", {{2, 3, 2, 3}}},
    {"ijji->", {{2, 3, 3, 2}}},
    {"ij,jk->ik", {{2, 3}, {3, 4}}},
    {"ij,jk->ki", {{2, 3}, {3, 4}}},
    {"ji,jk->ik", {{3, 2}, {3, 4}}},
    {"ij,kj->ik", {{2, 3}, {4, 3}}},
    {"ji,kj->ki", {{3, 2}, {4, 3}}},
    {"ij,jk->", {{2, 3}, {3, 4}}},
    {"ij,jk->ijk", {{2, 3}, {3, 4}}},
    {"i,i->", {{3}, {3}}},
    {"i,i->i", {{3}, {3}}},
    {"i,j->ij", {{3}, {2}}},
    {"i,j->ji", {{3}, {2}}},
    {"i,j->", {{3}, {2}}},
    {"i,ij->j", {{3}, {3, 2}}},
    {"ij,j->i", {{3, 2}, {2}}},
    {"ij,ij->", {{3, 2}, {3, 2}}},
    {"ij,ji->", {{3, 2}, {2, 3}}},
    {"ij,ij->i", {{3, 2}, {3, 2}}},
    {"ij,ji->i", {{3, 2}, {2, 3}}},
    {",ij->ij", {{}, {3, 2}}},
    {",->", {{}, {}}},
    {"bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}},
    {"bij,bkj->bik", {{2, 3, 4}, {2, 5, 4}}},
    {"bji,bkj->kbi", {{2, 4, 3}, {2, 5, 4}}},
    {"ibj,jkb->bik", {{3, 2, 4}, {4, 5, 2}}},
    {"bij,jk->bik", {{2, 3, 4}, {4, 5}}},
    {"ij,bjk->bik", {{3, 4}, {2, 4, 5}}},
    {"abij,bcjk->acik", {{2, 3, 2, 3}, {3, 2, 3, 2}}},
    {"bhqd,bhkd->bhqk", {{2, 2, 3, 4}, {2, 2, 5, 4}}},
    {"bn,anm,bm->ba", {{2, 3}, {4, 3, 5}, {2, 5}}},
    {"ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 5}}},
    {"ij,jk,kl,lm->mi", {{2, 3}, {3, 4}, {4, 5}, {5, 2}}},
    {"i,i,i->i", {{3}, {3}, {3}}},
    {"i,j,k->kij", {{2}, {3}, {4}}},
    {"ii,ij->j", {{3, 3}, {3, 2}}},
    {"ij,kl->jl", {{2, 3}, {4, 2}}},
    {"ijk,k->", {{2, 3, 4}, {4}}},
    {"aB,Bc->ac", {{2, 3}, {3, 2}}},
    {"ij,jk->ik", {{0, 3}, {3, 4}}},
    {"ij,jk->ik", {{2, 0}, {0, 4}}},
    {"bij,bjk->bik", {{0, 3, 4}, {0, 4, 5}}},
    {"bi,bi->b", {{2, 0}, {2, 0}}},
    {"ii->i", {{0, 0}}},
    {"ii->i", {{1, 1}}},
};

std::vector<Tensor<double>> operands_of(const Case& c, Generator& random) {
  std::vector<Tensor<double>> operands;
  for (const Shape& shape : c.shapes) operands.push_back(randn<double>(shape, random));
  return operands;
}

}  // namespace

TEST_CASE("einsum is the sum over every label") {
  Generator random(1);
  for (const Case& c : cases) {
    INFO(c.equation);
    const auto operands = operands_of(c, random);
    check_equal(einsum(c.equation, operands), by_definition(c.equation, operands));
  }
}

TEST_CASE("gradients of einsum, and theirs") {
  Generator random(2);
  for (const Case& c : cases) {
    INFO(c.equation);
    const auto x = operands_of(c, random);
    const auto f1 = [&](const Tensor<double>& a) { return einsum(c.equation, {a}); };
    const auto f2 = [&](const Tensor<double>& a, const Tensor<double>& b) {
      return einsum(c.equation, {a, b});
    };
    const auto f3 = [&](const Tensor<double>& a, const Tensor<double>& b, const Tensor<double>& d) {
      return einsum(c.equation, {a, b, d});
    };
    if (x.size() == 1) {
      CHECK(gradcheck(f1, {x[0]}));
      CHECK(gradgradcheck(f1, {x[0]}));
    } else if (x.size() == 2) {
      CHECK(gradcheck(f2, {x[0], x[1]}));
      CHECK(gradgradcheck(f2, {x[0], x[1]}));
    } else if (x.size() == 3) {
      CHECK(gradcheck(f3, {x[0], x[1], x[2]}));
      CHECK(gradgradcheck(f3, {x[0], x[1], x[2]}));
    }
  }
}

TEST_CASE("without an arrow the result has the letters that occur once, in order") {
  Generator random(3);
  const auto a = randn<double>({2, 3}, random), b = randn<double>({3, 4}, random),
             s = randn<double>({3, 3}, random);
  check_equal(einsum("ij,jk", {a, b}), by_definition("ij,jk->ik", {a, b}));
  check_equal(einsum("kj,ji", {a, b}), by_definition("kj,ji->ik", {a, b}));
  check_equal(einsum("ba", {a}), by_definition("ba->ab", {a}));
  check_equal(einsum("bA", {a}), by_definition("bA->Ab", {a}));
  check_equal(einsum("ii", {s}), by_definition("ii->", {s}));
  check_equal(einsum(" i j , j k -> k i ", {a, b}), by_definition("ij,jk->ki", {a, b}));
}

TEST_CASE("an ellipsis stands for the other axes, which broadcast") {
  Generator random(4);
  const auto a = randn<double>({5, 2, 3}, random), b = randn<double>({5, 3, 4}, random),
             m = randn<double>({3, 4}, random);
  check_equal(einsum("...ij,...jk->...ik", {a, b}), by_definition("bij,bjk->bik", {a, b}));
  check_equal(einsum("...ij,...jk", {a, b}), by_definition("bij,bjk->bik", {a, b}));
  check_equal(einsum("...ij,jk->...ik", {a, m}), by_definition("bij,jk->bik", {a, m}));
  check_equal(einsum("...ij,...jk->...ik", {a, m}), by_definition("bij,jk->bik", {a, m}));
  check_equal(einsum("...ij,...jk->ik...", {a, b}), by_definition("bij,bjk->ikb", {a, b}));
  check_equal(einsum("...j->...", {a}), by_definition("abj->ab", {a}));
  check_equal(einsum("i...->...", {a}), by_definition("iab->ab", {a}));
  check_equal(einsum("...", {a}), a);
  check_equal(einsum("...->", {a}), by_definition("abc->", {a}));
  check_equal(einsum("...ij->ij", {a}), by_definition("bij->ij", {a}));
  const auto c = randn<double>({6, 1, 2, 3}, random), d = randn<double>({5, 3, 4}, random);
  const auto got = einsum("...ij,...jk->...ik", {c, d});
  check_equal(got, by_definition("aij,bjk->abik", {Tensor<double>(c.part({6, 2, 3})), d}));
  const auto f = [](const Tensor<double>& x, const Tensor<double>& y) {
    return einsum("...ij,...jk->...ik", {x, y});
  };
  const auto c2 = randn<double>({2, 1, 2, 3}, random), d2 = randn<double>({3, 3, 2}, random);
  CHECK(gradcheck(f, {c2, d2}));
  CHECK(gradgradcheck(f, {c2, d2}));
}

TEST_CASE("an extent of 1 broadcasts along its letter") {
  Generator random(7);
  const auto a = randn<double>({2, 1}, random), b = randn<double>({3, 4}, random),
             c = randn<double>({1, 4}, random), s = randn<double>({1, 1}, random);
  const Tensor<double> wide = expand(a, {2, 3}), high = expand(c, {3, 4});
  check_equal(einsum("ij,jk->ik", {a, b}), by_definition("ij,jk->ik", {wide, b}));
  check_equal(einsum("ij,jk->kij", {a, b}), by_definition("ij,jk->kij", {wide, b}));
  check_equal(einsum("jk,ij", {b, a}), by_definition("jk,ij->ik", {b, wide}));
  check_equal(einsum("jk,jk->", {b, c}), by_definition("jk,jk->", {b, high}));
  check_equal(einsum("ij,jk,jk->i", {a, c, b}), by_definition("ij,jk,jk->i", {wide, high, b}));
  check_equal(einsum("ii,ik->k", {s, b}), by_definition("ik,ik->k", {expand(s, {3, 4}), b}));
  CHECK(einsum("ij,j->i", {a, zeros<double>({0})}).shape() == Shape{2});
}

TEST_CASE("an infinity beside the diagonal does not matter") {
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(einsum("ii->", {Tensor<double>{{1, inf}, {inf, 2}}}).item() == 3);
}

TEST_CASE("the cheapest pair is contracted first") {
  // From the left, the first product alone would have 1e12 elements.
  const auto m = ones<float>({1000, 1000});
  CHECK(einsum("ij,kl,jk->il", {m, m, m}).values()[0] == 1e6f);
}

TEST_CASE("a matrix product reads its operands where they lie") {
  Generator random(5);
  auto a = randn<double>({2, 3}, random).set_requires_grad(), b = randn<double>({4, 3}, random);
  CHECK(einsum("ij,kj->ik", {a, b}).op_name() == "matmul");
  CHECK_THAT(to_dot(einsum("ij,kj->ik", {a, b})), Contains(R"("matmul transpose_b\n)"));
  CHECK(einsum("ij,kj->ki", {a, b}).op_name() == "matmul");
  CHECK_THAT(to_dot(einsum("ji,kj->ik", {randn<double>({3, 2}, random).set_requires_grad(), b})),
             Contains(R"("matmul transpose_a, transpose_b\n)"));
}

TEST_CASE("in float") {
  Generator random(6);
  const auto a = randn<float>({20, 30}, random), b = randn<float>({30, 10}, random);
  const auto want = by_definition("ij,jk->ki", {a.to<double>(), b.to<double>()});
  CHECK(allclose(einsum("ij,jk->ki", {a, b}).to<double>(), want, 1e-5, 1e-5));
}

TEST_CASE("einsum refuses what does not fit, with the reason") {
  const auto a = ones<double>({2, 3}), b = ones<double>({4, 5});
  CHECK_THROWS_AS(einsum("ij,jk->ik", {a, b}), ShapeError);
  CHECK_THROWS_WITH(
      einsum("ij,jk->ik", {a, b}),
      Catch::Matchers::StartsWith(
          "einsum \"ij,jk->ik\": operand 1 of shape [4, 5] has 4 elements along 'j', which has 3 elsewhere"));
  CHECK_THROWS_AS(einsum("ii->i", {ones<double>({1, 3})}), ShapeError);  // a diagonal does not broadcast
  CHECK_THROWS_WITH(
      einsum("ii->i", {a}),
      Catch::Matchers::StartsWith(
          "einsum \"ii->i\": operand 0 of shape [2, 3] has 3 elements along 'i', which has 2 elsewhere"));
  CHECK_THROWS_WITH(einsum("ij,jk->ik", {a}), Contains("2 terms for 1 operands"));
  CHECK_THROWS_AS(einsum("ij,jk->ik", {a}), ValueError);
  CHECK_THROWS_WITH(einsum("ijk->ik", {a}),
                    Contains("operand 0 has shape [2, 3], and its term \"ijk\" names 3 axes"));
  CHECK_THROWS_WITH(einsum("i->i", {a}),
                    Contains("operand 0 has shape [2, 3], and its term \"i\" names 1 axes"));
  CHECK_THROWS_WITH(einsum("...ijk->ik", {a}), Contains("names 3 axes"));
  CHECK_THROWS_WITH(einsum("ij->ik", {a}), Contains("the result names 'k', which no operand has"));
  CHECK_THROWS_WITH(einsum("ij->ii", {a}), Contains("the result names 'i' twice"));
  CHECK_THROWS_WITH(einsum("i1->i", {a}), Contains("'1' in \"i1\" is no letter"));
  CHECK_THROWS_WITH(einsum("i..->i", {a}), Contains("'.' in \"i..\" is no letter"));
  CHECK_THROWS_WITH(einsum("...i...->i", {a}), Contains("is no letter"));
  CHECK_THROWS_WITH(einsum("ij->i->j", {a}), Contains("is no letter"));
  CHECK_THROWS_WITH(
      einsum("...i,...i->...", {ones<double>({2, 3}), ones<double>({4, 3})}),
      Contains(
          "operand 1 of shape [4, 3] has 4 elements along axis 0, in the ellipsis, which has 2 elsewhere"));
  CHECK_THROWS_WITH(einsum("ij->i", {Tensor<double>()}), Contains("einsum: operand 0 is undefined"));
  CHECK_THROWS_AS(einsum("", std::vector<Tensor<double>>{}), ValueError);
}
