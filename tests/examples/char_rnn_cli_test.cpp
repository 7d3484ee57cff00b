// The program char-rnn from outside: training, sampling, and what it says to bad input.
#include <unistd.h>

#include <filesystem>
#include <string>

#include "catch.hpp"
#include "program.hpp"

namespace {

using namespace xgrad::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
namespace fs = std::filesystem;

using Arguments = std::vector<std::string>;

ProgramResult char_rnn(const Arguments& arguments) { return run_program("char-rnn", arguments); }

std::string poem() {
  std::string text;
  for (int k = 0; k < 20; ++k) text += "the cat sat on the mat, the dog — a hound — ran after it;\n";
  return text;
}

// `train` on a small text into FOLDER/model, with further arguments.
ProgramResult train(const TemporaryFolder& folder, const Arguments& more = {},
                    const std::string& text = poem()) {
  write_text(folder / "text", text);
  Arguments arguments = {"train",   "--text", folder / "text", "--out", folder / "model", "--hidden", "16",
                         "--batch", "4",      "--seq-len",     "10"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return char_rnn(arguments);
}

// One line that starts with the program's name, and nothing else.
void check_refused(const ProgramResult& result, const std::string& part, int code = 1) {
  INFO(result.out << result.err);
  CHECK(result.code == code);
  CHECK_THAT(result.err, StartsWith("char-rnn: ") && Contains(part));
  CHECK(result.err.find('\n') + 1 == result.err.size());
}

TEST_CASE("char-rnn: trains, saves and writes; the same seed writes the same", "[cli]") {
  const std::string cell = GENERATE("rnn", "lstm", "gru");
  const TemporaryFolder folder;
  const auto trained =
      train(folder, {"--cell", cell, "--steps", "30", "--lr", "0.02", "--seed", "7", "--validation", "0.2"});
  INFO(trained.out << trained.err);
  REQUIRE(trained.code == 0);
  CHECK(trained.err.empty());
  CHECK_THAT(trained.out, Contains("1160 characters, 20 different") && Contains("1 thread\n") &&
                              Contains("step 30/30  loss ") && Contains(" bits/char  ") &&
                              Contains(" chars/s  0:00 left") && Contains("validation: ") &&
                              Contains("saved: "));
  CHECK_THAT(trained.out, Contains(cell == "rnn"   ? "model: rnn"
                                   : cell == "gru" ? "model: gru"
                                                   : "model: lstm"));
  CHECK(trained.out.find('\r') == std::string::npos);  // no terminal: plain lines
  CHECK(trained.out.find('\x1b') == std::string::npos);

  const Arguments sample = {"sample", folder / "model", "--prompt", "the ", "--length", "50", "--seed", "3"};
  const auto first = char_rnn(sample), second = char_rnn(sample);
  REQUIRE(first.code == 0);
  CHECK(first.err.empty());
  CHECK_THAT(first.out, StartsWith("the "));
  CHECK(first.out == second.out);
  Arguments other_seed = sample;
  other_seed.back() = "4";
  CHECK(char_rnn(other_seed).out != first.out);
  Arguments greedy = sample;
  greedy.push_back("--greedy");
  other_seed.push_back("--greedy");
  CHECK(char_rnn(greedy).out == char_rnn(other_seed).out);

  const std::string model = read_text(folder / "model");
  const auto again =
      train(folder, {"--cell", cell, "--steps", "30", "--lr", "0.02", "--seed", "7", "--validation", "0.2"});
  REQUIRE(again.code == 0);
  CHECK((read_text(folder / "model") == model));  // bit by bit
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator{}) ==
        2);  // nothing left over
}

TEST_CASE("char-rnn: epochs, layers, dropout, threads and bytes", "[cli]") {
  const TemporaryFolder folder;
  const auto trained =
      train(folder, {"--epochs", "2", "--layers", "2", "--dropout", "0.1", "--threads", "2"});
  INFO(trained.out << trained.err);
  REQUIRE(trained.code == 0);
  CHECK_THAT(trained.out,
             Contains("step 56/56 ") &&  // 28 windows of 10 in streams of 290
                 Contains(sysconf(_SC_NPROCESSORS_ONLN) == 1 ? "1 thread" : "2 threads"));
  CHECK(char_rnn({"sample", folder / "model", "--length", "0", "--prompt", "dog — "}).out == "dog — \n");

  const auto bytes = train(folder, {"--bytes", "--steps", "1"}, poem() + "\xFF\x80 not UTF-8");
  INFO(bytes.out << bytes.err);
  REQUIRE(bytes.code == 0);
  CHECK(char_rnn({"sample", folder / "model", "--length", "20", "--prompt", "\xFF"}).code == 0);
}

