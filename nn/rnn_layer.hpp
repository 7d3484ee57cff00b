// One layer of a recurrent network in one direction: what its input contributes, one step, all steps.
#pragma once

#include <xgrad/nn/packed.hpp>
#include <xgrad/nn/rnn.hpp>
#include <xgrad/ops/recurrent.hpp>

namespace xgrad::nn::detail {

/// "RNN", "LSTM" or "GRU".
constexpr const char* name_of(Cell cell) {
  return cell == Cell::rnn ? "RNN" : cell == Cell::lstm ? "LSTM" : "GRU";
}

/// A layer's parameters, and which cell they are of. Holds references.
template <Real T>
struct RecurrentLayer {
  Cell cell;
  Nonlinearity nonlinearity;
  const typename Recurrent<T>::Layer& weights;

  /// What the input contributes to the pre-activations: (…, in), or indices (…), to (…, gates hidden). Errors
  /// name the kind of cell.
  Tensor<T> project(const Tensor<T>& x, Location at) const;
  Tensor<T> project(const Indices& x, Location at) const;

  /// One step: the next h; c is changed in place.
  Tensor<T> advance(const Tensor<T>& zx, const Tensor<T>& h, Tensor<T>& c, const StepMemory<T>& memory,
                    Location at) const;

  /// All steps of zx, (time, batch, gates hidden), to (time, batch, hidden); h and c become those of the last
  /// one, which is the first in time for `reverse`.
  Tensor<T> unroll(const Tensor<T>& zx, bool reverse, Tensor<T>& h, Tensor<T>& c, Location at) const;
  /// The same over packed rows.
  Tensor<T> unroll(const Tensor<T>& zx, const Packed& packed, bool reverse, Tensor<T>& h, Tensor<T>& c,
                   Location at) const;

 private:
  bool adds_biases() const { return cell != Cell::gru && weights.bias_hh.defined(); }
};

extern template struct RecurrentLayer<float>;
extern template struct RecurrentLayer<double>;

}  // namespace xgrad::nn::detail
