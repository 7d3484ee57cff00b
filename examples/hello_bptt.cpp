// "hello" with three hidden units: a recurrent network from matrix products, its BPTT from one call of
// backward().
#include <fmt/format.h>
#include <xgrad/xgrad.hpp>

#include "hello_options.hpp"

namespace {

using namespace xgrad;
using xgrad::examples::HelloOptions;

const std::string text = "hello";
const models::Vocabulary vocabulary = models::Vocabulary::of(text);
const std::int64_t hidden_size = 3;

template <Real T>
struct Rnn {
  Tensor<T> W_xh, W_hh, b_h, W_hy, b_y;

  Tensor<T> hidden(const Tensor<T>& x, const Tensor<T>& h) const {
    return tanh(matmul(W_xh, x) + matmul(W_hh, h) + b_h);
  }
  Tensor<T> output(const Tensor<T>& h) const { return matmul(W_hy, h) + b_y; }
};

template <Real T>
Tensor<T> one_hot_encode(std::int64_t index) {
  return one_hot<T>(Indices({}, {index}), vocabulary.size());
}

void print_characters() {
  std::string list, to_index, to_character;
  for (std::int64_t i = 0; i < vocabulary.size(); ++i) {
    const std::string comma = i ? ", " : "", c = "'" + vocabulary.character(i) + "'";
    list += comma + c;
    to_index += fmt::format("{}{}: {}", comma, c, i);
    to_character += fmt::format("{}{}: {}", comma, i, c);
  }
  fmt::print("[{}]\nchar_to_idx: {{{}}}\nidx_to_char: {{{}}}\n", list, to_index, to_character);
  fmt::print("One-hot encoding for 'h': {}\n", to_string(one_hot_encode<double>(*vocabulary.index('h'))));
}

// The forward pass with random weights: the two 'l' give different states, for the network remembers what
// came before.
template <Real T>
void print_forward_pass() {
  const std::int64_t n = vocabulary.size();
  const Rnn<T> rnn{rand<T>({hidden_size, n}), rand<T>({hidden_size, hidden_size}), rand<T>({hidden_size}),
                   rand<T>({n, hidden_size}), rand<T>({n})};
  Tensor<T> h = zeros<T>({hidden_size});
  for (const std::int64_t c : vocabulary.encode(text)) {
    h = rnn.hidden(one_hot_encode<T>(c), h);
    fmt::print("'{}'  h = {}\n", vocabulary.character(c), to_string(h, 4));
  }
}

void print_data(const Indices& inputs, const Indices& targets) {
  const auto x = inputs.values(), y = targets.values();
  fmt::print("input_chars: {}\ntarget_chars: {}\ninput_vectors:\n", vocabulary.decode(x),
             vocabulary.decode(y));
  for (const auto i : x)
    fmt::print("'{}': {}\n", vocabulary.character(i), to_string(one_hot_encode<double>(i)));
  fmt::print("target_vectors:\n");
  for (const auto t : y) fmt::print("'{}': {}\n", vocabulary.character(t), t);
  for (std::size_t k = 0; k < x.size(); ++k)
    fmt::print("x: {}, t_idx: {}\n", to_string(one_hot_encode<double>(x[k])), y[k]);
}

// Cross-entropy summed over the sequence.
template <Real T>
Tensor<T> forward_pass(const Rnn<T>& rnn, const Indices& inputs, const Indices& targets) {
  Tensor<T> h = zeros<T>({hidden_size}), loss = zeros<T>({});
  for (std::int64_t t = 0; t < inputs.elements(); ++t) {
    h = rnn.hidden(one_hot<T>(inputs[t], vocabulary.size()), h);
    loss += cross_entropy(rnn.output(h), targets[t]);
  }
  return loss;
}

// The likeliest character is the next input.
template <Real T>
std::string predict(const Rnn<T>& rnn, char seed, int n_chars = 4) {
  const no_grad scope;
  Tensor<T> h = zeros<T>({hidden_size});
  std::vector<std::int64_t> result = {*vocabulary.index(static_cast<char32_t>(seed))};
  for (int k = 0; k < n_chars; ++k) {
    h = rnn.hidden(one_hot_encode<T>(result.back()), h);
    result.push_back(argmax(rnn.output(h)).values()[0]);
  }
  return vocabulary.decode(result);
}

template <Real T>
void hello(const HelloOptions& options) {
  manual_seed(1);
  const std::int64_t n = vocabulary.size();
  Rnn<T> rnn{randn<T>({hidden_size, n}) * 0.1, randn<T>({hidden_size, hidden_size}) * 0.1,
             zeros<T>({hidden_size}), randn<T>({n, hidden_size}) * 0.1, zeros<T>({n})};
  options.load(rnn);  // before anything is printed

  print_characters();
  print_forward_pass<T>();

  const Indices inputs = vocabulary.encode(text.substr(0, 4)), targets = vocabulary.encode(text.substr(1));
  print_data(inputs, targets);
  fmt::print("input_size: {}\nhidden_size: {}\noutput_size: {}\n", n, hidden_size, n);
  fmt::print("W_xh: ({0}, {1})\nW_hh: ({0}, {0})\nW_hy: ({1}, {0})\n", hidden_size, n);

  nn::set_requires_grad(rnn);
  optim::SGD optimizer(nn::parameters(rnn), {.lr = 0.01});
  std::vector<double> losses;
  for (int epoch = 0; epoch < 1000; ++epoch) {
    optimizer.zero_grad();
    const Tensor<T> loss = forward_pass(rnn, inputs, targets);
    loss.backward();
    if (epoch == 0) options.save_gradients("grad0_", rnn);
    optimizer.step();
    losses.push_back(loss.item() / static_cast<double>(inputs.elements()));
    if (epoch % 10 == 0) fmt::print("Epoch {}, Loss: {:.4f}\n", epoch, losses.back());
  }
  options.save("loss", losses);
  options.save("final_", rnn);
  fmt::print("{}\n", predict(rnn, 'h'));
}

}  // namespace

int main(int argc, char** argv) {
  return examples::run_hello(argc, argv, "Learns to spell hello by back-propagation through time.",
                             []<class T>(const HelloOptions& options) { hello<T>(options); });
}
