// Initialisers: their spread, what they repeat, and what they refuse.
#include <xgrad/nn/init.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/matmul.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
namespace init = nn::init;
using D = Tensor<double>;

struct Statistics {
  double mean = 0, deviation = 0, low = 0, high = 0;
};

Statistics of(const D& x) {
  Statistics s;
  const auto values = x.values();
  const auto n = static_cast<double>(values.size());
  for (const double v : values) s.mean += v / n;
  for (const double v : values) s.deviation += (v - s.mean) * (v - s.mean) / n;
  s.deviation = std::sqrt(s.deviation);
  std::tie(s.low, s.high) = std::pair(std::ranges::min(values), std::ranges::max(values));
  return s;
}

// Of 20,000 draws: the bounds nearly reached and never passed, moments within five standard errors.
void check_uniform(const D& x, double bound) {
  const Statistics s = of(x);
  CHECK(s.low >= -bound);
  CHECK(s.high <= bound);
  CHECK(s.low < -0.998 * bound);
  CHECK(s.high > 0.998 * bound);
  CHECK(std::abs(s.mean) < 5 * bound / std::sqrt(3.0) / std::sqrt(20000.0));
}
void check_normal(const D& x, double mean, double deviation) {
  const Statistics s = of(x);
  CHECK(std::abs(s.mean - mean) < 5 * deviation / std::sqrt(20000.0));
  CHECK(std::abs(s.deviation / deviation - 1) < 5 / std::sqrt(2 * 20000.0));
  CHECK(s.high > mean + 3 * deviation);
}

D matrix() { return zeros<double>({100, 200}); }  // fan in 200, fan out 100

TEST_CASE("each initialiser has its distribution") {
  Generator g(1);
  check_uniform(init::uniform(matrix(), -2, 2, g), 2);
  check_normal(init::normal(matrix(), 3, 0.5, g), 3, 0.5);
  CHECK(allclose(init::constant(matrix(), 0.25), full<double>({100, 200}, 0.25), 0, 0));
  check_uniform(init::xavier_uniform(matrix(), 1, g), std::sqrt(6.0 / 300));
  check_uniform(init::xavier_uniform(matrix(), 2, g), 2 * std::sqrt(6.0 / 300));
  check_normal(init::xavier_normal(matrix(), 1, g), 0, std::sqrt(2.0 / 300));
  check_uniform(init::kaiming_uniform(matrix(), {}, g), std::sqrt(6.0 / 200));
  check_uniform(init::kaiming_uniform(matrix(), {.negative_slope = std::sqrt(5.0)}, g), 1 / std::sqrt(200.0));
  check_normal(
      init::kaiming_normal(matrix(), {.fan = init::Fan::out, .nonlinearity = nn::Nonlinearity::relu}, g), 0,
      std::sqrt(2.0 / 100));
  check_normal(init::kaiming_normal(matrix(), {.nonlinearity = nn::Nonlinearity::linear}, g), 0,
               std::sqrt(1.0 / 200));
  // A receptive field counts into both fans.
  check_uniform(init::xavier_uniform(zeros<double>({20, 50, 4, 5}), 1, g),
                std::sqrt(6.0 / (20 * 20 + 50 * 20)));
}

TEST_CASE("gains are PyTorch's") {
  CHECK(init::calculate_gain(nn::Nonlinearity::linear) == 1);
  CHECK(init::calculate_gain(nn::Nonlinearity::sigmoid) == 1);
  CHECK(init::calculate_gain(nn::Nonlinearity::tanh) == 5.0 / 3);
  CHECK(init::calculate_gain(nn::Nonlinearity::relu) == std::sqrt(2.0));
  CHECK(init::calculate_gain(nn::Nonlinearity::leaky_relu, 0.2) == std::sqrt(2 / 1.04));
  CHECK(init::calculate_gain(nn::Nonlinearity::selu) == 0.75);
}

