// softmax and log_softmax: PyTorch's numbers, large inputs, every axis, every row length.
#include <xgrad/ops/softmax.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"
#include "near.hpp"
#include "reference_math.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

const D z{{1, 2, 3}, {-1, 0.5, 100}, {0, 0, 0}};
const D w{{0.3, -1, 2}, {1, 0.5, 0.25}, {-2, 1, 0.75}};

}  // namespace

TEST_CASE("softmax gives PyTorch's numbers") {
  CHECK(off(softmax(z), {3, 3},
            {0.09003057317038045, 0.2447284710547976, 0.6652409557748218, 1.368539471173853e-44,
             6.133368390286092e-44, 1, 1. / 3, 1. / 3, 1. / 3}) == "");
  CHECK(off(softmax(z, 0), {3, 3},
            {0.6652409557748218, 0.7361247243125938, 7.47197233734299e-43, 0.09003057317038046,
             0.1642516276250878, 1, 0.24472847105479764, 0.09962364806231831, 3.720075976020836e-44}) == "");
  CHECK(off(log_softmax(z), {3, 3},
            {-2.4076059644443806, -1.4076059644443804, -0.4076059644443804, -101, -99.5, 0,
             -1.0986122886681098, -1.0986122886681098, -1.0986122886681098}) == "");
  CHECK(off(log_softmax(z, -2), {3, 3},
            {-0.4076059644443804, -0.30635571222914665, -97, -2.4076059644443806, -1.8063557122291467, 0,
             -1.4076059644443804, -2.3063557122291467, -100}) == "");
  CHECK(off(gradient([](const D& x) { return sum(softmax(x) * w); }, z), {3, 3},
            {-0.07317348384996558, -0.5170531638456397, 0.5902266476956054, 1.0264046033803897e-44,
             1.533342097571523e-44, 0, -0.6388888888888888, 0.36111111111111105, 0.27777777777777773}) == "");
  CHECK(off(gradient([](const D& x) { return sum(log_softmax(x, 0) * w); }, z), {3, 3},
            {0.7656686690423752, -1.3680623621562968, 2, 1.0630214012192662, 0.4178741861874561, -2.75,
             -1.8286900702616418, 0.9501881759688409, 0.75}) == "");
}

TEST_CASE("softmax of large numbers") {
  CHECK(off(softmax(D{1000, 1000, -1000}), {3}, {0.5, 0.5, 0}) == "");
  CHECK(off(log_softmax(D{1e4, 0}), {2}, {0, -1e4}) == "");
  CHECK(off(softmax(Tensor<>{-3e38f, 3e38f}), {2}, {0, 1}) == "");
  CHECK(off(softmax(D{-inf, 1, 1}), {3}, {0, 0.5, 0.5}) == "");  // a masked element
  CHECK(off(log_softmax(D{-inf, 1, 1}), {3}, {-inf, -std::log(2.0), -std::log(2.0)}) == "");
  CHECK(off(gradient([](const D& x) { return select(softmax(x), 0, 1); }, D{-inf, 1, 1}), {3},
            {0, 0.25, -0.25}) == "");
}

TEMPLATE_TEST_CASE("softmax of rows of any length, and along any axis", "", float, double) {
  using T = TestType;
  const double limit = std::is_same_v<T, float> ? 3e-7 : 5e-16;
  for (const std::int64_t n : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 130, 1000, 5000}) {
    INFO(n << " columns");
    Generator generator(5);
    const Tensor<T> x = randn<T>({3, n}, generator) * 4;
    std::vector<double> want, want_log;
    for (std::int64_t i = 0; i < 3; ++i) {
      const auto row = x.values().subspan(static_cast<std::size_t>(i * n), static_cast<std::size_t>(n));
      const double largest = std::ranges::max(row);
      BigFloat total;
      for (const double v : row) total = total + rounded<mpfr_exp>(v - largest);
      for (const double v : row) {
        want.push_back(static_cast<double>(rounded<mpfr_exp>(v - largest) / total));
        want_log.push_back(static_cast<double>(v - largest - rounded<mpfr_log>(total)));
      }
    }
    CHECK(off(softmax(x), {3, n}, want, limit) == "");
    CHECK(off(log_softmax(x), {3, n}, want_log, limit) == "");
    CHECK(off(transpose(softmax(transpose(x, 0, 1), 0), 0, 1), {3, n}, want, limit) == "");
    CHECK(off(transpose(log_softmax(transpose(x, 0, 1), 0), 0, 1), {3, n}, want_log, limit) == "");
    CHECK(off(softmax(reshape(x, {3, n, 1}), 1), {3, n, 1}, want, limit) == "");
  }
}

TEST_CASE("the fused gradient is the one composed of ops") {
  Generator generator(6);
  for (const bool logarithm : {false, true}) {
    const D x = (randn<double>({5, 37}, generator)).set_requires_grad(),
            u = randn<double>({5, 37}, generator);
    const D y = logarithm ? log_softmax(x) : softmax(x);
    const D plain = logarithm ? x - log(sum(exp(x), 1, true)) : exp(x) / sum(exp(x), 1, true);
    CHECK(allclose(y, plain, 1e-14, 1e-15));
    auto [fused] = grad(sum(y * u), {x}, {.retain_graph = true});
    auto [recorded] = grad(sum(y * u), {x}, {.create_graph = true});
    auto [composed] = grad(sum(plain * u), {x});
    CHECK(allclose(fused, composed, 1e-12, 1e-15));
    CHECK(allclose(recorded, composed, 1e-12, 1e-15));
  }
}

TEST_CASE("bad arguments of softmax are named") {
  CHECK_THROWS_AS(softmax(z, 2), ShapeError);
  CHECK_THROWS_WITH(softmax(z, 2), Contains("softmax: axis 2") && Contains("[3, 3]"));
  CHECK_THROWS_WITH(log_softmax(scalar<double>(1)), Contains("log_softmax: axis -1"));
  CHECK_THROWS_WITH(softmax(D()), Contains("softmax: operand 0 is undefined"));
  CHECK(softmax(zeros<double>({0, 3})).shape() == Shape{0, 3});
  CHECK(softmax(zeros<double>({3, 0})).shape() == Shape{3, 0});
  CHECK(log_softmax(zeros<double>({2, 0, 3}), 1).shape() == Shape{2, 0, 3});
}
