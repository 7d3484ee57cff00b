// A minimal character network on "hello": the NumPy program's numbers from NumPy's seed, without its backward
// pass.
#include <fmt/format.h>
#include <xgrad/xgrad.hpp>

#include "hello_options.hpp"
#include "numpy_random.hpp"

namespace {

using namespace xgrad;
using xgrad::examples::HelloOptions;
using xgrad::examples::NumpyRandom;

// ---- Data ----

const std::string text = "hello";
const models::Vocabulary chars = models::Vocabulary::of(text);
const Indices data = chars.encode(text);

// ---- Model ----

const std::int64_t hidden_size = 16;
const double learning_rate = 0.1;

template <Real T>
struct Rnn {
  Tensor<T> Wxh, Whh, Why, bh, by;

  explicit Rnn(NumpyRandom& random)
      : Wxh(small(random, {hidden_size, chars.size()})),
        Whh(small(random, {hidden_size, hidden_size})),
        Why(small(random, {chars.size(), hidden_size})),
        bh(zeros<T>({hidden_size})),
        by(zeros<T>({chars.size()})) {}

  Tensor<T> hidden(const Indices& c, const Tensor<T>& h) const {
    return tanh(matmul(Wxh, one_hot<T>(c, chars.size())) + matmul(Whh, h) + bh);
  }
  Tensor<T> output(const Tensor<T>& h) const { return matmul(Why, h) + by; }
  void visit(auto&& v) { v("W_xh", Wxh), v("W_hh", Whh), v("W_hy", Why), v("b_h", bh), v("b_y", by); }

  static Tensor<T> small(NumpyRandom& random, const Shape& shape) {
    Tensor<T> weights = zeros<T>(shape);
    for (T& w : weights.mutable_values()) w = static_cast<T>(random.randn() * 0.01);
    return weights;
  }
};

// ---- Training ----

template <Real T>
void train(Rnn<T>& rnn, const HelloOptions& options) {
  const auto parameters = nn::parameters(rnn);
  optim::SGD optimizer(parameters, {.lr = learning_rate});
  std::vector<double> losses;
  Tensor<T> h = zeros<T>({hidden_size});
  for (int epoch = 0; epoch < 2000; ++epoch) {
    optimizer.zero_grad();
    Tensor<T> loss = zeros<T>({});
    for (std::int64_t t = 0; t + 1 < data.elements(); ++t) {
      h = rnn.hidden(data[t], h);
      loss += cross_entropy(rnn.output(h), data[t + 1]);
    }
    loss.backward();
    optim::clip_grad_value(parameters, 5);
    if (epoch == 0) options.save_gradients("grad0_", rnn);
    optimizer.step();
    h = detach(h);  // the state goes on, its history does not
    losses.push_back(loss.item());
    if (epoch % 200 == 0) fmt::print("epoch {}, loss = {:.4f}\n", epoch, losses.back());
  }
  options.save("loss", losses);
  options.save("final_", rnn);
}

// ---- Writing ----

template <Real T>
std::string sample(const Rnn<T>& rnn, NumpyRandom& random, std::int64_t c, int length) {
  const no_grad scope;
  Tensor<T> h = zeros<T>({hidden_size});
  std::vector<std::int64_t> output;
  for (int t = 0; t < length; ++t) {
    h = rnn.hidden(Indices({}, {c}), h);
    const Tensor<double> p =
        softmax(rnn.output(h).template to<double>(), 0);  // NumPy wants a sum of 1 to 1.5e-8
    c = static_cast<std::int64_t>(random.choice(p.values()));
    output.push_back(c);
  }
  return chars.decode(output);
}

}  // namespace

int main(int argc, char** argv) {
  return examples::run_hello(
      argc, argv, "Learns hello as the NumPy program does, number by number.",
      []<class T>(const HelloOptions& options) {
        NumpyRandom random(42);
        Rnn<T> rnn(random);  // draws its weights even where others are loaded: the stream goes on
        options.load(rnn);
        nn::set_requires_grad(rnn);
        train(rnn, options);
        fmt::print("\nGenerated text:\n{}\n", sample(rnn, random, *chars.index('h'), 5));
      });
}
