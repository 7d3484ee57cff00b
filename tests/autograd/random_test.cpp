// The generator: Philox's published answers, the transforms' distributions, and streams that can be stored.
#include <xgrad/autograd/core/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

#include <xgrad/autograd/core/error.hpp>

#include <xgrad/autograd/tape/create.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Words = std::array<std::uint32_t, 4>;

/// Philox4x32-10 as its paper has it, over the whole counter.
Words philox(Words counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0],
                        p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9, key[1] += 0xBB67AE85;
  }
  return counter;
}

Words block(Generator& generator) {
  return {generator.bits(), generator.bits(), generator.bits(), generator.bits()};
}

TEST_CASE("random: Philox4x32-10 gives the known answers of Random123", "[random]") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  Generator zero(0);
  CHECK(block(zero) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(block(zero) == philox({1, 0, 0, 0}, {0, 0}));
  Generator other(0x299f31d0a4093822);
  other.set_state({.seed = 0x299f31d0a4093822, .counter = 0x85a308d3243f6a88});
  CHECK(block(other) == philox({0x243f6a88, 0x85a308d3, 0, 0}, {0xa4093822, 0x299f31d0}));
}

TEST_CASE("random: the same seed gives the same stream, another one another", "[random]") {
  Generator a(7), b(7), c(8);
  const auto x = randn<double>({50}, a), y = randn<double>({50}, b), z = randn<double>({50}, c);
  CHECK(std::ranges::equal(x.values(), y.values()));
  CHECK_FALSE(std::ranges::equal(x.values(), z.values()));
  a.seed(8);
  CHECK(std::ranges::equal(randn<double>({50}, a).values(), z.values()));
  manual_seed(3);
  const auto first = rand({9});
  manual_seed(3);
  CHECK(std::ranges::equal(rand({9}).values(), first.values()));
  CHECK_FALSE(std::ranges::equal(rand({9}).values(), first.values()));
}

TEST_CASE("random: the state restores the stream from anywhere in a block", "[random]") {
  Generator generator(11);
  for (int drawn = 0; drawn < 9; ++drawn) {
    const auto state = generator.state();
    const double uniform = generator.uniform(), normal = generator.normal();
    const auto bits = generator.bits();
    Generator restored(99);
    restored.bits();
    restored.set_state(state);
    CHECK(restored.state() == state);
    CHECK(restored.uniform() == uniform);
    CHECK(restored.normal() == normal);
    CHECK(restored.bits() == bits);
    generator.set_state(state);
    generator.bits();
  }
}

TEST_CASE("random: filling equals drawing one by one", "[random]") {
  Generator a(1), b(1);
  std::vector<double> filled(17), drawn(17);
  a.fill_uniform(filled);
  for (double& x : drawn) x = b.uniform();
  CHECK(filled == drawn);
  a.fill_normal(filled, 3, 2);
  for (double& x : drawn) x = 3 + 2 * b.normal();
  CHECK(filled == drawn);
}

struct Moments {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0, least = 0, most = 0;
};
template <class T>
Moments moments(const std::vector<T>& x) {
  Moments m;
  const auto n = static_cast<double>(x.size());
  for (const T v : x) m.mean += static_cast<double>(v) / n;
  for (const T v : x) {
    const double d = static_cast<double>(v) - m.mean;
    m.variance += d * d / n, m.skewness += d * d * d / n, m.kurtosis += d * d * d * d / n;
  }
  m.skewness /= std::pow(m.variance, 1.5), m.kurtosis /= m.variance * m.variance;
  const auto [least, most] = std::ranges::minmax(x);
  m.least = static_cast<double>(least), m.most = static_cast<double>(most);
  return m;
}

TEMPLATE_TEST_CASE("random: moments of uniform and normal numbers", "[random]", float, double) {
  Generator generator(2024);
  std::vector<TestType> x(200000);
  generator.fill_uniform(x);
  Moments m = moments(x);
  CHECK(m.mean == Approx(0.5).margin(0.003));
  CHECK(m.variance == Approx(1 / 12.).margin(0.001));
  CHECK(m.kurtosis == Approx(1.8).margin(0.02));
  CHECK((m.least >= 0 && m.least < 1e-4));
  CHECK((m.most < 1 && m.most > 1 - 1e-4));
  generator.fill_uniform(x, -2, 6);
  m = moments(x);
  CHECK(m.mean == Approx(2).margin(0.03));
  CHECK((m.least >= -2 && m.most <= 6));
  generator.fill_normal(x);
  m = moments(x);
  CHECK(m.mean == Approx(0).margin(0.012));
  CHECK(m.variance == Approx(1).margin(0.02));
  CHECK(m.skewness == Approx(0).margin(0.03));
  CHECK(m.kurtosis == Approx(3).margin(0.08));
  CHECK((m.least < -3.9 && m.most > 3.9 && m.most < 7));
  double product = 0;  // neighbours are independent
  for (std::size_t i = 1; i < x.size(); ++i)
    product += static_cast<double>(x[i]) * static_cast<double>(x[i - 1]) / static_cast<double>(x.size());
  CHECK(product == Approx(0).margin(0.012));
}

TEST_CASE("random: integers below a bound", "[random]") {
  Generator generator(5);
  std::array<int, 7> count{};
  for (int i = 0; i < 70000; ++i) ++count[generator.below(7)];
  for (const int n : count) CHECK(n == Approx(10000).margin(400));
  CHECK(generator.below(1) == 0);
  CHECK_THROWS_AS(generator.below(0), ValueError);
  CHECK_THROWS_WITH(
      generator.below(0),
      Catch::Matchers::Contains("below: no integer is at least 0 and below 0; give a limit of 1 or more"));
  const std::uint64_t huge = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 100; ++i) CHECK(generator.below(huge) < huge);
  const auto drawn = randint<double>(-2, 3, {500}, generator);
  CHECK(std::set<double>(drawn.values().begin(), drawn.values().end()) == std::set<double>{-2, -1, 0, 1, 2});
}

}  // namespace
