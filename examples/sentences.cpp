// Three sentences learned by heart: one-hot rows or indices, batch first, and characters never seen.
#include <fmt/format.h>
#include <xgrad/xgrad.hpp>

#include <algorithm>

#include "hello_options.hpp"

namespace {

using namespace xgrad;
using xgrad::examples::HelloOptions;

std::vector<std::string> text = {"hey how are you", "good i am fine", "have a nice day"};

template <Real T>
struct Model {
  nn::RNN<T> rnn;
  nn::Linear<T> fc;

  Model(std::int64_t input_size, std::int64_t output_size, std::int64_t hidden_dim, std::int64_t n_layers)
      : rnn(input_size, hidden_dim, {.layers = n_layers, .batch_first = true}), fc(hidden_dim, output_size) {}

  // x: one-hot rows (batch, time, character), or indices (batch, time); the result is (batch * time,
  // character).
  Tensor<T> operator()(const auto& x) const {
    const auto [out, hidden] = rnn(x);
    return fc(reshape(out, {-1, out.shape().back()}));
  }
  void visit(auto&& v) { v("rnn", rnn), v("fc", fc); }
};

// Rows of 0 with a 1 at the character's index; a character never seen, of index -1, is all zeros.
template <Real T>
Tensor<T> one_hot_encode(const Indices& sequences, std::int64_t dict_size) {
  Tensor<T> features = zeros<T>({sequences.shape()[0], sequences.shape()[1], dict_size});
  const auto to = features.mutable_values();
  std::int64_t row = 0;
  for (const std::int64_t c : sequences.values()) {
    if (c >= 0) to[static_cast<std::size_t>(row * dict_size + c)] = 1;
    ++row;
  }
  return features;
}

template <Real T>
std::string sample(const Model<T>& model, const models::Vocabulary& vocabulary, std::size_t out_len,
                   std::string start) {
  const no_grad scope;
  std::ranges::transform(start, start.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char32_t c : models::decode_utf8(start))
    if (!vocabulary.index(c))
      fmt::print(stderr, "warning: {} was never seen in training; it is an all-zero row\n",
                 models::describe_character(c));
  auto chars = vocabulary.encode(start, -1);
  while (chars.size() < out_len) {
    const Indices so_far({1, static_cast<std::int64_t>(chars.size())}, chars);
    const Tensor<T> out = model(one_hot_encode<T>(so_far, vocabulary.size()));
    chars.push_back(argmax(select(out, 0, -1)).values()[0]);
    start += vocabulary.character(chars.back());
  }
  return start;
}

template <Real T>
void sentences(const HelloOptions& options, bool use_indices, const std::string& start) {
  manual_seed(1);
  const auto vocabulary = models::Vocabulary::of(text[0] + text[1] + text[2]);
  Model<T> model(vocabulary.size(), vocabulary.size(), 12, 1);
  options.load(model);  // before anything is printed
  const std::size_t maxlen = std::ranges::max_element(text, {}, &std::string::size)->size();
  for (std::string& sentence : text) sentence.resize(maxlen, ' ');

  std::vector<std::int64_t> input, target;
  for (const std::string& sentence : text) {
    const std::string input_seq = sentence.substr(0, maxlen - 1), target_seq = sentence.substr(1);
    fmt::print("Input Sequence: {}\nTarget Sequence: {}\n", input_seq, target_seq);
    std::ranges::copy(vocabulary.encode(input_seq), std::back_inserter(input));
    std::ranges::copy(vocabulary.encode(target_seq), std::back_inserter(target));
  }
  const auto dict_size = vocabulary.size(), seq_len = static_cast<std::int64_t>(maxlen) - 1;
  const Indices input_seq({3, seq_len}, input), target_seq(target);
  fmt::print("GPU not available, CPU used\n");

  const int n_epochs = 100;
  optim::Adam optimizer(nn::parameters(model), {.lr = 0.01});
  std::vector<double> losses;
  for (int epoch = 1; epoch <= n_epochs; ++epoch) {
    optimizer.zero_grad();
    const Tensor<T> output = use_indices ? model(input_seq) : model(one_hot_encode<T>(input_seq, dict_size));
    const Tensor<T> loss = cross_entropy(output, target_seq);
    loss.backward();
    if (epoch == 1) options.save_gradients("grad0_", model);
    optimizer.step();
    losses.push_back(loss.item());
    if (epoch % 10 == 0)
      fmt::print("Epoch: {}/{}............. Loss: {:.4f}\n", epoch, n_epochs, losses.back());
  }
  options.save("loss", losses);
  options.save("final_", model);
  fmt::print("{}\n", sample(model, vocabulary, 15, start));
}

// What is wrong with --start, said before the training rather than after it.
std::string unusable(const std::string& start) {
  if (start.empty()) return "give at least one character";
  try {
    models::decode_utf8(start);
    return {};
  } catch (const ValueError&) {
    return "the text is not UTF-8";
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool use_indices = false;
  std::string start = "good";
  return examples::run_hello(
      argc, argv, "Learns three sentences and completes one.",
      [&]<class T>(const HelloOptions& options) { sentences<T>(options, use_indices, start); },
      [&](CLI::App& app) {
        app.add_flag("--indices", use_indices, "feed indices instead of one-hot rows");
        app.add_option("--start", start, "what to complete")->type_name("TEXT")->check(unusable);
      });
}
