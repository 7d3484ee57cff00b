// Matrix products against plain loops: every form of operand, gradients, errors.
#include <xgrad/ops/matmul.hpp>

#include <cmath>
#include <vector>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/autograd/tape/graph.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"
#include "product_by_loops.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

namespace {

struct Case {
  Shape a, b;
  bool transpose_a = false, transpose_b = false;
};

const std::vector<Case> cases = {
    {{3, 4}, {4, 5}},
    {{4, 3}, {4, 5}, true},
    {{3, 4}, {5, 4}, false, true},
    {{4, 3}, {5, 4}, true, true},
    {{4}, {4}},
    {{4}, {4, 5}},
    {{4}, {5, 4}, false, true},
    {{3, 4}, {4}},
    {{4, 3}, {4}, true},
    {{4}, {4}, true, true},
    {{4}, {2, 4, 5}},
    {{2, 3, 4}, {4}},
    {{2, 4, 3}, {4}, true},
    {{2, 3, 4}, {4, 5}},
    {{2, 3, 4}, {5, 4}, false, true},
    {{2, 4, 3}, {4, 5}, true},
    {{2, 4, 3}, {5, 4}, true, true},
    {{3, 4}, {2, 4, 5}},
    {{4, 3}, {2, 5, 4}, true, true},
    {{2, 3, 4}, {2, 4, 5}},
    {{2, 4, 3}, {2, 4, 5}, true},
    {{2, 3, 4}, {2, 5, 4}, false, true},
    {{2, 1, 3, 4}, {6, 4, 5}},
    {{6, 3, 4}, {2, 1, 5, 4}, false, true},
    {{2, 6, 3, 4}, {2, 1, 4, 5}},
    {{2, 6, 3, 4}, {6, 4, 5}},
    {{2, 1, 4, 3}, {1, 6, 4, 5}, true},
    {{1, 3, 4}, {4, 5}},
    {{3, 4}, {1, 4, 5}},
    {{2, 3, 2, 3, 2, 3, 4}, {4, 2}},
    {{1, 1}, {1, 1}},
    {{0, 4}, {4, 5}},
    {{3, 0}, {0, 5}},
    {{3, 4}, {4, 0}},
    {{0}, {0}},
    {{0, 3}, {3}},
    {{3, 0}, {0}},
    {{0, 3, 4}, {4, 5}},
    {{0, 3, 4}, {1, 4, 5}},
    {{3, 4}, {0, 4, 5}},
    {{2, 3, 0}, {0, 5}},
    {{2, 3, 0}, {2, 0, 5}},
};

std::string text_of(const Case& c) {
  return to_string(c.a) + (c.transpose_a ? "T " : " ") + to_string(c.b) + (c.transpose_b ? "T" : "");
}

}  // namespace

TEMPLATE_TEST_CASE("matmul of every form of operand", "", float, double) {
  Generator random(1);
  const double limit = std::same_as<TestType, float> ? 1e-6 : 1e-15;
  for (const Case& c : cases) {
    INFO(text_of(c));
    const auto a = randn<TestType>(c.a, random), b = randn<TestType>(c.b, random);
    const auto terms = product_by_loops(abs(a), abs(b), c.transpose_a, c.transpose_b);
    check_close(matmul(a, b, {c.transpose_a, c.transpose_b}),
                product_by_loops(a, b, c.transpose_a, c.transpose_b), limit,
                terms.elements() ? amax(terms).item() : 0);
  }
}

TEST_CASE("gradients of matmul of every form of operand, and theirs") {
  Generator random(2);
  for (const Case& c : cases) {
    if (c.a.elements() * c.b.elements() > 5000) continue;  // too many differences
    INFO(text_of(c));
    const auto a = randn<double>(c.a, random), b = randn<double>(c.b, random);
    const auto f = [&](const Tensor<double>& x, const Tensor<double>& y) {
      return matmul(x, y, {c.transpose_a, c.transpose_b});
    };
    CHECK(gradcheck(f, {a, b}));
    CHECK(gradgradcheck(f, {a, b}));
  }
}

