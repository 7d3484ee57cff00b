// CharRNN: names and shapes, every way of calling it, and bad input.
#include <xgrad/models/char_rnn.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/models/text.hpp>
#include <xgrad/ops/index.hpp>
#include "catch.hpp"
#include "small_char_rnn.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::models;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using nn::Cell;

TEST_CASE("CharRNN: parameters have PyTorch's names and shapes", "[models]") {
  const CharRNN<> model({.vocabulary = 7, .hidden = 5, .layers = 2, .cell = Cell::gru});
  std::vector<std::pair<std::string, Shape>> found;
  for (const auto& [name, parameter] : nn::named_parameters(model))
    found.emplace_back(name, parameter.shape());
  const std::vector<std::pair<std::string, Shape>> expected = {
      {"rnn.weight_ih_l0", {15, 7}}, {"rnn.weight_hh_l0", {15, 5}},
      {"rnn.bias_ih_l0", {15}},      {"rnn.bias_hh_l0", {15}},
      {"rnn.weight_ih_l1", {15, 5}}, {"rnn.weight_hh_l1", {15, 5}},
      {"rnn.bias_ih_l1", {15}},      {"rnn.bias_hh_l1", {15}},
      {"fc.weight", {7, 5}},         {"fc.bias", {7}}};
  CHECK((found == expected));
}

TEST_CASE("CharRNN: a sequence, its single steps, indices and one-hot rows agree", "[models]") {
  const Cell cell = GENERATE(Cell::rnn, Cell::lstm, Cell::gru);
  const Vocabulary vocabulary = Vocabulary::of(story);
  const auto model = small_model<double>(vocabulary, cell, 2);
  const auto text = vocabulary.encode(story);
  const Windows windows(text, 3, 6);
  const Indices x = windows[0].x;
  const auto whole = model(x, model.zero_state(3));
  REQUIRE(whole.logits.shape() == Shape{6, 3, vocabulary.size()});
  const auto rows = model(one_hot<double>(x, vocabulary.size()), model.zero_state(3));
  CHECK(allclose(whole.logits, rows.logits, 0, 1e-14));
  auto state = model.zero_state(3);
  for (std::int64_t t = 0; t < 6; ++t) {
    const auto output =
        t % 2 ? model.step(x[t], state) : model.step(one_hot<double>(x[t], vocabulary.size()), state);
    CHECK(allclose(output.logits,
                   Tensor<double>(whole.logits.part({3, vocabulary.size()}, t * 3 * vocabulary.size())), 0,
                   1e-14));
    state = output.state;
  }
  CHECK(allclose(state.output(), whole.state.output(), 0, 1e-14));
}

TEST_CASE("CharRNN: bad input is refused and leaves the model usable", "[models]") {
  CHECK_THROWS_WITH(CharRNN<>({.vocabulary = 0}),
                    "CharRNN: vocabulary 0, hidden 128, layers 1; each must be at least 1");
  CHECK_THROWS_AS(CharRNN<>({.vocabulary = 5, .hidden = -1}), ValueError);
  CHECK_THROWS_AS(CharRNN<>({.vocabulary = 5, .layers = 0}), ValueError);
  CHECK_THROWS_WITH(CharRNN<>({.vocabulary = 5, .dropout = 1.5}),
                    "CharRNN: dropout 1.5 is no probability in [0, 1]");
  CHECK_THROWS_WITH(cell_of("transformer"), "cell_of: 'transformer' is none of rnn, lstm, gru");

  const Vocabulary vocabulary = Vocabulary::of(story);
  const auto text = vocabulary.encode(story);
  auto model = small_model(vocabulary);
  const auto before = nn::clone(model);
  CHECK_THROWS_AS(CharRNN<>().zero_state(1), ValueError);
  CHECK_THROWS_AS(model(Indices{{0, vocabulary.size()}}, model.zero_state(2)), ValueError);
  CHECK_THROWS_AS(model(Indices{{0, 1}}, model.zero_state(3)), ShapeError);
  CHECK_THROWS_AS(model(Indices{0, 1}, model.zero_state(2)), ShapeError);
  CHECK_THROWS_AS(model.step(zeros({2, 4}), model.zero_state(2)), ShapeError);
  CHECK_THROWS_AS(model.loss(zeros({2, 3, 4}), Indices{{0, 1}}), ShapeError);
  CHECK_THROWS_WITH(train_adam(model, text, {.epochs = 0}), "train: 0 epochs or 0 steps; give at least one");
  CHECK_THROWS_AS(train_adam(model, text, {.steps = -1}), ValueError);
  CHECK_THROWS_WITH(train_adam(model, vocabulary.encode("the cat"), {.batch = 2, .seq_len = 5}),
                    Contains("needs 12"));
  CHECK_THROWS_AS(train_adam(model, {}, {}), ValueError);
  CHECK(same_bits(model, before));
  train_adam(model, text, {.batch = 4, .seq_len = 10, .steps = 1});
  CHECK_FALSE(same_bits(model, before));
}

}  // namespace
