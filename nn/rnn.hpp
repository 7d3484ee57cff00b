// Recurrent networks: RNN, LSTM and GRU, as one step or over a whole sequence. Each is unrolled from ops, so
// that back-propagation through time is nothing but the backward pass.
#pragma once

#include <vector>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/core/random.hpp>
#include <xgrad/nn/init.hpp>
#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// The kinds of recurrent cell: RNN, LSTM and GRU.
enum class Cell { rnn, lstm, gru };

namespace detail {

/// How many times the hidden size the rows of a cell's weights are.
constexpr std::int64_t gates_of(Cell cell) { return cell == Cell::rnn ? 1 : cell == Cell::lstm ? 4 : 3; }

}  // namespace detail

/// Options of RNN, LSTM and GRU.
struct RecurrentOptions {
  std::int64_t layers = 1;
  double dropout = 0;        ///< between layers, while training
  bool batch_first = false;  ///< sequences are (batch, time, feature) instead of (time, batch, feature)
  bool bias = true;
  Nonlinearity nonlinearity = Nonlinearity::tanh;  ///< of RNN only: tanh or relu
  bool bidirectional = false;  ///< a second network goes backward in time; the outputs lie side by side
  std::int64_t proj_size = 0;  ///< of LSTM only: h is projected to this size (Sak et al. 2014); 0: it is not
};

/// What a network carries from step to step: for each layer, and in it for each direction, h, and for an LSTM
/// c, of shape (batch, hidden); h is (batch, proj_size) where it is projected.
template <Real T = float>
struct RecurrentState {
  using plain_data = void;  // no part of a module that carries it
  using List = std::vector<Tensor<T>, xgrad::detail::pool::Allocator<Tensor<T>>>;
  List h, c;

  /// h of the last layer, the network's output. Throws ValueError for a default-constructed state.
  const Tensor<T>& output() const&;
  Tensor<T> output() const&& { return output(); }
};

/// The same values without their history, in memory of their own: what truncated BPTT carries into the next
/// window.
template <Real T>
RecurrentState<T> detach(const RecurrentState<T>& state);

/// torch.nn.RNN, LSTM and GRU; the structs of those names below fix the cell.
template <Real T = float>
struct Recurrent {
  using value_type = T;

  struct Layer {
    Tensor<T> weight_ih, weight_hh, bias_ih,
        bias_hh;          // (gates hidden, in), (gates hidden, hidden), (gates hidden)
    Tensor<T> weight_hr;  // (proj_size, hidden), where h is projected
  };

  /// Output of the last layer at every step, (time, batch, output_size()) or batch first, and the state after
  /// the last; that of the backward direction is the one after the first step.
  struct Sequence {
    Tensor<T> output;
    RecurrentState<T> state;
  };

  Cell cell = Cell::rnn;
  std::int64_t input_size = 0, hidden_size = 0;
  RecurrentOptions options;
  std::vector<Layer> layers;  ///< two after each other, forward and backward, where `bidirectional`
  bool training = true;

  Recurrent() = default;
  /// Parameters uniform in ±1/sqrt(hidden). Throws ValueError for sizes below 1, no layers, a dropout outside
  /// [0, 1], or one that has no two layers to lie between, and a proj_size that is not below `hidden`.
  Recurrent(Cell cell, std::int64_t in, std::int64_t hidden, const RecurrentOptions& options = {},
            Generator& generator = default_generator(), Location at = Location::current());

  std::int64_t directions() const { return options.bidirectional ? 2 : 1; }
  /// Features of the output: hidden_size or proj_size, times the directions.
  std::int64_t output_size() const;

  /// Zeros for `batch` sequences side by side.
  RecurrentState<T> zero_state(std::int64_t batch) const;

  /// One time step. x is (batch, in), or (batch) indices that stand for one-hot rows, which are never formed.
  /// Throws ValueError before the module has parameters and for a bidirectional one, ShapeError where x or
  /// the state do not fit.
  RecurrentState<T> step(const Tensor<T>& x, const RecurrentState<T>& state,
                         Location at = Location::current()) const;
  RecurrentState<T> step(const Indices& x, const RecurrentState<T>& state,
                         Location at = Location::current()) const;

