// What a file of a stranger costs: memory and time in proportion to it, and a short message.
#include <xgrad/models/char_rnn.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <limits>
#include <string>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/safetensors.hpp>
#include "catch.hpp"
#include "program.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::models;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

// Processor time of the quickest of three calls, in any unit.
template <class Work>
double time_of(Work work) {
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < 3; ++i) {
    const std::clock_t begin = std::clock();
    work();
    best = std::min(best, static_cast<double>(std::clock() - begin));
  }
  return best;
}

void write_safetensors(const std::string& file, const std::string& header) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  write_text(file, bytes + header);
}

std::string message_of(const std::string& file) {
  try {
    load_char_rnn(file);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "no error";
}

// An object of that many members.
template <class Member>
std::string object(int members, Member member) {
  std::string text = "{";
  for (int k = 0; k < members; ++k) text += (k ? "," : "") + member(k);
  return text + "}";
}

TEST_CASE("a header's time is in proportion to its members") {
  const TemporaryFolder folder;
  const std::string info = R"(:{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  const auto named = [&](int k) { return "\"layer" + std::to_string(k) + "\"" + info; };
  const auto repeated = [&](int) { return "\"layer\"" + info; };
  const auto ratio = [&](auto member) {
    const auto time = [&](int members) {
      write_safetensors(folder / "file", object(members, member));
      return time_of([&] {
        try {
          nn::load_safetensors(folder / "file");
        } catch (const FormatError&) {
        }
      });
    };
    return time(40'000) / time(5'000);  // 64 if it grew with the square
  };
  CHECK(ratio(named) < 24);
  CHECK(ratio(repeated) < 24);
}

TEST_CASE("a model of many layers takes time in proportion to their number") {
  const TemporaryFolder folder;
  const Vocabulary vocabulary(U"ab");
  const auto time = [&](std::int64_t layers) {
    save_char_rnn(folder / "model", CharRNN<>({.vocabulary = 2, .hidden = 1, .layers = layers}), vocabulary);
    return time_of([&] { load_char_rnn(folder / "model"); });
  };
  CHECK(time(8'000) / time(500) < 60);  // 256 if it grew with the square
}

TEST_CASE("names and shapes are compared before a model is made") {
  const TemporaryFolder folder;
  const std::int64_t hidden = 20'000;  // a network of 6 GB, in a file of 80 kB
  nn::save_safetensors(folder / "model",
                       {{"fc.weight", zeros({1, hidden})},
                        {"fc.bias", zeros({1})},
                        {"rnn.weight_ih_l0", zeros({1, 1})},
                        {"rnn.weight_hh_l0", zeros({1, 1})},
                        {"rnn.bias_ih_l0", zeros({1})},
                        {"rnn.bias_hh_l0", zeros({1})}},
                       {{"model", "xgrad.char_rnn"},
                        {"cell", "lstm"},
                        {"hidden", std::to_string(hidden)},
                        {"layers", "1"},
                        {"dropout", "0"},
                        {"text_unit", "byte"},
                        {"vocabulary", "a"}});
  reset_peak_bytes();
  const std::int64_t before = live_counts().bytes;
  CHECK_THAT(message_of(folder / "model"), Contains("'rnn.weight_ih_l0' of shape [1, 1] and not [80000, 1]"));
  CHECK(live_counts().peak_bytes - before < 1'000'000);
}

TEST_CASE("a message shows what a file says escaped, and not all of it") {
  const TemporaryFolder folder;
  const std::string red = "\\u001b[31m", endless(1'000'000, 'a');
  const auto check = [&](const std::string& header) {
    write_safetensors(folder / "file", header);
    const std::string message = message_of(folder / "file");
    INFO(message.substr(0, 1000));
    CHECK(message != "no error");
    CHECK(message.size() < 1000);
    CHECK(std::ranges::none_of(message, [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
  };
  const std::string good = R"({"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  for (const std::string& text : {red, endless}) {
    const std::string quoted = "\"" + text + "\"";
    const auto metadata = [&](const std::string& members) { check("{\"__metadata__\":{" + members + "}}"); };
    metadata("\"model\":" + quoted);
    metadata(quoted + ":1");
    metadata(quoted + ":\"\"," + quoted + ":\"\"");
    check("{" + quoted + ":1}");
    check("{" + quoted + ":" + good + "," + quoted + ":" + good + "}");
    check("{" + quoted + R"(:{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})");
    check("{" + quoted + R"(:{"dtype":"F32","shape":[1,0],"data_offsets":[1,0]}})");
    check("{\"x\":{\"dtype\":" + quoted + "}}");
    check("{\"x\":{\"shape\":[" + quoted + "]}}");
    check("{\"x\":" + quoted + "}");
    check("{" + quoted);
    check("{\"x\":" + text);
    for (const char* key : {"cell", "hidden", "layers", "dropout", "text_unit"}) {
      std::string members = R"("model":"xgrad.char_rnn","vocabulary":"a")";
      for (const char* other : {"cell", "hidden", "layers", "dropout", "text_unit"})
        members += "," + ("\"" + std::string(other) + "\":") +
                   (other == std::string(key)           ? quoted
                    : other == std::string("cell")      ? R"("gru")"
                    : other == std::string("text_unit") ? R"("byte")"
                                                        : R"("1")");
      metadata(members);
    }
  }
  check("{\"x\":" + std::string(1'000'000, '[') + "}");
  check(object(100'000, [&](int k) { return "\"" + red + std::to_string(k) + "\":" + good; }));
}

TEST_CASE("a message of many names shows the first ones") {
  nn::Linear<> linear{1, 1};
  nn::StateDict dict = nn::state_dict(linear);
  for (int k = 0; k < 1000; ++k) dict.push_back({"\x1b" + std::to_string(k), zeros({1})});
  CHECK_THROWS_WITH(nn::load_state_dict(linear, dict),
                    Contains("unexpected: \\x1b0, \\x1b1, ") && Contains("\\x1b9 and 990 more; nothing"));
  dict.push_back({"\x1b", zeros({1})});
  dict.push_back({"\x1b", zeros({1})});
  CHECK_THROWS_WITH(nn::load_state_dict(linear, dict), Contains("holds '\\x1b' twice"));
}

}  // namespace
