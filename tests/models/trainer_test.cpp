// train() and evaluate(): what is learned, to the bits of the loop written out, and what is refused.
#include <xgrad/models/trainer.hpp>

#include <cmath>
#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/models/sample.hpp>
#include <xgrad/models/text.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/clip.hpp>
#include "catch.hpp"
#include "small_char_rnn.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::models;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using nn::Cell;

TEST_CASE("train: the loss falls far below that of counting characters, for every cell", "[models]") {
  const Cell cell = GENERATE(Cell::rnn, Cell::lstm, Cell::gru);
  const Vocabulary vocabulary = Vocabulary::of(story);
  const auto text = vocabulary.encode(story);
  auto model = small_model(vocabulary, cell);
  const double before = evaluate(model, text);
  CHECK(std::abs(before - std::log(static_cast<double>(vocabulary.size()))) < 0.1);

  std::vector<TrainProgress> progress;
  train_adam(model, text, {.batch = 8, .seq_len = 20, .steps = 150}, 0.01, [&](const TrainProgress& p) {
    progress.push_back(p);
    return true;
  });
  const double after = evaluate(model, text);
  CHECK(after < 0.3);
  REQUIRE(progress.size() == 150);
  CHECK(progress.back().step == 150);
  CHECK(progress.back().steps == 150);
  CHECK(progress.back().characters == 150 * 8 * 20);
  CHECK(progress.front().loss > 2);
  CHECK(progress.back().loss < 0.5);
  CHECK_FALSE(model.rnn.training);  // as evaluate wants it
}

TEST_CASE("train: the bits of the loop written out", "[models]") {
  const Cell cell = GENERATE(Cell::rnn, Cell::lstm, Cell::gru);
  const Vocabulary vocabulary = Vocabulary::of(story);
  const auto text = vocabulary.encode(story);
  auto model = small_model(vocabulary, cell, 2), by_loop = small_model(vocabulary, cell, 2);
  std::vector<double> losses, expected;
  train_adam(model, text, {.batch = 4, .seq_len = 20, .epochs = 2}, 2e-3, [&](const TrainProgress& p) {
    losses.push_back(p.loss);
    return true;
  });

  optim::Adam<float> optimizer(nn::parameters(by_loop), {.lr = 2e-3});
  const Windows windows(text, 4, 20);
  for (int epoch = 0; epoch < 2; ++epoch) {
    auto state = by_loop.zero_state(4);
    for (std::int64_t i = 0; i < windows.size(); ++i) {
      const auto output = by_loop(windows[i].x, state);
      const Tensor<> loss = by_loop.loss(output.logits, windows[i].y);
      expected.push_back(static_cast<double>(loss.item()));
      optimizer.zero_grad();
      loss.backward();
      optim::clip_grad_norm(optimizer.parameters(), 5);
      optimizer.step();
      state = detach(output.state);
    }
  }
  CHECK(losses == expected);
  CHECK(same_bits(model, by_loop));
}

TEST_CASE("train: hooks are called at every step, and replaced parameters trained", "[models]") {
  const Vocabulary vocabulary = Vocabulary::of(story);
  const auto text = vocabulary.encode(story);
  const TrainOptions options{.batch = 4, .seq_len = 20, .steps = 6};
  auto model = small_model(vocabulary);
  int calls = 0;
  HookHandle hook = model.fc.bias.register_hook([&](const Tensor<>& gradient) {
    calls += std::isfinite(gradient.values()[0]);
    return Tensor<>();
  });
  train_adam(model, text, options);
  CHECK(calls == 6);
  hook.remove();

  // So are those that a callback freezes, or makes a new leaf of.
  std::vector<bool> had_gradient;
  train(
      model, text, options, [&] { had_gradient.push_back(model.fc.bias.grad().defined()); },
      [&](const TrainProgress& p) {
        if (p.step == 2) model.fc.bias.zero_grad(), model.fc.bias.set_requires_grad(false);
        if (p.step == 3) model.fc.bias.set_requires_grad();
        if (p.step == 4) model.fc.bias = model.fc.bias.detach().set_requires_grad();
        return true;
      });
  CHECK(had_gradient == std::vector<bool>{true, true, false, true, true, true});

  const Tensor<> fresh = zeros(model.fc.weight.shape()).set_requires_grad();
  train(
      model, text, options, [&] {},
      [&](const TrainProgress& p) {
        if (p.step == 3) model.fc.weight = fresh;
        return true;
      });
  CHECK(fresh.grad().defined());
}

