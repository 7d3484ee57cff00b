// A recurrent network's training step written by hand: the limit that the tape is measured against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "step.hpp"

namespace xgrad::benchmarks {

/// Row-major arrays by PyTorch's parameter names.
template <class T>
using Arrays = std::map<std::string, std::vector<T>>;

/// One recurrent layer on character indices, a linear layer, and the mean softmax cross-entropy over all
/// steps: forward, back-propagation through time, clipping and optimizer, in plain loops over flat buffers
/// and BLAS. T is float or double. Nothing is allocated after construction.
template <class T>
class Handwritten {
 public:
  /// `parameters`: rnn.weight_ih_l0 (gates·hidden, vocabulary), rnn.weight_hh_l0 (gates·hidden, hidden),
  /// rnn.bias_ih_l0, rnn.bias_hh_l0, fc.weight (vocabulary, hidden), fc.bias; gates i, f, g, o (LSTM) or r,
  /// z, n (GRU). The state begins at zero. Throws std::invalid_argument for a missing array or a wrong size.
  Handwritten(Cell cell, const Sizes& sizes, const Arrays<T>& parameters);

  /// One training step on (time, batch) indices below the vocabulary; returns the loss. The final state is
  /// the next step's initial one.
  T step(std::span<const std::int64_t> inputs, std::span<const std::int64_t> targets, const Update& update);

  /// The matrix products of one step and nothing else, on operands of the same sizes: what BLAS takes of it.
  void run_products();

  /// Copies in PyTorch's layout. Gradients are the last step's, before clipping.
  Arrays<T> parameters() const { return named(step_.values); }
  Arrays<T> gradients() const { return named(step_.gradients); }

  /// The state that the next step begins with, (batch, hidden); c is empty unless the cell is an LSTM.
  std::vector<T> h() const;
  std::vector<T> c() const;
  void set_state(std::span<const T> h, std::span<const T> c = {});

  /// Bytes of all buffers, parameters included.
  std::size_t bytes() const { return arena_size_ * sizeof(T); }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };

  Arrays<T> named(const Weights<T>& from) const;
  std::vector<T> state(const T* rows) const;

  Step<T> step_;
  std::size_t arena_size_ = 0;
  std::unique_ptr<T[], Free> arena_;
};

}  // namespace xgrad::benchmarks
