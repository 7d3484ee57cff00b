// What a recurrent cell computes beside its matrix products: each cell's elementwise part as one fused op, and the
// product of one-hot rows with a weight. Gate orders and formulas are those of torch.nn.RNNCell, LSTMCell and GRUCell.
//
// zx and zh are the pre-activations that the input and the state contribute, biases included. A defined `into` (of the
// result's shape, its memory read by nobody) receives the new h in place: time steps that are written one behind another
// into one array are joined by stack() without a copy.
#pragma once

#include <array>

#include "autograd/indices.hpp"
#include "autograd/tensor.hpp"

namespace xgrad {

/// h = tanh(zx + zh), all (batch, hidden).
template <Real T>
Tensor<T> rnn_tanh_cell(const Tensor<T>& zx, const Tensor<T>& zh, const Tensor<T>& into = {},
                        Location at = Location::current());

/// h = relu(zx + zh), all (batch, hidden).
template <Real T>
Tensor<T> rnn_relu_cell(const Tensor<T>& zx, const Tensor<T>& zh, const Tensor<T>& into = {},
                        Location at = Location::current());

/// {h, c} of the next step: with i, f, g, o the four blocks of zx + zh (batch, 4 hidden),
/// c' = sigmoid(f) c + sigmoid(i) tanh(g) and h' = sigmoid(o) tanh(c'), both (batch, hidden).
template <Real T>
std::array<Tensor<T>, 2> lstm_cell(const Tensor<T>& zx, const Tensor<T>& zh, const Tensor<T>& c,
                                   const Tensor<T>& into = {}, Location at = Location::current());

/// h of the next step: with blocks r, z, n of zx and zh (batch, 3 hidden), r = sigmoid(rx + rh), z = sigmoid(zx + zh),
/// n = tanh(nx + r nh), and h' = (1 - z) n + z h.
template <Real T>
Tensor<T> gru_cell(const Tensor<T>& zx, const Tensor<T>& zh, const Tensor<T>& h, const Tensor<T>& into = {},
                   Location at = Location::current());

/// linear(one_hot(x), weight, bias) without forming the one-hot rows: column x[i] of weight (out, in), plus bias (out),
/// for every i; the result has x's shape and a last axis `out`. An undefined bias counts as none. Throws ValueError
/// for an index that is not below `in`.
template <Real T>
Tensor<T> one_hot_linear(const Indices& x, const Tensor<T>& weight, const Tensor<T>& bias = {},
                         Location at = Location::current());

}  // namespace xgrad
