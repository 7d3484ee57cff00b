// One layer of a recurrent network in one direction.
#include <xgrad/nn/rnn_layer.hpp>

#include <utility>

#include <xgrad/autograd/core/scope.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn::detail {

namespace {

// The gates of an LSTM from their pre-activations, for the one whose h is projected.
constexpr auto lstm_gates = formula("lstm_gates", [](auto i, auto f, auto g, auto o, auto c) {
  const auto next = keep(sigmoid(f) * c + sigmoid(i) * tanh(g));
  return outputs(sigmoid(o) * tanh(next), next);
});

}  // namespace

// The hidden bias is added to the whole sequence at once; not in a GRU, whose reset gate acts on it.
template <Real T>
Tensor<T> RecurrentLayer<T>::project(const Tensor<T>& x, Location at) const {
  const Tensor<T> bias =
      adds_biases() ? xgrad::detail::Operand<T>(weights.bias_ih, at) + weights.bias_hh : weights.bias_ih;
  return bias.defined() ? linear(x, weights.weight_ih, bias, at) : linear(x, weights.weight_ih, at);
}
template <Real T>
Tensor<T> RecurrentLayer<T>::project(const Indices& x, Location at) const {
  return xgrad::detail::one_hot_linear_of(name_of(cell), x, weights.weight_ih, weights.bias_ih,
                                          adds_biases() ? weights.bias_hh : Tensor<T>(), at);
}

template <Real T>
Tensor<T> RecurrentLayer<T>::advance(const Tensor<T>& zx, const Tensor<T>& h, Tensor<T>& c,
                                     const StepMemory<T>& memory, Location at) const {
  if (cell == Cell::gru) return gru_step(zx, h, weights.weight_hh, weights.bias_hh, memory, at);
  if (weights.weight_hr.defined()) {
    auto [whole, next_c] =
        lstm_gates(chunks<4>(xgrad::detail::Operand<T>(zx, at) + linear(h, weights.weight_hh, at)), c);
    c = std::move(next_c);
    return linear(whole, weights.weight_hr, at);
  }
  if (cell == Cell::lstm) {
    auto [next_h, next_c] = lstm_step(zx, h, c, weights.weight_hh, memory, at);
    c = std::move(next_c);
    return next_h;
  }
  return nonlinearity == Nonlinearity::tanh ? rnn_tanh_step(zx, h, weights.weight_hh, memory, at)
                                            : rnn_relu_step(zx, h, weights.weight_hh, memory, at);
}

// Every h is written straight into its place in the result, so joining them costs nothing.
template <Real T>
Tensor<T> RecurrentLayer<T>::unroll(const Tensor<T>& zx, bool reverse, Tensor<T>& h, Tensor<T>& c,
                                    Location at) const {
  const bool zx_donated = zx.unique();  // no op saved it: each step may work in its part
  const bool in_place = zx_donated && cell == Cell::rnn;
  auto steps = xgrad::detail::rows(zx, at);  // of zx, and then of h
  const auto time = static_cast<std::int64_t>(steps.size());
  const Shape shape = h.shape();
  const Tensor<T> buffer = in_place ? zx.detach() : empty<T>({time, shape[0], shape[1]});
  StepMemory<T> memory{.zx_donated = zx_donated};
  const Tensor<T>* last = &h;
  for (std::int64_t k = 0; k < time; ++k) {
    const std::int64_t t = reverse ? time - 1 - k : k;
    const named_scope scope("", t);
    Tensor<T>& step = steps[static_cast<std::size_t>(t)];
    if (!in_place) memory.h = Tensor<T>(buffer.part(shape, t * shape.elements()));
    step = advance(step, *last, c, memory, at);
    last = &step;
  }
  const bool written = !weights.weight_hr.defined();  // a projected h is where its product put it
  if (last->requires_grad() || !written) {
    h = *last;
    return stack(std::span<const Tensor<T>>(steps), 0, at);
  }
  // Nothing was recorded: the result is the buffer, which its user may write to.
  h = Tensor<T>(xgrad::detail::copy_of(*last));
  return buffer;
}

template <Real T>
Tensor<T> RecurrentLayer<T>::unroll(const Tensor<T>& zx, const Packed& packed, bool reverse, Tensor<T>& h,
                                    Tensor<T>& c, Location at) const {
  const std::vector<Tensor<T>> steps = split(zx, packed.sizes, 0, at);
  CellState<T> state{h};
  if (cell == Cell::lstm) state.push_back(c);
  const std::vector<Tensor<T>> outputs =
      run_steps<T>(packed.sizes, reverse, state, at, [&](std::size_t t, CellState<T> now) {
        const named_scope scope("", static_cast<std::int64_t>(t));
        Tensor<T> unused;
        now[0] = advance(steps[t], now[0], now.size() > 1 ? now[1] : unused, {}, at);
        return now;
      });
  h = state[0];
  if (cell == Cell::lstm) c = state[1];
  return cat(std::span<const Tensor<T>>(outputs), 0, at);
}

#define XGRAD_INSTANTIATE(T) template struct RecurrentLayer<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn::detail