TEST_CASE("one gradient of matmul at a time") {
  Generator random(3);
  for (const Case& c : cases) {
    INFO(text_of(c));
    const auto a = randn<double>(c.a, random), b = randn<double>(c.b, random);
    auto both_a = a.clone().set_requires_grad(), both_b = b.clone().set_requires_grad();
    const auto both = matmul(both_a, both_b, {c.transpose_a, c.transpose_b});
    const auto g = randn<double>(both.shape(), random);
    both.backward(g);
    auto only_a = a.clone().set_requires_grad(), only_b = b.clone().set_requires_grad();
    matmul(only_a, b, {c.transpose_a, c.transpose_b}).backward(g);
    matmul(a, only_b, {c.transpose_a, c.transpose_b}).backward(g);
    CHECK(same_bits(only_a.grad(), both_a.grad()));
    CHECK(same_bits(only_b.grad(), both_b.grad()));
  }
}

TEST_CASE("linear is x · weightᵀ + bias over the last axis") {
  Generator random(4);
  const auto weight = randn<double>({5, 3}, random), bias = randn<double>({5}, random);
  for (const Shape& shape :
       {Shape{3}, Shape{4, 3}, Shape{2, 4, 3}, Shape{2, 1, 2, 3}, Shape{0, 3}, Shape{2, 0, 3}, Shape{1, 3}}) {
    INFO(to_string(shape));
    const auto x = randn<double>(shape, random);
    const auto plain = product_by_loops(x, weight, false, true);
    check_close(linear(x, weight), plain, 1e-15);
    check_close(linear(x, weight, bias), plain + bias, 1e-15);
    const auto without = [](const Tensor<double>& input, const Tensor<double>& w) {
      return linear(input, w);
    };
    const auto with = [](const Tensor<double>& input, const Tensor<double>& w, const Tensor<double>& b) {
      return linear(input, w, b);
    };
    CHECK(gradcheck(without, {x, weight}));
    CHECK(gradgradcheck(without, {x, weight}));
    CHECK(gradcheck(with, {x, weight, bias}));
    CHECK(gradgradcheck(with, {x, weight, bias}));
  }
}

TEST_CASE("linear without inputs or without outputs") {
  const auto bias = Tensor<double>{1, 2};
  CHECK(allclose(linear(zeros<double>({3, 0}), zeros<double>({2, 0}), bias),
                 Tensor<double>{{1, 2}, {1, 2}, {1, 2}}));
  CHECK(linear(ones<double>({3, 4}), zeros<double>({0, 4}), zeros<double>({0})).shape() == Shape{3, 0});
}

TEST_CASE("a bias alone gets its gradient") {
  auto bias = zeros<double>({2}).set_requires_grad();
  linear(ones<double>({3, 4}), ones<double>({2, 4}), bias).backward(Tensor<double>{{1, 2}, {3, 4}, {5, 6}});
  CHECK(allclose(bias.grad(), Tensor<double>{9, 12}));
  const auto y = linear(ones<double>({2, 3, 4}), ones<double>({2, 4}), bias);
  const auto [g] = grad(y, {bias}, {.grad_outputs = {full<double>({2, 3, 2}, 2)}, .create_graph = true});
  CHECK(allclose(g, Tensor<double>{12, 12}));
}

TEST_CASE("only the gradients that are asked for, also of a recorded backward pass") {
  Generator random(17);
  const auto weight = randn<double>({2, 3}, random).set_requires_grad();
  const auto bias = randn<double>({2}, random).set_requires_grad(), constant = randn<double>({2}, random);
  const auto x = randn<double>({4, 3}, random).set_requires_grad();
  for (const auto& b : {bias, constant}) {
    const auto y = linear(x, weight, b);
    const auto [g] = grad(y * y, {x}, {.grad_outputs = {ones<double>({4, 2})}, .create_graph = true});
    check_close(g, product_by_loops((y * 2).detach(), weight), 1e-14);
    const auto [gg] = grad(g, {weight}, {.grad_outputs = {ones<double>({4, 3})}});
    CHECK(gg.shape() == weight.shape());
  }
}

