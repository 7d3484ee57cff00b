// A CharRNN's file: it comes back to the bit, and a wrong one is refused.
#include <xgrad/models/char_rnn.hpp>

#include <filesystem>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/models/text.hpp>
#include <xgrad/nn/safetensors.hpp>
#include "catch.hpp"
#include "program.hpp"
#include "small_char_rnn.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::models;
using namespace xgrad::testing;
using namespace std::string_literals;
using Catch::Matchers::Contains;
using nn::Cell;

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

TEST_CASE("load: a dropout beside one layer, which did nothing before it was refused", "[models]") {
  const TemporaryFolder folder;
  const models::CharRNN<> model({.vocabulary = 3, .hidden = 4});
  models::save_char_rnn(folder / "file", model, models::Vocabulary(U"abc"));
  auto file = nn::load_safetensors(folder / "file");
  file.metadata["dropout"] = "0.2";
  nn::save_safetensors(folder / "file", file.tensors, file.metadata);
  CHECK(models::load_char_rnn<float>(folder / "file").model.config.dropout == 0);
}

TEST_CASE("load: what is no safetensors file", "[models]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(load_char_rnn(folder / "nothing"), Contains("nothing"));
  xgrad::testing::write_text(folder / "text", "this is a text and no model, is it");
  CHECK_THROWS_AS(load_char_rnn(folder / "text"), FormatError);
  CHECK_THROWS_AS(load_char_rnn(folder.path), FormatError);
}

}  // namespace
