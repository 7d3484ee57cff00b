// Dropout: which elements, how much, from which generator.
#include <xgrad/ops/dropout.hpp>

#include <cmath>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"

using namespace xgrad;
using Catch::Matchers::Contains;
using D = Tensor<double>;

TEST_CASE("dropout zeroes a share p and scales the rest") {
  Generator generator(1);
  constexpr std::int64_t n = 200000;
  for (const double p : {0.1, 0.5, 0.8}) {
    const D y = dropout(full<double>({n}, 3), p, true, generator);
    std::int64_t dropped = 0;
    for (const double v : y.values()) {
      if (v == 0)
        ++dropped;
      else
        REQUIRE(std::abs(v - 3 / (1 - p)) < 1e-14 * v);
    }
    const double deviation = std::sqrt(n * p * (1 - p));
    CHECK(std::abs(static_cast<double>(dropped) - n * p) < 4 * deviation);
  }
  const D nothing = dropout(ones<double>({100}), 1, true, generator);
  for (const double v : nothing.values()) CHECK(v == 0);
}

TEST_CASE("dropout does nothing when it is off") {
  const D x = ones<double>({5}).set_requires_grad();
  const auto before = default_generator().state();
  const D off = dropout(x, 0.5, false), none = dropout(x, 0);
  CHECK(off.data() == x.data());
  CHECK(none.data() == x.data());
  CHECK(default_generator().state() == before);
}

TEST_CASE("the generator decides, alike in float and double") {
  Generator a(9), b(9), c(9), other(10);
  const D x = dropout(ones<double>({64}), 0.5, true, a), y = dropout(ones<double>({64}), 0.5, true, b);
  CHECK(allclose(x, y, 0, 0));
  CHECK(allclose(dropout(ones<float>({64}), 0.5, true, c).to<double>(), x, 0, 0));
  CHECK_FALSE(allclose(x, dropout(ones<double>({64}), 0.5, true, other)));
  CHECK_FALSE(allclose(x, dropout(ones<double>({64}), 0.5, true, a)));  // the stream goes on
  manual_seed(9);
  CHECK(allclose(dropout(ones<double>({64})), x, 0, 0));
}

TEST_CASE("gradients go through the same mask") {
  Generator generator(4);
  const D x = full<double>({50}, 2).set_requires_grad();
  const D y = dropout(x, 0.3, true, generator);
  sum(y).backward();
  CHECK(allclose(x.grad() * 2, y));
}

TEST_CASE("a probability outside 0 to 1 is refused") {
  CHECK_THROWS_AS(dropout(D{1}, -0.1), ValueError);
  CHECK_THROWS_WITH(dropout(D{1}, 1.5), Contains("dropout: p is 1.5; a probability lies between 0 and 1"));
  CHECK_THROWS_AS(dropout(D{1}, std::nan("")), ValueError);
  CHECK_THROWS_AS(dropout(D{1}, 2, false), ValueError);
  CHECK_THROWS_WITH(dropout(D(), 0.5), Contains("dropout: operand 0 is undefined"));
}
