// sample(): the same seed writes the same, with the model's probabilities.
#include <xgrad/models/sample.hpp>

#include <cmath>
#include <limits>

#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include "catch.hpp"
#include "small_char_rnn.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::models;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using nn::Cell;

TEST_CASE("sample: the same seed writes the same, greedy needs no seed", "[models]") {
  const Vocabulary vocabulary = Vocabulary::of(story);
  auto model = small_model(vocabulary, Cell::gru);
  train_adam(model, vocabulary.encode(story), {.batch = 8, .seq_len = 20, .steps = 150}, 0.01);
  const auto write = [&](std::uint64_t seed, SampleOptions options) {
    Generator generator(seed);
    options.generator = &generator;
    return sample(model, vocabulary, "the ", 60, options);
  };
  CHECK(write(1, {}).size() == 60);
  CHECK(write(1, {}) == write(1, {}));
  CHECK(write(1, {.temperature = 3}) != write(2, {.temperature = 3}));
  const std::string greedy = write(1, {.greedy = true});
  CHECK(greedy == write(2, {.greedy = true}));
  CHECK(greedy == write(3, {.temperature = 1e-4}));
  CHECK_THAT(story, Contains("the " + greedy.substr(0, 30)));  // it learned that by heart
  manual_seed(9);
  const std::string first = sample(model, vocabulary, "", 20);
  manual_seed(9);
  CHECK(sample(model, vocabulary, "", 20) == first);
  CHECK(first.size() == 20);
  CHECK(sample(model, vocabulary, "the", 0).empty());
  std::string so_far;  // the same, one character after another, until it is enough
  manual_seed(9);
  sample(model, vocabulary, "", 20, {}, [&](std::string_view character) {
    CHECK(character.size() == 1);
    so_far += character;
    return so_far.size() < 7;
  });
  CHECK(so_far == first.substr(0, 7));
  CHECK(live_counts().nodes > 0);  // the parameters' leaves; sampling adds none
  const std::int64_t before = live_counts().nodes;
  sample(model, vocabulary, "the", 10);
  CHECK(live_counts().nodes == before);
}

TEST_CASE("sample: characters are drawn with the model's probabilities", "[models]") {
  const Vocabulary vocabulary(U"abc");
  CharRNN<double> model({.vocabulary = 3, .hidden = 1, .cell = Cell::rnn});
  for (auto& p : nn::parameters(model)) p.assign(zeros_like(p));
  const std::vector<double> p = {0.5, 0.2, 0.3};
  auto bias = nn::parameters(model).back();
  for (std::size_t k = 0; k < 3; ++k) bias.mutable_values()[k] = std::log(p[k]);
  const auto shares = [&](double temperature) {
    Generator generator(1);
    std::vector<double> share(3);
    for (const auto c : vocabulary.encode(
             sample(model, vocabulary, "a", 20000, {.temperature = temperature, .generator = &generator})))
      share[static_cast<std::size_t>(c)] += 1 / 20000.0;
    return share;
  };
  const auto plain = shares(1), sharp = shares(0.5);
  for (std::size_t k = 0; k < 3; ++k) {
    CHECK(std::abs(plain[k] - p[k]) < 0.015);  // four standard deviations
    CHECK(std::abs(sharp[k] - p[k] * p[k] / 0.38) < 0.015);
  }
}

TEST_CASE("sample: bad input", "[models]") {
  const Vocabulary vocabulary = Vocabulary::of(story);
  const auto model = small_model(vocabulary);
  CHECK_THROWS_WITH(sample(model, vocabulary, "the 7", 5), Contains("'7' at position 4"));
  CHECK_THROWS_WITH(
      sample(model, Vocabulary(U"abc"), "a", 5),
      Contains("sample: a vocabulary of 3 characters for a model of " + std::to_string(vocabulary.size())));
  CHECK_THROWS_WITH(sample(model, vocabulary, "the", -1), "sample: length -1 is negative");
  for (const double temperature : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK_THROWS_WITH(sample(model, vocabulary, "the", 5, {.temperature = temperature}),
                      Contains("must be above 0 and finite"));
  CHECK(sample(model, vocabulary, "the", 5, {.temperature = 0, .greedy = true}).size() == 5);
}

}  // namespace
