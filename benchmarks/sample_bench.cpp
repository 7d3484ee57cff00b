// Sampling text, one character at a time: with the library, and in a hand-written loop around BLAS's
// products.
//
// Names are sample/MODEL/PROGRAM; s/character is the figure to compare.
#include <benchmark/benchmark.h>
#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/models/sample.hpp>
#include <xgrad/ops/threads.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace {

using namespace xgrad;

constexpr std::int64_t vocabulary_size = 65, length = 256;

models::Vocabulary vocabulary() {
  std::u32string characters;
  for (std::int64_t k = 0; k < vocabulary_size; ++k) characters += static_cast<char32_t>(U' ' + k);
  return models::Vocabulary(characters);
}

models::CharRNN<> lstm(std::int64_t layers, std::int64_t hidden) {
  Generator generator(1);
  return models::CharRNN<>({.vocabulary = vocabulary_size, .hidden = hidden, .layers = layers}, generator);
}

/// Layers of an LSTM and the linear layer after them, in flat arrays: the weights of input and state side by
/// side, so that a step is one product for each layer. The input of the first layer is a row of its
/// transposed weights.
class HandwrittenSampler {
 public:
  explicit HandwrittenSampler(const models::CharRNN<>& model)
      : hidden_(static_cast<int>(model.config.hidden)) {
    const auto& layers = model.rnn.layers;
    const auto n = static_cast<std::size_t>(hidden_), gates = 4 * n;
    first_.resize(vocabulary_size * gates);
    for (std::size_t row = 0; row < gates; ++row)
      for (std::size_t k = 0; k < vocabulary_size; ++k)
        first_[k * gates + row] = layers[0].weight_ih.values()[row * vocabulary_size + k];
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const std::size_t in = l == 0 ? 0 : n;
      Layer layer{std::vector<float>(gates * (in + n)), std::vector<float>(gates), std::vector<float>(n)};
      for (std::size_t row = 0; row < gates; ++row) {
        float* to = layer.weight.data() + row * (in + n);
        std::copy_n(layers[l].weight_ih.data() + row * in, in, to);
        std::copy_n(layers[l].weight_hh.data() + row * n, n, to + in);
        layer.bias[row] = layers[l].bias_ih.values()[row] + layers[l].bias_hh.values()[row];
      }
      layers_.push_back(std::move(layer));
    }
    fc_weight_ = {model.fc.weight.values().begin(), model.fc.weight.values().end()};
    fc_bias_ = {model.fc.bias.values().begin(), model.fc.bias.values().end()};
    h_.resize(layers.size() * n);
    z_.resize(gates);
    logits_.resize(vocabulary_size);
    cumulative_.resize(vocabulary_size);
  }

  /// From a zero state; all characters are equally likely to come first.
  std::string operator()(const models::Vocabulary& characters, std::int64_t count, Generator& generator) {
    std::string text;
    std::ranges::fill(h_, 0.0f);
    std::ranges::fill(logits_, 0.0f);
    for (Layer& layer : layers_) std::ranges::fill(layer.c, 0.0f);
    for (std::int64_t k = 0; k < count; ++k) {
      const std::size_t c = draw(generator);
      text += characters.character(static_cast<std::int64_t>(c));
      step(c);
    }
    return text;
  }

 private:
  struct Layer {
    std::vector<float> weight, bias, c;
  };

  void step(std::size_t character) {
    const auto& loops = kernels::on(Device::cpu()).of<float>();
    const int gates = 4 * hidden_;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      Layer& layer = layers_[l];
      std::ranges::copy(layer.bias, z_.begin());
      if (l == 0) cblas_saxpy(gates, 1, first_.data() + character * z_.size(), 1, z_.data(), 1);
      float* h = h_.data() + l * static_cast<std::size_t>(hidden_);
      const int in = l == 0 ? 0 : hidden_;  // the layer's input lies just before its h
      cblas_sgemv(CblasRowMajor, CblasNoTrans, gates, in + hidden_, 1, layer.weight.data(), in + hidden_,
                  h - in, 1, 1, z_.data(), 1);
      loops.lstm(1, hidden_, z_.data(), layer.c.data(), h, layer.c.data());
    }
    std::ranges::copy(fc_bias_, logits_.begin());
    cblas_sgemv(CblasRowMajor, CblasNoTrans, vocabulary_size, hidden_, 1, fc_weight_.data(), hidden_,
                h_.data() + h_.size() - static_cast<std::size_t>(hidden_), 1, 1, logits_.data(), 1);
  }

  // With probabilities softmax(logits).
  std::size_t draw(Generator& generator) {
    const double largest = *std::ranges::max_element(logits_);
    double total = 0;
    for (std::size_t k = 0; k < logits_.size(); ++k) cumulative_[k] = total += std::exp(logits_[k] - largest);
    const auto drawn = std::ranges::upper_bound(cumulative_, generator.uniform() * total);
    return std::min(static_cast<std::size_t>(drawn - cumulative_.begin()), logits_.size() - 1);
  }

  int hidden_;
  std::vector<float> first_;  // (vocabulary, gates)
  std::vector<Layer> layers_;
  std::vector<float> fc_weight_, fc_bias_, h_, z_, logits_;
  std::vector<double> cumulative_;
};

/// Throws unless both write the same text, and the library makes no node on the way.
void check(const models::CharRNN<>& model, const models::Vocabulary& characters) {
  Generator ours(3), theirs(3);
  std::string text;
  const auto nodes = live_counts().nodes;
  models::sample(model, characters, "", length, {.generator = &ours}, [&](std::string_view character) {
    if (live_counts().nodes != nodes) throw Error("sampling recorded a node");
    text += character;
    return true;
  });
  if (live_counts().nodes != nodes) throw Error("sampling left a node");
  if (text != HandwrittenSampler(model)(characters, length, theirs))
    throw Error("the two programs' texts differ");
}

/// Times `write`, which gets the vocabulary and a generator and gives `length` characters.
template <class Write>
void time_sampling(benchmark::State& state, const models::CharRNN<>& model, Write write) {
  const auto characters = vocabulary();
  check(model, characters);
  Generator generator(5);
  for (auto _ : state) benchmark::DoNotOptimize(write(characters, generator));
  using benchmark::Counter;
  state.counters["s/character"] = Counter(length, Counter::kIsIterationInvariantRate | Counter::kInvert);
  state.counters["characters/s"] = Counter(length, Counter::kIsIterationInvariantRate);
}

template <std::int64_t layers, std::int64_t hidden>
void by_library(benchmark::State& state) {
  const auto model = lstm(layers, hidden);
  time_sampling(state, model, [&](const models::Vocabulary& characters, Generator& generator) {
    return models::sample(model, characters, "", length, {.generator = &generator});
  });
}

template <std::int64_t layers, std::int64_t hidden>
void by_hand(benchmark::State& state) {
  const auto model = lstm(layers, hidden);
  HandwrittenSampler sampler(model);
  time_sampling(state, model, [&](const models::Vocabulary& characters, Generator& generator) {
    return sampler(characters, length, generator);
  });
}

BENCHMARK(by_library<1, 128>)->Name("sample/lstm_1x128/xgrad");
BENCHMARK(by_hand<1, 128>)->Name("sample/lstm_1x128/handwritten");
BENCHMARK(by_library<2, 512>)->Name("sample/lstm_2x512/xgrad");
BENCHMARK(by_hand<2, 512>)->Name("sample/lstm_2x512/handwritten");

}  // namespace

int main(int argc, char** argv) {
  set_threads(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
