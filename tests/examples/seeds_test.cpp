// The four "hello" programs: their transcripts, and their numbers against those of NumPy and PyTorch.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include <xgrad/nn/npy.hpp>
#include "catch.hpp"
#include "program.hpp"

namespace {

using namespace xgrad::testing;
using Catch::Matchers::Contains;
using xgrad::nn::NpyArray;
using xgrad::nn::read_npy;

const std::string fixtures = XGRAD_FIXTURES "/seeds/";

// Runs a program with --dump, and finds what it wrote.
struct Run {
  TemporaryFolder folder;
  std::string fixture;
  ProgramResult result;

  Run(const std::string& program, const std::string& fixture_name, std::vector<std::string> arguments = {})
      : fixture(fixtures + fixture_name) {
    arguments.insert(arguments.end(), {"--dump", folder / "dump"});
    result = run_program(program, arguments);
    INFO(result.err);
    REQUIRE(result.code == 0);
  }

  NpyArray found(const std::string& name) const { return read_npy(folder / ("dump/" + name + ".npy")); }
  NpyArray expected(const std::string& name) const { return read_npy(fixture + "/" + name + ".npy"); }

  // Largest difference; a difference of shape fails.
  double error(const std::string& name) const {
    const NpyArray a = found(name), b = expected(name);
    INFO(name);
    REQUIRE(a.data.size() == b.data.size());
    if (name != "loss") REQUIRE(a.shape == b.shape);
    double largest = 0;
    for (std::size_t k = 0; k < a.data.size(); ++k) {
      REQUIRE(std::isfinite(a.data[k]));
      largest = std::max(largest, std::abs(a.data[k] - b.data[k]));
    }
    return largest;
  }
  void check(const std::vector<std::string>& names, double tolerance) const {
    for (const std::string& name : names) {
      INFO(name);
      CHECK(error(name) <= tolerance);
    }
  }

