// Steps of recurrent networks as fused ops, and the product of one-hot rows with a weight. Gate orders and
// formulas are those of torch.nn.RNNCell, LSTMCell and GRUCell.
#pragma once

#include <array>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// Memory that a step may use, for loops over a sequence held in one array.
template <Real T = float>
struct StepMemory {
  /// zx may be overwritten: nothing else reads its elements, and no op saved them.
  bool zx_donated = false;
  /// Where the new h goes, of its shape; nothing reads it. Steps that lie one after another in one array are
  /// joined by stack() without a copy. May be zx's own memory for an RNN, if that is donated.
  Tensor<T> h{};
};

/// h' = tanh(zx + h weightᵀ): zx is what the input contributes, biases included, and h the state, both
/// (batch, hidden); weight is (hidden, hidden). Throws ShapeError for other shapes.
template <Real T>
Tensor<T> rnn_tanh_step(const Tensor<T>& zx, const Tensor<T>& h, const Tensor<T>& weight,
                        const StepMemory<T>& memory = {}, Location at = Location::current());

/// h' = relu(zx + h weightᵀ), likewise.
template <Real T>
Tensor<T> rnn_relu_step(const Tensor<T>& zx, const Tensor<T>& h, const Tensor<T>& weight,
                        const StepMemory<T>& memory = {}, Location at = Location::current());

/// {h', c'}: with i, f, g, o the four blocks of zx + h weightᵀ, c' = sigmoid(f) c + sigmoid(i) tanh(g) and
/// h' = sigmoid(o) tanh(c'). zx is (batch, 4 hidden), h and c (batch, hidden), weight (4 hidden, hidden).
/// Throws ShapeError for other shapes.
template <Real T>
std::array<Tensor<T>, 2> lstm_step(const Tensor<T>& zx, const Tensor<T>& h, const Tensor<T>& c,
                                   const Tensor<T>& weight, const StepMemory<T>& memory = {},
                                   Location at = Location::current());

/// h' = (1 - z) n + z h: with three blocks each of zx, which is what the input contributes, its bias
/// included, and of zh = h weightᵀ + bias, r = sigmoid(zx_r + zh_r), z = sigmoid(zx_z + zh_z) and n =
/// tanh(zx_n + r zh_n). zx is (batch, 3 hidden), h (batch, hidden), weight (3 hidden, hidden) and bias (3
/// hidden); an undefined bias counts as none. Throws ShapeError for other shapes.
template <Real T>
Tensor<T> gru_step(const Tensor<T>& zx, const Tensor<T>& h, const Tensor<T>& weight,
                   const Tensor<T>& bias = {}, const StepMemory<T>& memory = {},
                   Location at = Location::current());

/// linear(one_hot(x), weight, bias) without forming the one-hot rows: column x[i] of weight (out, in), plus
/// bias (out), for every i; the result has x's shape and a last axis `out`. An undefined bias counts as none.
/// Throws ValueError for an index that is not below `in`.
template <Real T>
Tensor<T> one_hot_linear(const Indices& x, const Tensor<T>& weight, const Tensor<T>& bias = {},
                         Location at = Location::current());

/// The same with the sum of two biases, as recurrent networks have them.
template <Real T>
Tensor<T> one_hot_linear(const Indices& x, const Tensor<T>& weight, const Tensor<T>& bias,
                         const Tensor<T>& second_bias, Location at = Location::current());

namespace detail {
/// The same for a module called `caller`, which its errors name; either bias may be undefined.
template <Real T>
Tensor<T> one_hot_linear_of(std::string_view caller, const Indices& x, const Tensor<T>& weight,
                            const Tensor<T>& bias, const Tensor<T>& second_bias, Location at);
}  // namespace detail

}  // namespace xgrad
