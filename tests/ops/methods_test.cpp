// The common ops as methods, and tensors of vectors.
#include <xgrad/autograd/tape/methods.hpp>

#include <array>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/order.hpp>
#include <xgrad/ops/softmax.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;

static_assert(sizeof(Tensor<>) == sizeof(AnyTensor), "the base of methods takes no room");

TEST_CASE("methods are the functions of their names") {
  const Tensor<> x = Tensor<>{{1, -2, 3}, {4, 5, -6}}.set_requires_grad();
  CHECK(list(x.abs().sum(1)) == std::vector<float>{6, 15});
  CHECK(list(x.sum({0, 1})) == std::vector<float>{5});
  CHECK(x.mean(0, true).shape() == Shape{1, 3});
  CHECK(list(x.max(1).values) == std::vector<float>{3, 5});
  CHECK(equal(x.argmax(1), Indices{2, 1}));
  CHECK(list(x.t()) == list(transpose(x, 0, 1)));
  CHECK(x.view({3, -1}).shape() == Shape{3, 2});
  CHECK(list(x.matmul(x.t())) == list(matmul(x, transpose(x, 0, 1))));
  CHECK(list(x.clamp(-1, 4).pow(2)) == std::vector<float>{1, 1, 9, 16, 16, 1});
  CHECK(list(x.topk(1).values) == std::vector<float>{3, 5});
  CHECK(x.norm().item() == norm(x).item());
  CHECK(list(x.softmax()) == list(softmax(x)));
  CHECK(list(Tensor<>{1, 2}.t()) == std::vector<float>{1, 2});
  CHECK_THROWS_WITH(zeros({1, 2, 3}).t(), Catch::Matchers::StartsWith("t: shape [1, 2, 3] is of no matrix"));

  x.exp().log().square().sum().backward();
  CHECK(x.grad().sum().item() == Approx(10));
}

TEST_CASE("brackets take an element of the first axis, or slices") {
  const Tensor<> x{{1, 2, 3}, {4, 5, 6}};
  CHECK(list(x[1]) == std::vector<float>{4, 5, 6});
  CHECK(x[-1][0].item() == 4);
  CHECK(list(x[{{0, 1}, {.step = 2}}]) == std::vector<float>{1, 3});
  CHECK_THROWS_AS(x[2], ValueError);
}

TEST_CASE("tensors are made of vectors, and values without naming their type") {
  CHECK(list(Tensor<>(std::vector<int>{1, 2, 3})) == std::vector<float>{1, 2, 3});
  CHECK(list(Tensor<double>(std::array{0.5, 1.5})) == std::vector<double>{0.5, 1.5});
  const Tensor<double> x = from_values({2, 1}, std::vector{1.0, 2.0});
  CHECK(x.shape() == Shape{2, 1});
  CHECK(list(from_values({2}, {1.f, 2.f})) == std::vector<float>{1, 2});
  CHECK_THROWS_AS(from_values({3}, {1.0, 2.0}), ShapeError);
}
