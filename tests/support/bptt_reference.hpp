// Back-propagation through time written by hand, as the oracle for the tape's gradients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include <xgrad/autograd/array/xtensor.hpp>

namespace xgrad::reference {

using Array = xt::xarray<double>;
using Targets = xt::xarray<std::int64_t>;
using Parameters = std::map<std::string, Array>;

enum class Cell { rnn_tanh, rnn_relu, lstm, gru };

/// Blocks of `hidden` rows in a cell's weights: 1 for RNN, 4 (i, f, g, o) for LSTM, 3 (r, z, n) for GRU.
std::size_t gate_count(Cell cell);

/// State of all layers, each of shape (layers, batch, hidden). `c` is used by the LSTM only.
struct State {
  Array h, c;
};

struct Bptt {
  double loss = 0;       ///< mean softmax cross-entropy over all steps and rows, in nats
  Array logits;          ///< (time, batch, classes)
  Parameters gradients;  ///< of the loss, by parameter name
  Array input_gradient;  ///< of the loss by x, (time, batch, features)
  State state_gradient;  ///< of the loss by the initial state
  State final_state;     ///< to carry into the next window of truncated BPTT
};

/// One window of a recurrent network with a linear output layer: loss, and its gradients by BPTT.
///
/// `parameters` holds, under the names and shapes of PyTorch, "rnn.weight_ih_l{k}" (gates·hidden, in),
/// "rnn.weight_hh_l{k}" (gates·hidden, hidden), "rnn.bias_ih_l{k}", "rnn.bias_hh_l{k}" for every layer k
/// that is there, "fc.weight" (classes, hidden) and "fc.bias". `x` is (time, batch, features), `targets`
/// (time, batch). The formulas are those of torch.nn.RNN, LSTM and GRU, whose candidate is
/// n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)).
Bptt bptt(Cell cell, const Parameters& parameters, const Array& x, const Targets& targets,
          const State& initial);

/// Zero state for the layers found in `parameters`.
State zero_state(const Parameters& parameters, std::size_t batch);

/// Parameters of a network, uniform in ±1/√hidden (PyTorch's range) from std::mt19937 and `seed`.
Parameters random_parameters(Cell cell, std::size_t features, std::size_t hidden, std::size_t layers,
                             std::size_t classes, unsigned seed);

/// (time, batch) indices as (time, batch, classes) rows of 0 and 1.
Array one_hot(const Targets& indices, std::size_t classes);

}  // namespace xgrad::reference
