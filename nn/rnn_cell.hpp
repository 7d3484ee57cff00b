// One step of a recurrent network as a module: RNNCell, LSTMCell and GRUCell.
#pragma once

#include <array>

#include <xgrad/nn/rnn.hpp>

namespace xgrad::nn {

/// What the three cells share: the parameters of one layer, uniform in ±1/sqrt(hidden), under PyTorch's
/// names.
template <Real T = float>
struct RecurrentCell : Recurrent<T>::Layer {
  using value_type = T;

  Cell cell = Cell::rnn;
  std::int64_t input_size = 0, hidden_size = 0;
  Nonlinearity nonlinearity = Nonlinearity::tanh;

  RecurrentCell() = default;
  /// Throws as Recurrent does.
  RecurrentCell(Cell cell, std::int64_t in, std::int64_t hidden, bool bias, Nonlinearity nonlinearity,
                Generator& generator, Location at);

  void visit(auto&& v) {
    v("weight_ih", this->weight_ih);
    v("weight_hh", this->weight_hh);
    v("bias_ih", this->bias_ih);
    v("bias_hh", this->bias_hh);
  }
  std::string attributes() const;

 protected:
  /// The next h and c from x (batch, in), or (in) without a batch, and a state of the same kind; an undefined
  /// one is zeros.
  std::array<Tensor<T>, 2> next(const Tensor<T>& x, Tensor<T> h, Tensor<T> c, Location at) const;
};

/// torch.nn.RNNCell: `h = cell(x, h)`.
template <Real T = float>
struct RNNCell : RecurrentCell<T> {
  RNNCell() = default;
  RNNCell(std::int64_t in, std::int64_t hidden, bool bias = true,
          Nonlinearity activation = Nonlinearity::tanh, Generator& generator = default_generator(),
          Location at = Location::current())
      : RecurrentCell<T>(Cell::rnn, in, hidden, bias, activation, generator, at) {}

  /// x (batch, in) and h (batch, hidden), or (in) and (hidden); an undefined h is zeros. Throws ValueError
  /// before the module has parameters, ShapeError where the shapes do not fit.
  Tensor<T> operator()(const Tensor<T>& x, const Tensor<T>& h = {}, Location at = Location::current()) const {
    return this->next(x, h, {}, at)[0];
  }
};

/// torch.nn.GRUCell: `h = cell(x, h)`, on the terms of RNNCell.
template <Real T = float>
struct GRUCell : RecurrentCell<T> {
  GRUCell() { this->cell = Cell::gru; }
  GRUCell(std::int64_t in, std::int64_t hidden, bool bias = true, Generator& generator = default_generator(),
          Location at = Location::current())
      : RecurrentCell<T>(Cell::gru, in, hidden, bias, Nonlinearity::tanh, generator, at) {}

  Tensor<T> operator()(const Tensor<T>& x, const Tensor<T>& h = {}, Location at = Location::current()) const {
    return this->next(x, h, {}, at)[0];
  }
};

/// torch.nn.LSTMCell: `auto [h, c] = cell(x, {h, c});`, on the terms of RNNCell.
template <Real T = float>
struct LSTMCell : RecurrentCell<T> {
  LSTMCell() { this->cell = Cell::lstm; }
  LSTMCell(std::int64_t in, std::int64_t hidden, bool bias = true, Generator& generator = default_generator(),
           Location at = Location::current())
      : RecurrentCell<T>(Cell::lstm, in, hidden, bias, Nonlinearity::tanh, generator, at) {}

  std::array<Tensor<T>, 2> operator()(const Tensor<T>& x, const std::array<Tensor<T>, 2>& state = {},
                                      Location at = Location::current()) const {
    return this->next(x, state[0], state[1], at);
  }
};

extern template struct RecurrentCell<float>;
extern template struct RecurrentCell<double>;

}  // namespace xgrad::nn
