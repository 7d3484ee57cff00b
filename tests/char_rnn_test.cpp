// CharRNN: shapes, training, sampling, its file, and bad input.
#include <xgrad/models/char_rnn.hpp>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/models/sample.hpp>
#include <xgrad/models/text.hpp>
#include <xgrad/models/trainer.hpp>
#include <xgrad/nn/safetensors.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/clip.hpp>
#include "catch.hpp"
#include "program.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::models;
using namespace std::string_literals;
using Catch::Matchers::Contains;
using nn::Cell;
using xgrad::testing::TemporaryFolder;

const std::string story = [] {
  std::string text;
  for (int k = 0; k < 30; ++k) text += "the cat sat on the mat, and the dog ran after the cat. ";
  return text;
}();

template <Real T = float>
CharRNN<T> small_model(const Vocabulary& vocabulary, Cell cell = Cell::lstm, std::int64_t layers = 1,
                       double dropout = 0) {
  Generator generator(5);
  return CharRNN<T>(
      {.vocabulary = vocabulary.size(), .hidden = 24, .layers = layers, .cell = cell, .dropout = dropout},
      generator);
}

// train() with Adam and clipping.
template <Real T>
void train_adam(CharRNN<T>& model, std::span<const std::int64_t> text, const TrainOptions& options,
                double lr = 2e-3, const std::function<bool(const TrainProgress&)>& progress = {}) {
  optim::Adam<T> optimizer(nn::parameters(model), {.lr = lr});
  const auto update = [&] {
    optim::clip_grad_norm(optimizer.parameters(), 5);
    optimizer.step();
  };
  train(model, text, options, update, progress);
}

template <Real T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.elements()) * sizeof(T)) == 0;
}
template <Real T>
bool same_bits(const CharRNN<T>& a, const CharRNN<T>& b) {
  const auto p = nn::parameters(a), q = nn::parameters(b);
  return std::equal(p.begin(), p.end(), q.begin(), q.end(),
                    [](const auto& x, const auto& y) { return same_bits(x, y); });
}

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
                   Tensor<double>(whole.logits.view({3, vocabulary.size()}, t * 3 * vocabulary.size())), 0,
                   1e-14));
    state = output.state;
  }
  CHECK(allclose(state.output(), whole.state.output(), 0, 1e-14));
}

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

TEST_CASE("save and load: the same bits come back, with configuration and vocabulary", "[models]") {
  const TemporaryFolder folder;
  const Cell cell = GENERATE(Cell::rnn, Cell::lstm, Cell::gru);
  const auto unit = GENERATE(TextUnit::code_point, TextUnit::byte);
  const std::string text = story + "naïve — \"日本\"\n\t\0\x7F"s + (unit == TextUnit::byte ? "\xFF\x80" : "");
  const Vocabulary vocabulary = Vocabulary::of(text, unit);
  const auto model = small_model(vocabulary, cell, 2, 0.25);
  save_char_rnn(folder / "model", model, vocabulary);
  const std::uint64_t drawn = default_generator().state().counter;
  const auto loaded = load_char_rnn(folder / "model");
  CHECK(default_generator().state().counter == drawn);
  CHECK(loaded.vocabulary == vocabulary);
  CHECK(loaded.model.config == model.config);
  CHECK(same_bits(loaded.model, model));
  const auto indices = vocabulary.encode(text);
  const Windows windows(indices, 2, 10);
  auto reader = model, loaded_reader = loaded.model;
  nn::eval(reader);
  nn::eval(loaded_reader);
  CHECK(same_bits(loaded_reader(windows[0].x, reader.zero_state(2)).logits,
                  reader(windows[0].x, reader.zero_state(2)).logits));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);

  const auto in_double = load_char_rnn<double>(folder / "model");
  CHECK(in_double.model.config == model.config);
  CHECK(static_cast<float>(nn::parameters(in_double.model)[0].values()[3]) ==
        nn::parameters(model)[0].values()[3]);
  CHECK_THROWS_WITH(save_char_rnn(folder / "model", model, Vocabulary(U"ab")),
                    Contains("a vocabulary of 2 characters for a model"));
  CHECK(same_bits(load_char_rnn(folder / "model").model, model));
}

// A saved model whose content `change` changes, as load_char_rnn refuses it.
template <class Change>
void check_refused(const std::string& part, Change change) {
  const TemporaryFolder folder;
  const Vocabulary vocabulary(U"abcd");
  save_char_rnn(folder / "model", CharRNN<>({.vocabulary = 4, .hidden = 3, .layers = 2}), vocabulary);
  nn::Safetensors content = nn::load_safetensors(folder / "model");
  change(content);
  nn::save_safetensors(folder / "model", content.tensors, content.metadata);
  CHECK_THROWS_AS(load_char_rnn(folder / "model"), FormatError);
  CHECK_THROWS_WITH(load_char_rnn(folder / "model"), Contains(folder / "model") && Contains(part));
}

TEST_CASE("load: strict about names, shapes and metadata", "[models]") {
  const auto set = [](const char* key, const char* value) {
    return [=](nn::Safetensors& f) { f.metadata[key] = value; };
  };
  const auto erase = [](const char* key) { return [=](nn::Safetensors& f) { f.metadata.erase(key); }; };
  check_refused("rnn.bias_hh_l1", [](auto& f) {
    std::erase_if(f.tensors, [](const auto& t) { return t.name == "rnn.bias_hh_l1"; });
  });
  check_refused("extra", [](auto& f) { f.tensors.push_back({"extra", zeros({2})}); });
  check_refused("rnn.weight_hh_l1", [](auto& f) {
    for (auto& t : f.tensors)
      if (t.name == "rnn.weight_hh_l1") t.tensor = zeros({3, 12});
  });
  check_refused("no tensor 'fc.weight'", [](auto& f) { f.tensors.clear(); });
  for (const char* key : {"model", "cell", "hidden", "layers", "dropout", "text_unit", "vocabulary"})
    check_refused("its metadata has no '" + std::string(key) + "'", erase(key));
  check_refused("a model 'other'", set("model", "other"));
  check_refused("'lost' is none of rnn, lstm, gru", set("cell", "lost"));
  check_refused("rnn.weight_ih_l0", set("cell", "gru"));
  check_refused("hidden = 'many', which is no number", set("hidden", "many"));
  check_refused("hidden = '3 ', which is no number", set("hidden", "3 "));
  check_refused("4 characters and 4 hidden units", set("hidden", "4"));
  check_refused("hidden = -3", set("hidden", "-3"));
  check_refused("99999999999999999999999", set("hidden", "99999999999999999999999"));
  check_refused("1000000 layers", set("layers", "1000000"));
  check_refused("layers 0", set("layers", "0"));
  check_refused("rnn.weight_ih_l1", set("layers", "1"));
  check_refused("dropout 2", set("dropout", "2"));
  check_refused("dropout nan", set("dropout", "nan"));
  check_refused("text_unit = 'word'", set("text_unit", "word"));
  check_refused("'a' comes twice", set("vocabulary", "abca"));
  check_refused("3 characters", set("vocabulary", "abc"));
}

TEST_CASE("load: what is no safetensors file", "[models]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(load_char_rnn(folder / "nothing"), Contains("nothing"));
  xgrad::testing::write_text(folder / "text", "this is a text and no model, is it");
  CHECK_THROWS_AS(load_char_rnn(folder / "text"), FormatError);
  CHECK_THROWS_AS(load_char_rnn(folder.path), FormatError);
}

}  // namespace