TEST_CASE("the gradients of one weight over many steps add up in place") {
  Generator random(5);
  const auto x = randn<double>({6, 3, 4}, random);
  auto weight = randn<double>({4, 4}, random).set_requires_grad(),
       bias = randn<double>({4}, random).set_requires_grad();
  Tensor<double> h = zeros<double>({3, 4}), expected_w = zeros<double>({4, 4}),
                 expected_b = zeros<double>({4});
  std::vector<Tensor<double>> inputs;
  for (int t = 0; t < 6; ++t) {
    inputs.push_back(Tensor<double>(x.part({3, 4}, t * 12)));
    h = h + linear(inputs.back(), weight, bias);
  }
  h.backward(ones<double>({3, 4}));
  for (const auto& input : inputs) {
    expected_w = expected_w + product_by_loops(ones<double>({3, 4}), input, true);
    expected_b = expected_b + 3;
  }
  check_close(weight.grad(), expected_w, 1e-14);
  check_close(bias.grad(), expected_b, 1e-14);
}

TEST_CASE("outer") {
  CHECK(allclose(outer(Tensor<>{1, 2, 3}, Tensor<>{10, 20}), Tensor<>{{10, 20}, {20, 40}, {30, 60}}));
  CHECK(outer(zeros({0}), zeros({2})).shape() == Shape{0, 2});
  CHECK_THROWS_WITH(outer(zeros({2, 1}), zeros({2})),
                    Catch::Matchers::StartsWith(
                        "outer: shapes [2, 1] and [2]; it takes two vectors (use matmul for others)"));
}

TEST_CASE("a tensor with itself") {
  Generator random(6);
  const auto x = randn<double>({3, 3}, random);
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      check_close(matmul(x, x, {ta, tb}), product_by_loops(x, x, ta, tb), 1e-15);
      CHECK(gradcheck([&](const Tensor<double>& a) { return matmul(a, a, {ta, tb}); }, {x}));
      CHECK(gradgradcheck([&](const Tensor<double>& a) { return matmul(a, a, {ta, tb}); }, {x}));
    }
}

TEST_CASE("an infinity or NaN goes through, also beside zeros") {
  const double inf = std::numeric_limits<double>::infinity();
  const auto y = matmul(Tensor<double>{{inf, 1}, {0, 1}}, Tensor<double>{{0, 1}, {2, inf}});
  CHECK(std::isnan(y.values()[0]));
  CHECK(y.values()[1] == inf);
  CHECK(y.values()[2] == 2);
  CHECK(y.values()[3] == inf);
  const anomaly scope;
  CHECK_THROWS_WITH(matmul(Tensor<double>{inf}, Tensor<double>{1}), Contains("matmul"));
}