  /// All time steps. x is (time, batch, in), or (time, batch) indices; (batch, time, …) where `batch_first`.
  /// Without a batch it is (time, in) or (time), and there is none in the output and the states either.
  /// Throws as step() does, and for a sequence of no steps.
  Sequence operator()(const Tensor<T>& x, const RecurrentState<T>& state,
                      Location at = Location::current()) const;
  Sequence operator()(const Indices& x, const RecurrentState<T>& state,
                      Location at = Location::current()) const;
  /// From the zero state.
  Sequence operator()(const Tensor<T>& x, Location at = Location::current()) const;
  Sequence operator()(const Indices& x, Location at = Location::current()) const;

  /// Sequences of different lengths, (batch) of them, as by torch.nn.utils.rnn.pack_padded_sequence, in any
  /// order: what x holds after a sequence's end is not read, the output there is 0, and the state is that
  /// after each sequence's own last step. Only the steps that there are cost anything. Throws as the others
  /// do, and for a length that is not from 1 to the steps of x; not in the function of a Replay, which could
  /// not read other lengths.
  Sequence operator()(const Tensor<T>& x, const RecurrentState<T>& state, const Indices& lengths,
                      Location at = Location::current()) const;
  Sequence operator()(const Indices& x, const RecurrentState<T>& state, const Indices& lengths,
                      Location at = Location::current()) const;
  Sequence operator()(const Tensor<T>& x, const Indices& lengths, Location at = Location::current()) const;
  Sequence operator()(const Indices& x, const Indices& lengths, Location at = Location::current()) const;

  void visit(auto&& v) {
    for (std::size_t k = 0; k < layers.size(); ++k) {
      const auto both = static_cast<std::size_t>(directions());
      const std::string suffix = "_l" + std::to_string(k / both) + (k % both ? "_reverse" : "");
      v("weight_ih" + suffix, layers[k].weight_ih);
      v("weight_hh" + suffix, layers[k].weight_hh);
      v("bias_ih" + suffix, layers[k].bias_ih);
      v("bias_hh" + suffix, layers[k].bias_hh);
      if (options.proj_size) v("weight_hr" + suffix, layers[k].weight_hr);
    }
    v.training(training);
  }
  std::string attributes() const;
};

/// h' = tanh or relu of W_ih x + b_ih + W_hh h + b_hh. `RNN<> rnn{in, hidden, {.layers = 2}}`.
template <Real T = float>
struct RNN : Recurrent<T> {
  RNN() = default;
  RNN(std::int64_t in, std::int64_t hidden, const RecurrentOptions& chosen = {},
      Generator& generator = default_generator(), Location at = Location::current())
      : Recurrent<T>(Cell::rnn, in, hidden, chosen, generator, at) {}
};

/// Long short-term memory; gates in the order i, f, g, o (see lstm_step).
template <Real T = float>
struct LSTM : Recurrent<T> {
  LSTM() { this->cell = Cell::lstm; }
  LSTM(std::int64_t in, std::int64_t hidden, const RecurrentOptions& chosen = {},
       Generator& generator = default_generator(), Location at = Location::current())
      : Recurrent<T>(Cell::lstm, in, hidden, chosen, generator, at) {}
};

/// Gated recurrent unit; gates in the order r, z, n (see gru_step).
template <Real T = float>
struct GRU : Recurrent<T> {
  GRU() { this->cell = Cell::gru; }
  GRU(std::int64_t in, std::int64_t hidden, const RecurrentOptions& chosen = {},
      Generator& generator = default_generator(), Location at = Location::current())
      : Recurrent<T>(Cell::gru, in, hidden, chosen, generator, at) {}
};

extern template struct RecurrentState<float>;
extern template struct RecurrentState<double>;
extern template struct Recurrent<float>;
extern template struct Recurrent<double>;

}  // namespace xgrad::nn