TEST_CASE("train: passes over the text, stopping, and the same bits again", "[models]") {
  const Vocabulary vocabulary = Vocabulary::of(story);
  const auto text = vocabulary.encode(story);
  const TrainOptions options{.batch = 4, .seq_len = 20, .epochs = 2};
  const auto run = [&](std::int64_t stop) {
    manual_seed(3);
    auto model = small_model(vocabulary, Cell::lstm, 2, 0.2);
    std::int64_t steps = 0;
    train_adam(model, text, options, 2e-3, [&](const TrainProgress& p) {
      steps = p.step;
      return p.step != stop;
    });
    return std::pair(steps, model);
  };
  const auto [steps, model] = run(-1);
  CHECK(steps == 2 * Windows(text, 4, 20).size());
  CHECK(same_bits(model, run(-1).second));
  const auto [stopped, shorter] = run(5);
  CHECK(stopped == 5);
  CHECK_FALSE(same_bits(model, shorter));
}

TEST_CASE("train: the state is carried within a pass and starts from zero with the next", "[models]") {
  const Vocabulary vocabulary = Vocabulary::of(story);
  const auto text = vocabulary.encode(story);
  const auto start = small_model<double>(vocabulary);
  const Windows windows(text, 4, 100);
  REQUIRE(windows.size() == 4);
  // With next to no learning the losses are those of the untrained model, window by window.
  auto state = start.zero_state(4);
  std::vector<double> expected;
  for (std::int64_t w = 0; w < 8; ++w) {
    if (w == 4) state = start.zero_state(4);
    const auto output = start(windows[w % 4].x, state);
    expected.push_back(start.loss(output.logits, windows[w % 4].y).item());
    state = detach(output.state);
  }
  auto model = nn::clone(start);
  std::vector<double> found;
  train_adam(model, text, {.batch = 4, .seq_len = 100, .epochs = 2}, 1e-14, [&](const TrainProgress& p) {
    found.push_back(p.loss);
    return true;
  });
  REQUIRE(found.size() == 8);
  for (std::size_t k = 0; k < 8; ++k) CHECK(std::abs(found[k] - expected[k]) < 1e-10);
  CHECK(std::abs(found[0] - found[4]) < 1e-10);
  CHECK(std::abs(found[0] - found[1]) > 1e-6);
}

TEST_CASE("evaluate: the mean over every character but the first, whatever the windows", "[models]") {
  const Vocabulary vocabulary = Vocabulary::of(story);
  const auto text = vocabulary.encode(story);
  const auto model = small_model<double>(vocabulary, Cell::gru, 2, 0.5);
  const auto output = [&] {
    auto copy = model;
    nn::eval(copy);
    const no_grad scope;
    const auto steps = static_cast<std::int64_t>(text.size()) - 1;
    return copy
        .loss(copy(Indices({steps, 1}, {text.begin(), text.end() - 1}), copy.zero_state(1)).logits,
              Indices({steps, 1}, {text.begin() + 1, text.end()}))
        .item();
  }();
  for (const std::int64_t seq_len : {1, 7, 50, 100000})
    CHECK(std::abs(evaluate(model, text, {.seq_len = seq_len}) - output) < 1e-12);
  CHECK(std::abs(evaluate(model, text, {.batch = 10}) - output) < 0.02);
  const auto few = vocabulary.encode("the");
  CHECK(std::isfinite(evaluate(model, few, {.batch = 50, .seq_len = 50})));
  CHECK_THROWS_WITH(evaluate(model, std::span(few).first(1)),
                    Contains("a text of 1 characters is too short"));
  CHECK(model.rnn.training);  // as it was
}

TEST_CASE("train: a loss that is not finite is refused before it spoils the parameters", "[models]") {
  const Vocabulary vocabulary = Vocabulary::of(story);
  auto model = small_model(vocabulary);
  nn::parameters(model).back().mutable_values()[0] = std::numeric_limits<float>::quiet_NaN();
  const auto copy = nn::clone(model);
  CHECK_THROWS_AS(train_adam(model, vocabulary.encode(story), {.batch = 4, .seq_len = 10}), NonFiniteError);
  CHECK_THROWS_WITH(train_adam(model, vocabulary.encode(story), {.batch = 4, .seq_len = 10}),
                    "train: the loss is nan at step 1; try a smaller learning rate");
  CHECK(same_bits(model, copy));
  CHECK_THROWS_WITH(sample(model, vocabulary, "the", 5), Contains("logits are not finite"));
}

}  // namespace
