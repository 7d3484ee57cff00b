// "hello" three times: a recurrent network by hand, as a module with an optimizer, and on a device of choice.
#include <fmt/format.h>
#include <xgrad/xgrad.hpp>

#include <algorithm>

#include "hello_options.hpp"

namespace {

using namespace xgrad;
using xgrad::examples::HelloOptions;

// ---- Simple form ----

const models::Vocabulary chars(U"helo");
const std::string sequence = "hello";
const Indices input_seq = chars.encode(sequence.substr(0, 4)), target_seq = chars.encode(sequence.substr(1));

template <Real T>
void simple_form() {
  const std::int64_t hidden_size = 4, size = chars.size();
  const Tensor<T> X = index_select(eye<T>(size), 0, input_seq);  // one-hot rows
  const Tensor<T> Wxh = randn<T>({hidden_size, size}) * 0.01,
                  Whh = randn<T>({hidden_size, hidden_size}) * 0.01;
  const Tensor<T> Why = randn<T>({size, hidden_size}) * 0.01, bh = zeros<T>({hidden_size}),
                  by = zeros<T>({size});

  Tensor<T> h = zeros<T>({hidden_size});
  int step = 0;
  for (const Tensor<T>& x : unbind(X)) {
    h = tanh(matmul(Wxh, x) + matmul(Whh, h) + bh);
    const Tensor<T> y = matmul(Why, h) + by;
    fmt::print("Step {} prediction: {}\n", step++, to_string(softmax(y, 0), 2));
  }
}

// ---- With modules ----

template <Real T>
struct CharRNN {
  nn::RNN<T> rnn;
  nn::Linear<T> fc;

  CharRNN(std::int64_t input_size, std::int64_t hidden_size, std::int64_t output_size)
      : rnn(input_size, hidden_size), fc(hidden_size, output_size) {}

  auto operator()(const Tensor<T>& x) const {
    const auto [out, h] = rnn(x);
    return std::pair(fc(squeeze(out, 1)), h);  // without the batch's axis
  }
  void visit(auto&& v) { v("rnn", rnn), v("fc", fc); }
};

// Rows as PyTorch prints them.
template <Real T>
std::string printed(const Tensor<T>& x) {
  const bool signs = std::ranges::any_of(x.values(), [](T v) { return v < 0; });
  std::string rows;
  for (const Tensor<T>& row : unbind(x)) {
    std::string numbers;
    for (const T v : row.values())
      numbers += fmt::format("{}{:{}.4f}", numbers.empty() ? "" : ", ", v, signs ? 7 : 6);
    rows += (rows.empty() ? "[" : ",\n        [") + numbers + "]";
  }
  return fmt::format("tensor([{}], grad_fn=<AddmmBackward0>)",
                     rows);  // PyTorch's name for a linear layer's backward
}

template <Real T>
void with_modules(const CharRNN<T>& model, const HelloOptions& options) {
  const Tensor<T> input_tensor =
      unsqueeze(index_select(eye<T>(chars.size()), 0, input_seq), 1);  // (time, batch, feature)
  optim::Adam optimizer(nn::parameters(model), {.lr = 0.01});

  const auto [output, h_n] = model(input_tensor);
  const Tensor<T> loss = cross_entropy(output, target_seq);
  loss.backward();
  options.save_gradients("grad0_", model);
  optimizer.step();
  fmt::print("Output logits:\n {}\n", printed(output));

  options.save("logits", output);
  options.save("h_n", unsqueeze(h_n.output(), 0));
  options.save("loss", loss);
  options.save("step1_", model);
}

// ---- On a device ----

template <Real T>
void on_device(CharRNN<T> model) {
  const Device device = Device::best();
  fmt::print("Using device: {}\n", device.name());

  nn::to(model, device);
  const Tensor<T> input_tensor = unsqueeze(index_select(eye<T>(chars.size()), 0, input_seq), 1).to(device);
  optim::Adam optimizer(nn::parameters(model), {.lr = 0.01});

  const auto [output, h_n] = model(input_tensor);
  cross_entropy(output, target_seq).backward();
  optimizer.step();
  fmt::print("Output predictions:\n {}\n", to_string(softmax(output, 1).to(Device::cpu()), 2));
}

}  // namespace

int main(int argc, char** argv) {
  return examples::run_hello(argc, argv, "An untrained network, one training step, and the same on a device.",
                             []<class T>(const HelloOptions& options) {
                               manual_seed(1);
                               CharRNN<T> model(4, 8, 4), on_a_device(4, 8, 4);
                               options.load(model), options.load(on_a_device);  // before anything is printed
                               simple_form<T>();
                               with_modules(model, options);
                               on_device(on_a_device);
                             });
}
