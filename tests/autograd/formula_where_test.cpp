// Formulas with where() and comparisons: branches, limits and ties.
#include <xgrad/autograd/tape/formula.hpp>

#include <cmath>
#include <limits>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using Vector = std::vector<double>;

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

}  // namespace