TEST_CASE("the same seed gives the same values, in place") {
  Generator a(4), b(4);
  D x = zeros<double>({3, 4}), y = zeros<double>({3, 4});
  const double* data = x.data();
  init::xavier_normal(x, 1, a), init::xavier_normal(y, 1, b);
  CHECK(x.data() == data);
  CHECK(allclose(x, y, 0, 0));
  manual_seed(9), init::uniform(x);
  manual_seed(9), init::uniform(y);
  CHECK(allclose(x, y, 0, 0));
}

TEST_CASE("orthogonal rows, or columns where there are fewer") {
  Generator g(2);
  for (const Shape& shape :
       {Shape{5, 9}, Shape{9, 5}, Shape{6, 6}, Shape{1, 4}, Shape{3, 2, 5}, Shape{0, 3}}) {
    const D x = init::orthogonal(zeros<double>(shape), 2, g);
    const std::int64_t rows = shape[0], columns = shape.elements(1, shape.rank());
    const D flat(x.part({rows, columns}));
    const bool wide = rows <= columns;
    const D product =
        wide ? matmul(flat, flat, {.transpose_b = true}) : matmul(flat, flat, {.transpose_a = true});
    CHECK(allclose(product, eye<double>(std::min(rows, columns)) * 4, 0, 1e-14));
  }
  const Tensor<> x = init::orthogonal(zeros({20, 30}), 1, g);
  CHECK(allclose(matmul(x, x, {.transpose_b = true}), eye(20), 0, 1e-6));
  CHECK_FALSE(allclose(x, init::orthogonal(zeros({20, 30}), 1, g)));
}

TEST_CASE("parameters may be initialised anew; results of ops may not") {
  Tensor<> p = zeros({2, 2}).set_requires_grad();
  init::constant(p, 3);
  CHECK(p.values()[3] == 3);
  CHECK(p.requires_grad());
  CHECK_THROWS_AS(init::uniform(p * 2), GraphError);
  CHECK_THROWS_AS(init::normal(Tensor<>()), ValueError);
  CHECK_THROWS_WITH(init::xavier_uniform(zeros({3})),
                    Contains("xavier_uniform: a tensor of shape [3] has no fan in and fan out"));
  CHECK_THROWS_AS(init::kaiming_normal(zeros({})), ShapeError);
  CHECK_THROWS_WITH(init::orthogonal(zeros({3})), Contains("orthogonal: a tensor of shape [3]"));
  CHECK(init::kaiming_uniform(zeros({3, 0})).elements() == 0);
}

TEST_CASE("initialisers refuse an undefined tensor and numbers of which NaN would come") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const Tensor<> none, x = zeros({2, 3});
  CHECK_THROWS_WITH(init::uniform(none), Contains("uniform: the tensor is undefined"));
  CHECK_THROWS_WITH(init::normal(none), Contains("normal: the tensor is undefined"));
  CHECK_THROWS_WITH(init::constant(none, 1), Contains("constant: the tensor is undefined"));
  CHECK_THROWS_WITH(init::xavier_uniform(none), Contains("xavier_uniform: the tensor is undefined"));
  CHECK_THROWS_WITH(init::xavier_normal(none), Contains("xavier_normal: the tensor is undefined"));
  CHECK_THROWS_WITH(init::kaiming_uniform(none), Contains("kaiming_uniform: the tensor is undefined"));
  CHECK_THROWS_WITH(init::kaiming_normal(none), Contains("kaiming_normal: the tensor is undefined"));
  CHECK_THROWS_WITH(init::orthogonal(none), Contains("orthogonal: the tensor is undefined"));

  CHECK_THROWS_WITH(init::uniform(x, nan, 0),
                    Contains("uniform: from nan to 0; both must be finite, the lower one first"));
  CHECK_THROWS_WITH(init::uniform(x, 0, inf), Contains("uniform: from 0 to inf"));
  CHECK_THROWS_WITH(init::uniform(x, 1, 0), Contains("uniform: from 1 to 0"));
  CHECK_THROWS_WITH(init::normal(x, 0, -1),
                    Contains("normal: the deviation is -1; it must be finite and at least 0"));
  CHECK_THROWS_WITH(init::normal(x, nan), Contains("normal: the mean is nan; it must be finite"));
  CHECK_THROWS_WITH(init::xavier_normal(x, nan), Contains("xavier_normal: the gain is nan"));
  CHECK_THROWS_WITH(init::xavier_uniform(x, -1), Contains("xavier_uniform: the gain is -1"));
  CHECK_THROWS_WITH(init::kaiming_normal(x, {.negative_slope = nan}),
                    Contains("kaiming_normal: the negative_slope is nan"));
  CHECK_THROWS_WITH(init::kaiming_uniform(x, {.negative_slope = inf}),
                    Contains("kaiming_uniform: the negative_slope is inf"));
  CHECK_THROWS_WITH(init::orthogonal(x, nan), Contains("orthogonal: the gain is nan"));
  CHECK_THROWS_AS(init::normal(x, 0, nan), ValueError);
  for (const float value : x.values()) CHECK(value == 0);
  init::uniform(x, 2, 2);
  init::normal(zeros({1}), -3, 0);
  CHECK(x.values()[5] == 2);
}

