// CharRNN: a recurrent network that predicts a text's next character, and its file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <xgrad/models/vocabulary.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/rnn.hpp>

namespace xgrad::models {

/// "rnn", "lstm" or "gru", and the other way; cell_of throws ValueError for any other name.
std::string_view cell_name(nn::Cell cell);
nn::Cell cell_of(std::string_view name);

/// The size and kind of a CharRNN.
struct CharRNNConfig {
  std::int64_t vocabulary = 0;  ///< how many characters there are
  std::int64_t hidden = 128;
  std::int64_t layers = 1;
  nn::Cell cell = nn::Cell::lstm;
  double dropout = 0;  ///< between layers, while training

  friend bool operator==(const CharRNNConfig&, const CharRNNConfig&) = default;
};

/// A recurrent network over one-hot characters and a linear layer to the next one's logits. Parameters are
/// named as those of a PyTorch module with `self.rnn = nn.LSTM(...)` and `self.fc = nn.Linear(...)`.
template <Real T = float>
struct CharRNN {
  using value_type = T;
  using State = nn::RecurrentState<T>;

  struct Output {
    Tensor<T> logits;
    State state;  ///< after the last step, to go on from
  };

  CharRNNConfig config;
  nn::Recurrent<T> rnn;
  nn::Linear<T> fc;

  CharRNN() = default;
  /// Random parameters, PyTorch's initialisation. Throws ValueError for a size below 1 or a dropout outside
  /// [0, 1].
  explicit CharRNN(const CharRNNConfig& config, Generator& generator = default_generator());

  State zero_state(std::int64_t batch) const { return rnn.zero_state(batch); }

  /// x: characters' indices (time, batch), or one-hot rows (time, batch, vocabulary); logits (time, batch,
  /// vocabulary). Throws ValueError before the model has parameters or for an index outside, ShapeError where
  /// shapes do not fit.
  Output operator()(const Indices& x, const State& state) const;
  Output operator()(const Tensor<T>& x, const State& state) const;

  /// One step: indices (batch), or rows (batch, vocabulary); logits (batch, vocabulary).
  Output step(const Indices& x, const State& state) const;
  Output step(const Tensor<T>& x, const State& state) const;

  /// Mean cross-entropy in nats of logits (…, vocabulary) against targets (…).
  static Tensor<T> loss(const Tensor<T>& logits, const Indices& targets);

  void visit(auto&& v) {
    v("rnn", rnn);
    v("fc", fc);
  }
};

extern template struct CharRNN<float>;
extern template struct CharRNN<double>;

/// A model and the characters it was trained on.
template <Real T = float>
struct TrainedCharRNN {
  CharRNN<T> model;
  Vocabulary vocabulary;
};

/// Writes a safetensors file: parameters under their names, configuration and vocabulary in its metadata. The
/// file is replaced as save_safetensors does it: at no moment is there half a file. Throws FormatError when
/// it cannot be written, ValueError when the vocabulary is not the model's size, Error where memory is short.
template <Real T>
void save_char_rnn(const std::filesystem::path& file, const CharRNN<T>& model, const Vocabulary& vocabulary);

/// Reads it back, converting between float and double. Throws FormatError naming the file for one that is not
/// such a file, or whose parameters are not exactly those of its configuration, and Error where memory is
/// short. Nothing is made before names and shapes are compared, so a model takes no more than its file has.
template <Real T = float>
TrainedCharRNN<T> load_char_rnn(const std::filesystem::path& file);

}  // namespace xgrad::models
