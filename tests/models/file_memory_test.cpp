// Memory that runs out while a file is read or written: an Error, with nothing half written or half loaded.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/models/char_rnn.hpp>
#include <xgrad/nn/npy.hpp>
#include <xgrad/nn/safetensors.hpp>
#include "catch.hpp"
#include "failing_new.hpp"
#include "program.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
namespace fs = std::filesystem;

enum class Outcome { done, error, other };

// Calls `work` again and again, the first time with the first call of operator new failing, then the second,
// and so on until it needs no more; then all calls from that one on. `check` sees what each attempt left.
template <class Work, class Check>
void with_failures(Work work, Check check) {
  for (const bool all : {false, true}) {
    for (long n = 1; true; ++n) {
      empty_cache();  // so that large tensors ask for memory
      const std::int64_t bytes = live_counts().bytes;
      Outcome outcome = Outcome::done;
      std::string message;
      failure = {.after = n - 1, .for_good = all};
      try {
        work();
      } catch (const Error& error) {
        failure.after = -1;
        outcome = Outcome::error;
        message = error.what();
      } catch (...) {
        failure.after = -1;
        outcome = Outcome::other;
      }
      failure.after = -1;
      const bool reached = failure.fired;
      INFO("allocation " << n << (all ? " and all after it" : "") << ": " << message);
      REQUIRE(outcome != Outcome::other);
      REQUIRE((reached || outcome == Outcome::done));
      REQUIRE(live_counts().bytes == bytes);
      check(outcome == Outcome::done);
      if (!reached) {
        REQUIRE(n > 3);  // else nothing was tried
        break;
      }
    }
  }
}

template <class Work>
void with_failures(Work work) {
  with_failures(work, [](bool) {});
}

// The same for a work that writes `file` over another one: it is the old one or the new one, alone.
template <class Work>
void with_failures_writing(const TemporaryFolder& folder, const fs::path& file, Work work) {
  work();
  const std::string whole = read_text(file), old = "old";
  write_text(file, old);
  with_failures([&] { work(); },
                [&](bool done) {
                  REQUIRE((read_text(file) == (done ? whole : old)));
                  REQUIRE(std::distance(fs::directory_iterator(folder.path), {}) == 1);
                  write_text(file, old);
                });
}

struct Net {
  nn::Linear<> wide{20, 30}, narrow{3, 2};
  Tensor<> count = zeros({});
  void visit(auto&& v) {
    v("wide", wide);
    v("narrow", narrow);
    v.buffer("count", count);
  }
};

// Of all kinds that are converted when they are loaded, and under names that are no short strings.
nn::StateDict doubles_for_net() {
  return {{"wide.weight", full<double>({30, 20}, 0.5)},
          {"wide.bias", full<double>({30}, 0.5)},
          {"narrow.weight", full({2, 3}, 0.5)},
          {"narrow.bias", full<double>({2}, 0.5)},
          {"count", Indices(Shape{}, {7})},
          {"a mask under a name that is longer than others", Indices{1, 0, 1}}};
}

TEST_CASE("memory: a state dict is saved whole or not at all") {
  const TemporaryFolder folder;
  const fs::path file = folder / "file";
  const nn::StateDict dict = doubles_for_net();
  const std::map<std::string, std::string> metadata{
      {"a key that is no short string", "a value that is none either"}};
  with_failures_writing(folder, file, [&] { nn::save_safetensors(file, dict, metadata); });
  const Net net;
  with_failures([&] { nn::state_dict(net); });
}

TEST_CASE("memory: a state dict is read whole or not at all") {
  const TemporaryFolder folder;
  const fs::path file = folder / "file";
  const nn::StateDict dict = doubles_for_net();
  nn::save_safetensors(file, dict, {{"a key that is no short string", "a value that is none either"}});
  with_failures([&] {
    const nn::Safetensors read = nn::load_safetensors(file);
    if (read.tensors.size() != dict.size() || read.metadata.size() != 1) std::abort();
  });
}

TEST_CASE("memory: a module is loaded whole or not at all") {
  const nn::StateDict dict = doubles_for_net();
  Net net;
  const auto sum_of = [&] {
    double total = 0;
    for (const Tensor<>& p : nn::parameters(net)) total += sum(p).item();
    return total + net.count.item();
  };
  const auto clear = [&] {
    for (Tensor<>& p : nn::parameters(net)) p.assign(zeros(p.shape()));
    net.count.assign(zeros({}));
  };
  clear();
  with_failures([&] { nn::load_state_dict(net, dict); },
                [&](bool done) {
                  REQUIRE(sum_of() == (done ? 0.5 * (600 + 30 + 6 + 2) + 7 : 0));
                  clear();
                });
}

TEST_CASE("memory: a .npy file is read and written whole or not at all") {
  const TemporaryFolder folder;
  const fs::path file = folder / "file";
  const nn::NpyArray array{{20, 30}, std::vector<double>(600, 1.5), nn::NpyType::float32};
  with_failures_writing(folder, file, [&] { nn::write_npy(file, array); });
  nn::write_npy(file, array);
  with_failures([&] {
    if (nn::read_npy(file).data != array.data) std::abort();
  });
}

TEST_CASE("memory: a char-RNN's file is read and written whole or not at all") {
  const TemporaryFolder folder;
  const fs::path file = folder / "file";
  const models::Vocabulary vocabulary(U"abcdefgh");
  const models::CharRNN<> model({.vocabulary = 8, .hidden = 9, .layers = 2});
  with_failures_writing(folder, file, [&] { models::save_char_rnn(file, model, vocabulary); });
  models::save_char_rnn(file, model, vocabulary);
  with_failures([&] {
    const auto read = models::load_char_rnn<double>(file);
    if (!(read.vocabulary == vocabulary)) std::abort();
  });
}

TEST_CASE("memory: a file that is refused, while memory is short, is an error too") {
  const TemporaryFolder folder;
  const fs::path file = folder / "file";
  const auto refused = [&](const std::string& bytes, auto read) {
    write_text(file, bytes);
    with_failures([&] {
      try {
        read();
      } catch (const FormatError&) {  // as it should be
        return;
      }
      std::abort();
    });
  };
  const std::string header = R"({"a tensor that is no tensor, for it has none":1})";
  refused(std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header,
          [&] { nn::load_safetensors(file); });
  refused(std::string(1, '\2') + std::string(7, '\0') + "{}", [&] { models::load_char_rnn(file); });
  refused("no .npy file, but a text that is long enough", [&] { nn::read_npy(file); });
  Net net;
  nn::StateDict dict = doubles_for_net();
  dict.push_back({"a parameter that the module does not have", zeros({1})});
  refused("", [&] { nn::load_state_dict(net, dict); });
}

}  // namespace
