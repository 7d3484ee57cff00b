// CharRNN: a recurrent network that predicts a text's next character.
#include <xgrad/models/char_rnn.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/nn/file.hpp>
#include <xgrad/ops/loss.hpp>

namespace xgrad::models {

namespace {

constexpr std::pair<nn::Cell, std::string_view> cells[] = {
    {nn::Cell::rnn, "rnn"}, {nn::Cell::lstm, "lstm"}, {nn::Cell::gru, "gru"}};

// Before the parts are made: their own messages would name their own sizes.
const CharRNNConfig& checked(const CharRNNConfig& config) {
  if (config.vocabulary < 1 || config.hidden < 1 || config.layers < 1)
    throw ValueError(fmt::format("CharRNN: vocabulary {}, hidden {}, layers {}; each must be at least 1",
                                 config.vocabulary, config.hidden, config.layers));
  if (!(config.dropout >= 0 && config.dropout <= 1))
    throw ValueError(fmt::format("CharRNN: dropout {} is no probability in [0, 1]", config.dropout));
  return config;
}

}  // namespace

std::string_view cell_name(nn::Cell cell) {
  for (const auto& [c, name] : cells)
    if (c == cell) return name;
  throw ValueError(fmt::format("cell_name: no cell has the number {}", static_cast<int>(cell)));
}

nn::Cell cell_of(std::string_view name) {
  for (const auto& [cell, its_name] : cells)
    if (its_name == name) return cell;
  throw ValueError(fmt::format("cell_of: '{}' is none of rnn, lstm, gru", nn::detail::printable(name)));
}

template <Real T>
CharRNN<T>::CharRNN(const CharRNNConfig& chosen, Generator& generator)
    : config(checked(chosen)),
      rnn(config.cell, config.vocabulary, config.hidden, {.layers = config.layers, .dropout = config.dropout},
          generator),
      fc(config.hidden, config.vocabulary, true, generator) {}

template <Real T>
auto CharRNN<T>::operator()(const Indices& x, const State& state) const -> Output {
  auto sequence = rnn(x, state);
  return {fc(sequence.output), std::move(sequence.state)};
}
template <Real T>
auto CharRNN<T>::operator()(const Tensor<T>& x, const State& state) const -> Output {
  auto sequence = rnn(x, state);
  return {fc(sequence.output), std::move(sequence.state)};
}

template <Real T>
auto CharRNN<T>::step(const Indices& x, const State& state) const -> Output {
  State next = rnn.step(x, state);
  return {fc(next.output()), std::move(next)};
}
template <Real T>
auto CharRNN<T>::step(const Tensor<T>& x, const State& state) const -> Output {
  State next = rnn.step(x, state);
  return {fc(next.output()), std::move(next)};
}

template <Real T>
Tensor<T> CharRNN<T>::loss(const Tensor<T>& logits, const Indices& targets) {
  return cross_entropy(logits, targets);
}

#define XGRAD_INSTANTIATE(T) template struct CharRNN<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::models