TEST_CASE("trunc_normal stays in its range and has the distribution's mean and deviation") {
  Generator generator(1);
  const auto x = init::trunc_normal(zeros<double>({20000}), 1, 2, 0, 4, generator);
  double sum = 0, squares = 0;
  for (const double v : x.values()) {
    CHECK((v >= 0 && v <= 4));
    sum += v;
    squares += v * v;
  }
  // Of a normal distribution with mean 1 and deviation 2 between 0 and 4: mean 1.73265, deviation 1.06567.
  CHECK(sum / 20000 == Approx(1.73265).margin(0.04));
  CHECK(std::sqrt(squares / 20000 - sum * sum / 4e8) == Approx(1.06567).margin(0.03));
  CHECK_THROWS_WITH(init::trunc_normal(zeros({2}), 0, 1, 5, 6),
                    Contains("trunc_normal: from 5 to 6 around the mean 0"));
  CHECK_THROWS_WITH(init::trunc_normal(zeros({2}), 0, 1, 1, 1), Contains("trunc_normal: from 1 to 1"));
  CHECK_THROWS_WITH(init::trunc_normal(zeros({2}), 0, -1), Contains("the deviation is -1"));
}

TEST_CASE("eye, dirac and sparse put ones and zeros where PyTorch does") {
  CHECK(allclose(init::eye(ones({2, 3})), Tensor<>{{1, 0, 0}, {0, 1, 0}}, 0, 0));
  const auto kernel = init::dirac(ones({4, 2, 3}), 2);  // (out, in / groups, width)
  for (std::int64_t o = 0; o < 4; ++o)
    for (std::int64_t i = 0; i < 2; ++i)
      for (std::int64_t k = 0; k < 3; ++k)
        CHECK(kernel.values()[static_cast<std::size_t>((o * 2 + i) * 3 + k)] == (k == 1 && i == o % 2));
  Generator generator(1);
  const auto x = init::sparse(ones({10, 3}), 0.25, 1, generator);
  for (std::size_t c = 0; c < 3; ++c) {
    int zeros_in_column = 0;
    for (std::size_t r = 0; r < 10; ++r) zeros_in_column += x.values()[r * 3 + c] == 0;
    CHECK(zeros_in_column == 3);
  }
  CHECK_THROWS_WITH(init::eye(zeros({2})), Contains("eye: a tensor of shape [2]; it is a matrix"));
  CHECK_THROWS_WITH(init::dirac(zeros({2, 2})),
                    Contains("dirac: a tensor of shape [2, 2]; it is a convolution's"));
  CHECK_THROWS_WITH(init::dirac(zeros({4, 2, 3}), 3), Contains("dirac: 3 groups of 4 channels"));
  CHECK_THROWS_WITH(init::sparse(zeros({2, 2}), 2), Contains("sparse: the sparsity is 2"));
  CHECK_THROWS_WITH(init::sparse(zeros({2}), 0.5), Contains("sparse: a tensor of shape [2]; it is a matrix"));
}

}  // namespace
