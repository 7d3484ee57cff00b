// char-rnn: trains a recurrent network on a text, character by character, and lets it write.
#include <CLI/CLI.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "char_rnn/commands.hpp"

namespace {

using namespace char_rnn;

// CLI11's own PositiveNumber tells its range in 300 digits, and takes nan.
const CLI::Validator positive(
    [](const std::string& text) {
      double x = 0;
      const bool number = std::from_chars(text.data(), text.data() + text.size(), x).ec == std::errc{};
      return number && x > 0 && std::isfinite(x) ? "" : "'" + text + "' is no number above 0";
    },
    "POSITIVE");
// CLI11 reads -1, and what is too large, as the largest unsigned number.
const CLI::Validator whole(
    [](const std::string& text) {
      std::uint64_t n = 0;
      const bool number = std::from_chars(text.data(), text.data() + text.size(), n).ec == std::errc{};
      return number ? "" : "'" + text + "' is no whole number from 0 to 2^64 - 1";
    },
    "NONNEGATIVE");
const CLI::Validator named(
    [](const std::string& text) { return text.empty() ? "the file's name is empty" : ""; }, "");

void add_common(CLI::App& app, Common& common) {
  app.add_option("--seed", common.seed, "of everything random: the same seed writes the same text")
      ->check(whole);
  app.add_option("--threads", common.threads, "threads that share large products")->check(CLI::Range(1, 1024));
}

void add_train(CLI::App& app, TrainCommand& c) {
  app.add_option("--text", c.text, "text to learn, UTF-8 (without it: the story inside the program)")
      ->type_name("FILE")
      ->check(named);
  app.add_option("--out", c.out, "where the trained model goes")->type_name("FILE")->check(named)->required();
  app.add_option("--cell", c.cell, "kind of recurrent cell")->check(CLI::IsMember({"rnn", "lstm", "gru"}));
  app.add_option("--hidden", c.hidden, "units in a layer");
  app.add_option("--layers", c.layers, "layers");
  app.add_option("--dropout", c.dropout, "part of the units between layers left out in training");
  app.add_option("--batch", c.batch, "parts of the text read side by side");
  app.add_option("--seq-len", c.seq_len, "characters read between two updates");
  auto* steps = app.add_option("--steps", c.steps, "updates in all")->check(positive);
  app.add_option("--epochs", c.epochs, "passes over the text")->check(positive)->excludes(steps);
  app.add_option("--lr", c.lr, "learning rate of Adam");
  app.add_option("--clip", c.clip, "largest norm of the gradient")->check(positive);
  app.add_option("--validation", c.validation,
                 "last part of the text, kept from training to measure the model on");
  app.add_flag("--bytes", c.bytes, "characters are bytes, not Unicode code points");
  add_common(app, c);
}

void add_sample(CLI::App& app, SampleCommand& c) {
  app.add_option("file", c.file, "a model that `char-rnn train` wrote")->type_name("FILE")->required();
  app.add_option("--prompt", c.prompt, "text to go on from");
  app.add_option("--length", c.length, "characters to write")->check(whole);
  app.add_option("--temperature", c.temperature, "below 1 the likelier characters, above 1 more variety")
      ->check(positive);
  app.add_flag("--greedy", c.greedy, "always the likeliest character");
  add_common(app, c);
}

void add_demo(CLI::App& app, DemoCommand& c) {
  app.add_option("--seconds", c.seconds, "time to train")->check(positive);
  app.add_option("--length", c.length, "characters to write then")->check(whole);
  app.add_option("--temperature", c.temperature, "below 1 the likelier characters, above 1 more variety")
      ->check(positive);
  app.add_option("--out", c.out, "keep the model there")->type_name("FILE")->check(named);
  add_common(app, c);
}

int run_program(int argc, char** argv) {
  CLI::App app{"Trains a recurrent network on a text, character by character, and lets it write.",
               "char-rnn"};
  app.option_defaults()->always_capture_default()->take_last();
  app.require_subcommand(1);
  TrainCommand train;
  SampleCommand sample;
  DemoCommand demo;
  auto* train_app = app.add_subcommand("train", "learn a text");
  auto* sample_app = app.add_subcommand("sample", "let a trained model write");
  auto* demo_app = app.add_subcommand("demo", "learn the story inside the program for a minute, then write");
  add_train(*train_app, train);
  add_sample(*sample_app, sample);
  add_demo(*demo_app, demo);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    std::cerr << "char-rnn: " << error.what() << " (char-rnn --help tells more)\n";
    return 2;
  }
  return *train_app ? run(train) : *sample_app ? run(sample) : run(demo);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run_program(argc, argv);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    std::cerr << "char-rnn: what was printed could not be written\n";
  } catch (const std::exception& error) {
    std::cerr << "char-rnn: " << error.what() << '\n';
  }
  return 1;
}
