// A small CharRNN and a story for it to learn.
#pragma once

#include <functional>
#include <span>
#include <string>

#include <xgrad/models/char_rnn.hpp>
#include <xgrad/models/trainer.hpp>
#include <xgrad/models/vocabulary.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/clip.hpp>
#include "tensors.hpp"

namespace xgrad::testing {

inline const std::string story = [] {
  std::string text;
  for (int k = 0; k < 30; ++k) text += "the cat sat on the mat, and the dog ran after the cat. ";
  return text;
}();

template <Real T = float>
models::CharRNN<T> small_model(const models::Vocabulary& vocabulary, nn::Cell cell = nn::Cell::lstm,
                               std::int64_t layers = 1, double dropout = 0) {
  Generator generator(5);
  return models::CharRNN<T>(
      {.vocabulary = vocabulary.size(), .hidden = 24, .layers = layers, .cell = cell, .dropout = dropout},
      generator);
}

/// train() with Adam and clipping.
template <Real T>
void train_adam(models::CharRNN<T>& model, std::span<const std::int64_t> text,
                const models::TrainOptions& options, double lr = 2e-3,
                const std::function<bool(const models::TrainProgress&)>& progress = {}) {
  optim::Adam<T> optimizer(nn::parameters(model), {.lr = lr});
  const auto update = [&] {
    optim::clip_grad_norm(optimizer.parameters(), 5);
    optimizer.step();
  };
  train(model, text, options, update, progress);
}

/// Whether all parameters have the same bits.
template <Real T>
bool same_bits(const models::CharRNN<T>& a, const models::CharRNN<T>& b) {
  return same_bits(nn::parameters(a), nn::parameters(b));
}

}  // namespace xgrad::testing