  nlohmann::json transcript() const { return nlohmann::json::parse(read_text(fixture + "/expected.json")); }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::istringstream in(result.out);
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
};

std::vector<std::string> each(const std::string& prefix, const std::vector<std::string>& names) {
  std::vector<std::string> all;
  for (const std::string& name : names) all.push_back(prefix + name);
  return all;
}

const std::vector<std::string> numpy_names = {"W_xh", "W_hh", "b_h", "W_hy", "b_y"};
const std::vector<std::string> torch_names = {"rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0",
                                              "rnn.bias_hh_l0",   "fc.weight",        "fc.bias"};

TEST_CASE("hello_bptt: losses, gradients and final weights are NumPy's", "[seeds]") {
  const Run run("hello_bptt", "000_hello_numpy", {"--init", fixtures + "000_hello_numpy"});
  run.check({"loss"}, 1e-9);
  run.check(each("grad0_", numpy_names), 1e-9);
  run.check(each("final_", numpy_names), 1e-9);
  const auto lines = run.lines();
  CHECK(lines.back() == "hello");
  const NpyArray losses = run.expected("loss");
  REQUIRE(lines.size() > 101);
  for (std::size_t k = 0; k < 100; ++k) {
    char line[40];
    std::snprintf(line, sizeof line, "Epoch %zu, Loss: %.4f", 10 * k, losses.data[10 * k]);
    CHECK(lines[lines.size() - 101 + k] == line);
  }
}

TEST_CASE(
    "hello_bptt and min_char_rnn: in float the numbers are NumPy's to float's accuracy, and the text is the "
    "same",
    "[seeds]") {
  const bool minimal = GENERATE(false, true);
  const std::string fixture = minimal ? "002_min_char_rnn" : "000_hello_numpy";
  const Run run(minimal ? "min_char_rnn" : "hello_bptt", fixture, {"--float", "--init", fixtures + fixture});
  run.check({"loss"}, 1e-4);
  run.check(each("grad0_", numpy_names), 1e-5);
  run.check(each("final_", numpy_names), 1e-3);
  CHECK(run.found("final_W_hh").type == xgrad::nn::NpyType::float32);
  CHECK(run.error("final_W_hh") > 1e-12);  // it is float that computed them
  CHECK(run.lines().back() == (minimal ? "elloe" : "hello"));
}

TEST_CASE("hello_bptt: the transcript, and the two 'l' have different states", "[seeds]") {
  const auto precision = GENERATE(std::vector<std::string>{}, std::vector<std::string>{"--float"});
  const Run run("hello_bptt", "000_hello_numpy", precision);
  const auto lines = run.lines();
  const std::vector<std::string> first = {
      "['e', 'h', 'l', 'o']", "char_to_idx: {'e': 0, 'h': 1, 'l': 2, 'o': 3}",
      "idx_to_char: {0: 'e', 1: 'h', 2: 'l', 3: 'o'}", "One-hot encoding for 'h': [0. 1. 0. 0.]"};
  REQUIRE(lines.size() == 4 + 5 + 16 + 6 + 100 + 1);
  CHECK(std::equal(first.begin(), first.end(), lines.begin()));
  for (std::size_t k = 0; k < 5; ++k)
    CHECK_THAT(lines[4 + k], Contains(std::string("'") + "hello"[k] + "'  h = [0."));
  CHECK(lines[6] != lines[7]);
  const std::vector<std::string> data = {"input_chars: hell",
                                         "target_chars: ello",
                                         "input_vectors:",
                                         "'h': [0. 1. 0. 0.]",
                                         "'e': [1. 0. 0. 0.]",
                                         "'l': [0. 0. 1. 0.]",
                                         "'l': [0. 0. 1. 0.]",
                                         "target_vectors:",
                                         "'e': 0",
                                         "'l': 2",
                                         "'l': 2",
                                         "'o': 3",
                                         "x: [0. 1. 0. 0.], t_idx: 0",
                                         "x: [1. 0. 0. 0.], t_idx: 2",
                                         "x: [0. 0. 1. 0.], t_idx: 2",
                                         "x: [0. 0. 1. 0.], t_idx: 3",
                                         "input_size: 4",
                                         "hidden_size: 3",
                                         "output_size: 4",
                                         "W_xh: (3, 4)",
                                         "W_hh: (3, 3)",
                                         "W_hy: (4, 3)"};
  CHECK(std::equal(data.begin(), data.end(), lines.begin() + 9));
  CHECK(lines.back() == "hello");  // also from the weights of its own seed
}

TEST_CASE("hello_char_rnn: logits, gradients and the parameters after a step are PyTorch's", "[seeds]") {
  const bool single = GENERATE(false, true);
  const std::string fixture = single ? "001_torch_char_rnn_f32" : "001_torch_char_rnn";
  std::vector<std::string> arguments = {"--init", fixtures + fixture};
  if (single) arguments.push_back("--float");
  const Run run("hello_char_rnn", fixture, arguments);
  const double tolerance = single ? 1e-5 : 1e-12;
  run.check({"logits", "h_n", "loss"}, tolerance);
  run.check(each("grad0_", torch_names), tolerance);
  run.check(each("step1_", torch_names), tolerance);
  CHECK(run.found("logits").type == (single ? xgrad::nn::NpyType::float32 : xgrad::nn::NpyType::float64));
}

// Softmax of each row of logits to two decimals, as NumPy prints it.
std::string softmax_rows(const NpyArray& logits) {
  std::string text;
  for (std::size_t row = 0; row < 4; ++row) {
    double total = 0;
    for (std::size_t k = 0; k < 4; ++k) total += std::exp(logits.data[4 * row + k]);
    text += row ? "\n [" : "[[";
    for (std::size_t k = 0; k < 4; ++k) {
      char number[16];
      std::snprintf(number, sizeof number, "%.2f", std::exp(logits.data[4 * row + k]) / total);
      if (number[3] == '0') number[3] = ' ';
      text += (k ? " " : "") + std::string(number);
    }
    text += row == 3 ? "]]" : "]";
  }
  return text;
}

TEST_CASE("hello_char_rnn: the transcript of all three parts", "[seeds]") {
  const Run run("hello_char_rnn", "001_torch_char_rnn", {"--init", fixtures + "001_torch_char_rnn"});
  const auto lines = run.lines();
  REQUIRE(lines.size() >= 4);
  for (std::size_t k = 0; k < 4; ++k)
    CHECK(lines[k] == "Step " + std::to_string(k) + " prediction: [0.25 0.25 0.25 0.25]");
  CHECK_THAT(
      run.result.out,
      Contains("\nOutput logits:\n tensor([[ 0.2977,  0.3528,  0.3246,  0.3812],\n        [ 0.2628, ") &&
          Contains(",  0.4325]], grad_fn=<AddmmBackward0>)\nUsing device: cpu\n"));
  CHECK_THAT(run.result.out,
             Contains("\nOutput predictions:\n " + softmax_rows(run.expected("logits")) + "\n"));
}

TEST_CASE("min_char_rnn: the transcript of the NumPy program, from NumPy's seed alone", "[seeds]") {
  const bool init = GENERATE(false, true);
  const Run run(
      "min_char_rnn", "002_min_char_rnn",
      init ? std::vector<std::string>{"--init", fixtures + "002_min_char_rnn"} : std::vector<std::string>{});
  std::string expected;
  const nlohmann::json transcript = run.transcript();  // a temporary would not outlive the head of the loop
  for (const std::string line : transcript.at("printed")) expected += line + "\n";
  expected += "\nGenerated text:\n" + run.transcript().at("sampled_from_h").get<std::string>() + "\n";
  CHECK(run.result.out == expected);
  run.check({"loss"}, 1e-9);
  run.check(each("grad0_", numpy_names), 1e-9);
  run.check(each("final_", numpy_names), 1e-9);
}

TEST_CASE(
    "sentences: losses, gradients, weights and the completion are PyTorch's, from rows and from indices",
    "[seeds]") {
  const bool single = GENERATE(false, true), indices = GENERATE(false, true);
  const std::string fixture = single ? "003_torch_sentences_f32" : "003_torch_sentences";
  std::vector<std::string> arguments = {"--init", fixtures + fixture};
  if (single) arguments.push_back("--float");
  if (indices) arguments.push_back("--indices");
  const Run run("sentences", fixture, arguments);
  run.check(each("grad0_", torch_names), single ? 1e-6 : 1e-12);
  run.check({"loss"}, single ? 1e-4 : 1e-9);
  run.check(each("final_", torch_names), single ? 1e-3 : 1e-9);
  const auto lines = run.lines();
  CHECK(lines.back() == run.transcript().at("greedy_from_good").get<std::string>());
  CHECK(run.result.err.empty());
  if (single) return;  // printed digits are compared in double only
  std::string expected =
      "Input Sequence: hey how are yo\nTarget Sequence: ey how are you\n"
      "Input Sequence: good i am fine\nTarget Sequence: ood i am fine \n"
      "Input Sequence: have a nice da\nTarget Sequence: ave a nice day\n"
      "GPU not available, CPU used\n";
  const nlohmann::json transcript = run.transcript();  // a temporary would not outlive the head of the loop
  for (const std::string line : transcript.at("printed")) expected += line + "\n";
  CHECK(run.result.out == expected + "good i am fine \n");
}

TEST_CASE("sentences: indices give the numbers and gradients of one-hot rows", "[seeds]") {
  const std::vector<std::string> init = {"--init", fixtures + "003_torch_sentences"};
  const Run rows("sentences", "003_torch_sentences", init),
      indices("sentences", "003_torch_sentences", {init[0], init[1], "--indices"});
  for (const auto& name : each("grad0_", torch_names)) {
    INFO(name);
    const auto a = rows.found(name).data, b = indices.found(name).data;
    REQUIRE(a.size() == b.size());
    for (std::size_t k = 0; k < a.size(); ++k) CHECK(std::abs(a[k] - b[k]) < 1e-15);
  }
}

TEST_CASE("sentences: a character never seen in training is named in a warning", "[seeds]") {
  const Run run("sentences", "003_torch_sentences",
                {"--init", fixtures + "003_torch_sentences", "--start", "Good?é"});
  CHECK_THAT(run.result.err, Contains("warning: '?' was never seen in training") && Contains("'é'"));
  CHECK_THAT(run.result.err, !Contains("'g'"));
  CHECK_THAT(run.lines().back(), Catch::Matchers::StartsWith("good?é"));
}

TEST_CASE("hello programs: a wrong command line is one line and exit code 2", "[seeds]") {
  for (const std::string program : {"hello_bptt", "hello_char_rnn", "min_char_rnn", "sentences"}) {
    const auto refused = run_program(program, {"--nope"});
    INFO(refused.err);
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Contains(program + ": ") && Contains("--nope"));
    CHECK(std::ranges::count(refused.err, '\n') == 1);
    CHECK(refused.out.empty());
    CHECK(run_program(program, {"--help"}).code == 0);
  }
  for (const std::string start : {"", "\xFF"}) {  // before the training
    const auto refused = run_program("sentences", {"--start", start});
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Contains("--start: "));
    CHECK(refused.out.empty());
  }
}

TEST_CASE("hello programs: bad input is one line and exit code 1", "[seeds]") {
  for (const std::string program : {"hello_bptt", "hello_char_rnn", "min_char_rnn", "sentences"}) {
    INFO(program);
    const auto missing = run_program(program, {"--init", "/nowhere"});
    CHECK(missing.code == 1);
    CHECK_THAT(missing.err, Contains(program + ": ") && Contains("/nowhere/init_"));
    CHECK(std::ranges::count(missing.err, '\n') == 1);
    CHECK(missing.out.empty());  // said before anything is printed
    const std::string wrong = program == "min_char_rnn" ? "000_hello_numpy"
                              : program == "hello_bptt" ? "002_min_char_rnn"
                              : program == "sentences"  ? "001_torch_char_rnn"
                                                        : "003_torch_sentences";
    const auto shape = run_program(program, {"--init", fixtures + wrong});
    CHECK(shape.code == 1);
    CHECK_THAT(shape.err, Contains("has shape [") && Contains("the program needs ["));
  }
}

}  // namespace