TEST_CASE("char-rnn: help", "[cli]") {
  const auto help = char_rnn({"--help"});
  CHECK(help.code == 0);
  CHECK_THAT(help.out, Contains("train") && Contains("sample") && Contains("demo"));
  const auto train_help = char_rnn({"train", "--help"});
  CHECK(train_help.code == 0);
  for (const std::string option :
       {"--text", "--cell", "--hidden", "--layers", "--batch", "--seq-len", "--steps", "--lr", "--seed",
        "--threads", "--out", "--bytes", "--dropout", "--epochs", "--validation"})
    CHECK_THAT(train_help.out, Contains(option));
}

TEST_CASE("char-rnn: a command line that is wrong", "[cli]") {
  check_refused(char_rnn({}), "subcommand is required", 2);
  check_refused(char_rnn({"fly"}), "subcommand is required", 2);
  check_refused(char_rnn({"train"}), "--out is required", 2);
  check_refused(char_rnn({"train", "--out", "x", "--hidden", "many"}), "--hidden", 2);
  check_refused(char_rnn({"train", "--out", "x", "--cell", "transformer"}), "transformer", 2);
  check_refused(char_rnn({"train", "--out", "x", "--steps", "5", "--epochs", "5"}), "--epochs", 2);
  check_refused(char_rnn({"train", "--out", "x", "--threads", "0"}), "--threads", 2);
  for (const std::string option : {"--clip", "--steps", "--epochs"})
    for (const std::string number : {"0", "-1", "nan", "inf", ""}) {
      const auto result = char_rnn({"train", "--out", "x", option, number});
      check_refused(result, option + ": '" + number + "' is no number above 0", 2);
      CHECK(result.err.size() < 100);  // CLI11's own message has two numbers of 300 digits
    }
  for (const std::string number : {"-1", "99999999999999999999", "1.5", "one"})
    check_refused(char_rnn({"train", "--out", "x", "--seed", number}), "--seed", 2);
  check_refused(char_rnn({"train", "--out", ""}), "--out: the file's name is empty", 2);
  check_refused(char_rnn({"train", "--out", "x", "--text", ""}), "--text: the file's name is empty", 2);
  check_refused(char_rnn({"sample"}), "file is required", 2);
  CHECK_FALSE(fs::exists("x"));
}

TEST_CASE("char-rnn train: bad input is one line, and the model that was there stays", "[cli]") {
  const TemporaryFolder folder;
  write_text(folder / "model", "precious");
  const auto refused = [&](const ProgramResult& result, const std::string& part) {
    check_refused(result, part);
    CHECK((read_text(folder / "model") == "precious"));
  };
  refused(train(folder, {}, ""), folder / "text" + ": the text is empty");
  refused(train(folder, {}, "too short"),
          "a text of 9 characters is too short: batch 4 times (seq_len 10 + 1) needs 44");
  refused(train(folder, {}, "caf\xE9 au lait"),
          folder / "text" + ": byte 0xe9 at offset 3 is not UTF-8; convert the text, or train with --bytes");
  refused(train(folder, {"--hidden", "0"}), "hidden 0");
  refused(train(folder, {"--layers", "-1"}), "layers -1");
  refused(train(folder, {"--batch", "0"}), "batch 0");
  refused(train(folder, {"--seq-len", "0"}), "seq_len 0");
  refused(train(folder, {"--lr", "-1"}), "lr");
  refused(train(folder, {"--dropout", "1.5"}), "dropout 1.5");
  refused(train(folder, {"--validation", "1"}), "fraction 1 is not in [0, 1)");
  refused(train(folder, {"--validation", "0.0001"}), "too short");
  refused(train(folder, {"--lr", "1e39", "--steps", "100"}), "try a smaller learning rate");
  refused(char_rnn({"train", "--text", folder / "nothing", "--out", folder / "model"}),
          "nothing: No such file");
  refused(char_rnn({"train", "--text", folder.path.string(), "--out", folder / "model"}), "Is a directory");
}