TEST_CASE("errors of matmul and linear say what to do") {
  const auto message = [](auto f) -> std::string {
    try {
      f();
    } catch (const ShapeError& error) {
      const std::string text = error.what();
      return text.substr(0, text.find(" (called in "));
    }
    return "no error";
  };
  CHECK(message([] {
          matmul(zeros({128, 65}), zeros({50, 65}));
        }) == "matmul: inner dimensions differ: [128, 65] · [50, 65]; transpose the right operand?");
  CHECK(message([] {
          matmul(zeros({65, 128}), zeros({65, 50}), {.transpose_b = true});
        }) == "matmul: inner dimensions differ: [65, 128] · [65, 50]ᵀ; transpose both operands?");
  CHECK(message([] {
          matmul(zeros({65, 128}), zeros({65, 50}));
        }) == "matmul: inner dimensions differ: [65, 128] · [65, 50]; transpose the left operand?");
  CHECK(message([] {
          matmul(zeros({4, 7}), zeros({5, 4}));
        }) == "matmul: inner dimensions differ: [4, 7] · [5, 4]; transpose both operands?");
  CHECK(message([] {
          matmul(zeros({2, 3}), zeros({5, 7}));
        }) == "matmul: inner dimensions differ: [2, 3] · [5, 7]");
  CHECK(message([] {
          matmul(zeros({3}), zeros({5, 3}));
        }) == "matmul: inner dimensions differ: [3] · [5, 3]; transpose the right operand?");
  CHECK(message([] {
          matmul(zeros({3, 5}), zeros({3}));
        }) == "matmul: inner dimensions differ: [3, 5] · [3]; transpose the left operand?");
  CHECK(message([] { matmul(zeros({3}), zeros({5})); }) == "matmul: inner dimensions differ: [3] · [5]");
  CHECK(message([] {
          matmul(zeros({9, 2, 3}), zeros({9, 4, 3}));
        }) == "matmul: inner dimensions differ: [9, 2, 3] · [9, 4, 3]; transpose the right operand?");
  CHECK(message([] {
          matmul(zeros({2, 3, 4}), zeros({3, 4, 5}));
        }) ==
        "matmul: the leading axes of [2, 3, 4] · [3, 4, 5] do not broadcast: [2] and [3]; each pair must be "
        "equal, or one "
        "of it 1");
  CHECK(message([] { matmul(zeros({}), zeros({3})); }) ==
        "matmul: [] · [3]: a scalar has no axis to multiply along; use *");
  CHECK(message([] {
          linear(zeros({2, 3}), zeros({5, 4}));
        }) == "linear: inner dimensions differ: [2, 3] · [5, 4]ᵀ; the last axis of x must have 4 elements");
  CHECK(message([] {
          linear(zeros({2, 5}), zeros({5, 4}));
        }) == "linear: inner dimensions differ: [2, 5] · [5, 4]ᵀ; the weight is [out, in]: transpose it?");
  CHECK(message([] {
          linear(zeros({}), zeros({5, 4}));
        }) == "linear: inner dimensions differ: [] · [5, 4]ᵀ; the last axis of x must have 4 elements");
  CHECK(message([] {
          linear(zeros({2, 4}), zeros({5}));
        }) == "linear: the weight has shape [5]; it needs two axes, [out, in]");
  CHECK(message([] {
          linear(zeros({2, 4}), zeros({5, 4}), zeros({4}));
        }) == "linear: the bias has shape [4] beside a weight of [5, 4]; it must be [5]");
  CHECK_THROWS_WITH(matmul(Tensor<>(), zeros({3})), Contains("matmul: operand 0 is undefined"));
  CHECK_THROWS_WITH(matmul(zeros({3}), Tensor<>()), Contains("matmul: operand 1 is undefined"));
  CHECK_THROWS_WITH(linear(zeros({3}), zeros({2, 3}), Tensor<>()),
                    Contains("linear: operand 2 is undefined"));
}

TEST_CASE("an operand changed after the product is noticed in backward") {
  auto a = ones<double>({2, 3}).set_requires_grad(), b = ones<double>({3, 4}).set_requires_grad();
  const auto y = matmul(a, b);
  b.mutable_values()[0] = 2;
  CHECK_THROWS_WITH(y.backward(ones<double>({2, 4})),
                    Contains("backward of 'matmul'") && Contains("input 1 of shape [3, 4]"));
}

TEST_CASE("the product says how its operands were taken") {
  auto a = ones<double>({3, 2}).set_requires_grad();
  CHECK_THAT(to_dot(matmul(a, ones<double>({4, 3}), {true, true})),
             Contains(R"("matmul transpose_a, transpose_b\n)"));
  CHECK_THAT(to_dot(matmul(a, ones<double>({3}), {.transpose_a = true})),
             Contains(R"("matmul transpose_a\n)"));
  CHECK(linear(a, ones<double>({4, 2})).op_name() == "linear");
}
