// The numbers of examples/numpy_random.hpp against those that NumPy 1.24 prints.
#include "../../examples/numpy_random.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <xgrad/nn/npy.hpp>
#include "catch.hpp"

namespace {

using xgrad::examples::NumpyRandom;

std::vector<std::size_t> draws(NumpyRandom& random, const std::vector<double>& p, std::size_t count) {
  std::vector<std::size_t> drawn;
  while (drawn.size() < count) drawn.push_back(random.choice(std::span<const double>(p)));
  return drawn;
}

TEST_CASE("numpy_random: uniform numbers are NumPy's, bit for bit", "[examples]") {
  NumpyRandom seeded(42), zero(0), largest(4294967295u);
  for (const double expected :
       {0.3745401188473625, 0.9507143064099162, 0.7319939418114051, 0.5986584841970366, 0.15601864044243652})
    CHECK(seeded.rand() == expected);
  CHECK(zero.rand() == 0.5488135039273248);
  CHECK(zero.rand() == 0.7151893663724195);
  CHECK(largest.rand() == 0.0976320289940138);
  CHECK(largest.rand() == 0.9123828453026218);
}

// log and sqrt come from the C library, so the last bit may differ between machines.
TEST_CASE("numpy_random: normal numbers are NumPy's, and the spare one is kept", "[examples]") {
  NumpyRandom random(42);
  const auto check = [](double drawn, double expected) { CHECK(std::abs(drawn - expected) <= 1e-15); };
  for (const double expected :
       {0.4967141530112327, -0.13826430117118466, 0.6476885381006925, 1.5230298564080254,
        -0.23415337472333597, -0.23413695694918055, 1.5792128155073915})
    check(random.randn(), expected);
  check(random.rand(), 0.020584494295802447);
  check(random.rand(), 0.9699098521619943);
  check(random.randn(), 0.7674347291529088);
  check(random.randn(), -0.4694743859349521);
}

TEST_CASE("numpy_random: the thousandth normal number is NumPy's", "[examples]") {
  NumpyRandom random(42);
  double last = 0;
  for (int k = 0; k < 1000; ++k) last = random.randn();
  CHECK(std::abs(last - 0.5725827813561586) <= 1e-15);
}

TEST_CASE("numpy_random: seed 42 gives the initial weights of the min-char-rnn fixture", "[examples]") {
  NumpyRandom random(42);
  for (const char* name : {"W_xh", "W_hh", "W_hy"}) {
    const std::string file = XGRAD_FIXTURES "/seeds/002_min_char_rnn/init_" + std::string(name) + ".npy";
    double error = 0;
    for (const double weight : xgrad::nn::read_npy(file).data)
      error = std::max(error, std::abs(weight - 0.01 * random.randn()));
    CHECK(error <= 1e-17);
  }
}

TEST_CASE("numpy_random: choice draws NumPy's indices", "[examples]") {
  NumpyRandom four(7), gaps(7), thirds(1234);
  CHECK(draws(four, {0.1, 0.2, 0.3, 0.4}, 20) ==
        std::vector<std::size_t>{0, 3, 2, 3, 3, 2, 2, 0, 1, 2, 3, 3, 2, 0, 1, 3, 1, 2, 3, 0});
  CHECK(draws(gaps, {0.0, 0.5, 0.0, 0.5}, 12) ==
        std::vector<std::size_t>{1, 3, 1, 3, 3, 3, 3, 1, 1, 1, 3, 3});
  CHECK(draws(thirds, {1.0 / 3, 1.0 / 3, 1.0 / 3}, 20) ==
        std::vector<std::size_t>{0, 1, 1, 2, 2, 0, 0, 2, 2, 2, 1, 1, 2, 2, 1, 1, 1, 0, 2, 2});
  CHECK(thirds.rand() == 0.3648859839013723);
}

TEST_CASE("numpy_random: choice refuses what are no probabilities", "[examples]") {
  NumpyRandom random(1);
  CHECK_THROWS_WITH(draws(random, {0.5, 0.6}, 1), "choice: the probabilities do not sum to 1");
  CHECK_THROWS_WITH(draws(random, {}, 1), "choice: the probabilities do not sum to 1");
  CHECK_THROWS_WITH(draws(random, {1.5, -0.5}, 1), "choice: a probability is negative or not a number");
  CHECK_THROWS_WITH(draws(random, {std::numeric_limits<double>::quiet_NaN()}, 1),
                    "choice: a probability is negative or not a number");
}

}  // namespace