TEST_CASE("char-rnn train: where the model goes is looked at before training", "[cli]") {
  const TemporaryFolder folder;
  check_refused(train(folder, {"--out", folder / "no/such/model"}),
                "cannot write " + (folder / "no/such/model") + ": No such file");
  check_refused(train(folder, {"--out", folder.path.string()}), "Is a directory");
  check_refused(train(folder, {"--out", "/dev/null"}), "/dev/null: it is no regular file");
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("char-rnn sample: bad input", "[cli]") {
  const TemporaryFolder folder;
  REQUIRE(train(folder, {"--steps", "1"}).code == 0);
  const std::string model = folder / "model";
  const auto unknown = char_rnn({"sample", model, "--prompt", "the 7"});
  check_refused(unknown, "--prompt: '7' at position 4 is not one of the 20 characters");
  CHECK(unknown.out.empty());
  check_refused(char_rnn({"sample", model, "--prompt", "\xFF"}), "--prompt: byte 0xff at offset 0");
  for (const std::string command : {"sample", "demo"}) {  // before a model is read or trained
    Arguments arguments = {command};
    if (command == "sample") arguments.push_back(folder / "nothing");
    const auto with = [&](const std::string& option, const std::string& value) {
      Arguments all = arguments;
      all.insert(all.end(), {option, value});
      return char_rnn(all);
    };
    check_refused(with("--temperature", "0"), "--temperature: '0' is no number above 0", 2);
    check_refused(with("--length", "-4"), "--length: '-4' is no whole number", 2);
  }
  check_refused(char_rnn({"sample", folder / "nothing"}), "nothing");
  check_refused(char_rnn({"sample", folder / "text"}), "text");
  check_refused(char_rnn({"sample", folder.path.string()}), folder.path.string());
  const std::string bytes = read_text(model);
  write_text(folder / "cut", bytes.substr(0, bytes.size() - 10));
  check_refused(char_rnn({"sample", folder / "cut"}), "cut");
}

TEST_CASE("char-rnn sample: prints as it writes, and stops where nothing can be printed", "[cli]") {
  const TemporaryFolder folder;
  REQUIRE(train(folder, {"--steps", "1"}).code == 0);
  const Arguments endless = {"sample", folder / "model", "--prompt", "the ", "--length", "1000000000000"};
  const auto stopped = run_program("char-rnn", endless, "timeout --preserve-status 2");
  CHECK_THAT(stopped.out, StartsWith("the "));
  CHECK(stopped.out.size() > 100);
  const auto full = run_program("char-rnn", endless, "timeout 60 bash -c 'exec \"$@\" >/dev/full' -");
  CHECK(full.code == 1);
  CHECK(full.err == "char-rnn: what was printed could not be written\n");
}

TEST_CASE("char-rnn train: the validation number does not depend on the batch", "[cli]") {
  // A rate that changes nothing: both runs measure the same model.
  const auto number = [](const std::string& batch) {
    const TemporaryFolder folder;
    const auto trained =
        train(folder, {"--steps", "1", "--lr", "1e-30", "--validation", "0.3", "--batch", batch});
    INFO(trained.out << trained.err);
    REQUIRE(trained.code == 0);
    const auto from = trained.out.find("validation: ");
    REQUIRE(from != std::string::npos);
    return trained.out.substr(from, trained.out.find('\n', from) - from);
  };
  CHECK(number("1") == number("8"));
}

TEST_CASE("char-rnn train: Ctrl-C finishes the step and saves", "[cli]") {
  const TemporaryFolder folder;
  write_text(folder / "text", poem());
  const auto stopped = run_program("char-rnn",
                                   {"train", "--text", folder / "text", "--out", folder / "model", "--hidden",
                                    "16", "--batch", "4", "--seq-len", "10", "--steps", "100000000"},
                                   "timeout --preserve-status -s INT 1");
  INFO(stopped.out << stopped.err);
  CHECK(stopped.code == 130);
  CHECK_THAT(stopped.out, Contains("interrupted, saved as it is: "));
  CHECK(char_rnn({"sample", folder / "model", "--length", "10"}).code == 0);
}

TEST_CASE("char-rnn demo: learns the story inside the program", "[cli]") {
  const auto demo = char_rnn({"demo", "--seconds", "1", "--length", "40"});
  INFO(demo.out << demo.err);
  CHECK(demo.code == 0);
  CHECK_THAT(demo.out, Contains("step ") && Contains("It writes:\n\nThe "));
  for (const std::string seconds : {"0", "nan", "inf"})
    check_refused(char_rnn({"demo", "--seconds", seconds}),
                  "--seconds: '" + seconds + "' is no number above 0", 2);
}

}  // namespace
