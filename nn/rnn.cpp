// Recurrent networks, unrolled from ops.
#include <xgrad/nn/rnn.hpp>

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/scope.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/ops/dropout.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/recurrent.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn {

namespace {

constexpr const char* name_of(Cell cell) {
  return cell == Cell::rnn ? "RNN" : cell == Cell::lstm ? "LSTM" : "GRU";
}

void check_options(Cell cell, std::int64_t input_size, std::int64_t hidden_size,
                   const RecurrentOptions& options) {
  const char* name = name_of(cell);
  if (input_size < 1 || hidden_size < 1)
    throw ValueError(
        fmt::format("{}: sizes must be at least 1, got in = {}, hidden = {}", name, input_size, hidden_size));
  if (options.layers < 1)
    throw ValueError(fmt::format("{}: at least one layer is needed, got {}", name, options.layers));
  if (!(options.dropout >= 0 && options.dropout <= 1))
    throw ValueError(fmt::format("{}: dropout is a probability in [0, 1], got {}", name, options.dropout));
  if (options.dropout > 0 && options.layers == 1)
    throw ValueError(fmt::format(
        "{0}: dropout acts between layers, and there is one; give it .layers = 2 or more, or put an "
        "nn::Dropout{{{1}}} after it",
        name, options.dropout));
  if (options.nonlinearity != Nonlinearity::tanh &&
      (options.nonlinearity != Nonlinearity::relu || cell != Cell::rnn))
    throw ValueError(fmt::format("{}: {}", name,
                                 cell == Cell::rnn ? "the nonlinearity is tanh or relu"
                                                   : "the nonlinearities are fixed; only RNN takes one"));
}

template <Real T>
void check_parameters(const Recurrent<T>& rnn) {
  if (rnn.layers.empty())
    throw ValueError(
        fmt::format("{0}: used before it has parameters; construct it with its sizes, {0}<>{{in, hidden}}",
                    name_of(rnn.cell)));
}

// A call, whose errors say which network of the program it was.
template <Real T>
decltype(auto) named(const Recurrent<T>& rnn, auto call) {
  return detail::in_module(rnn.layers.empty() ? Tensor<T>() : rnn.layers[0].weight_ih, call);
}

template <Real T>
void check_state(const Recurrent<T>& rnn, const RecurrentState<T>& state, std::int64_t batch) {
  const Shape expected{batch, rnn.hidden_size};
  const auto check = [&](const char* what, const auto& list) {
    if (list.size() != rnn.layers.size())
      throw ShapeError(fmt::format(
          "{}: the state has {} of {} layers and the network {} layers; start from zero_state({})",
          name_of(rnn.cell), what, list.size(), rnn.layers.size(), batch));
    for (const Tensor<T>& x : list)
      if (!x.defined() || x.shape() != expected)
        throw ShapeError(fmt::format(
            "{}: the state's {} has shape {} where this input needs {}; start from zero_state({})",
            name_of(rnn.cell), what, x.defined() ? to_string(x.shape()) : "undefined", to_string(expected),
            batch));
  };
  check("h", state.h);
  if (rnn.cell == Cell::lstm) check("c", state.c);
}

template <Real T>
[[noreturn]] void bad_input(const Recurrent<T>& rnn, const Shape& shape, std::string_view axes) {
  throw ShapeError(fmt::format("{}: an input of shape {} where ({}) is needed", name_of(rnn.cell),
                               to_string(shape), axes));
}

template <Real T>
void check_step(const Recurrent<T>& rnn, const Tensor<T>& x) {
  if (!x.defined() || x.rank() != 2 || x.shape()[1] != rnn.input_size)
    bad_input(rnn, x.shape(), fmt::format("batch, {}", rnn.input_size));
}
template <Real T>
void check_step(const Recurrent<T>& rnn, const Indices& x) {
  if (x.shape().rank() != 1) bad_input(rnn, x.shape(), "batch");
}

template <Real T>
void check_sequence(const Recurrent<T>& rnn, const Tensor<T>& x) {
  if (!x.defined() || x.rank() != 3 || x.shape()[2] != rnn.input_size)
    bad_input(rnn, x.shape(),
              fmt::format("{}, {}", rnn.options.batch_first ? "batch, time" : "time, batch", rnn.input_size));
}
template <Real T>
void check_sequence(const Recurrent<T>& rnn, const Indices& x) {
  if (x.shape().rank() != 2)
    bad_input(rnn, x.shape(), rnn.options.batch_first ? "batch, time" : "time, batch");
}

template <Real T>
Tensor<T> affine(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias, Location at) {
  return bias.defined() ? linear(x, weight, bias, at) : linear(x, weight, at);
}

// What goes from one layer to the next.
template <Real T>
Tensor<T> dropped(const Recurrent<T>& rnn, const Tensor<T>& x, Location at) {
  return rnn.options.dropout > 0 ? dropout(x, rnn.options.dropout, rnn.training, default_generator(), at) : x;
}

// Whether the hidden bias is added to the whole sequence at once: not in a GRU, whose reset gate acts on it.
template <Real T>
bool adds_biases(const Recurrent<T>& rnn, const typename Recurrent<T>::Layer& layer) {
  return rnn.cell != Cell::gru && layer.bias_hh.defined();
}

// What a layer's input contributes to its pre-activations.
template <Real T>
Tensor<T> project(const Recurrent<T>& rnn, const typename Recurrent<T>::Layer& layer, const Tensor<T>& x,
                  Location at) {
  const Tensor<T> bias =
      adds_biases(rnn, layer) ? xgrad::detail::Operand<T>(layer.bias_ih, at) + layer.bias_hh : layer.bias_ih;
  return affine(x, layer.weight_ih, bias, at);
}
template <Real T>
Tensor<T> project(const Recurrent<T>& rnn, const typename Recurrent<T>::Layer& layer, const Indices& x,
                  Location at) {
  return xgrad::detail::one_hot_linear_of(name_of(rnn.cell), x, layer.weight_ih, layer.bias_ih,
                                          adds_biases(rnn, layer) ? layer.bias_hh : Tensor<T>(), at);
}

// One step of one layer: the next h; c is changed in place.
template <Real T>
Tensor<T> advance(const Recurrent<T>& rnn, const typename Recurrent<T>::Layer& layer, const Tensor<T>& zx,
                  const Tensor<T>& h, Tensor<T>& c, const StepMemory<T>& memory, Location at) {
  if (rnn.cell == Cell::gru) return gru_step(zx, h, layer.weight_hh, layer.bias_hh, memory, at);
  if (rnn.cell == Cell::lstm) {
    auto [next_h, next_c] = lstm_step(zx, h, c, layer.weight_hh, memory, at);
    c = std::move(next_c);
    return next_h;
  }
  return rnn.options.nonlinearity == Nonlinearity::tanh ? rnn_tanh_step(zx, h, layer.weight_hh, memory, at)
                                                        : rnn_relu_step(zx, h, layer.weight_hh, memory, at);
}

// All steps of one layer: (time, batch, gates hidden) to (time, batch, hidden). Every h is written straight
// into its place in the result, so joining them costs nothing.
template <Real T>
Tensor<T> unroll(const Recurrent<T>& rnn, const typename Recurrent<T>::Layer& layer, const Tensor<T>& zx,
                 Tensor<T>& h, Tensor<T>& c, Location at) {
  const bool zx_donated = zx.unique();  // no op saved it: each step may work in its part
  const bool in_place = zx_donated && rnn.cell == Cell::rnn;
  auto steps = xgrad::detail::rows(zx, at);  // of zx, and then of h
  const auto time = static_cast<std::int64_t>(steps.size());
  const Shape shape = h.shape();
  const Tensor<T> buffer = in_place ? zx.detach() : empty<T>({time, shape[0], shape[1]});
  StepMemory<T> memory{.zx_donated = zx_donated};
  const Tensor<T>* last = &h;
  for (std::int64_t t = 0; t < time; ++t) {
    const named_scope scope("", t);
    Tensor<T>& step = steps[static_cast<std::size_t>(t)];
    if (!in_place) memory.h = Tensor<T>(buffer.view(shape, t * shape.elements()));
    step = advance(rnn, layer, step, *last, c, memory, at);
    last = &step;
  }
  if (last->requires_grad()) {
    h = *last;
    return stack(std::span<const Tensor<T>>(steps), 0, at);
  }
  // Nothing was recorded: the result is the buffer, which its user may write to.
  h = Tensor<T>(xgrad::detail::copy_of(*last));
  return buffer;
}

// All layers over x, (time, batch, …).
template <Real T, class X>
typename Recurrent<T>::Sequence run_layers(const Recurrent<T>& rnn, const X& x,
                                           const RecurrentState<T>& initial, Location at) {
  typename Recurrent<T>::Sequence result{{}, initial};
  auto& [output, state] = result;
  state.c.resize(rnn.layers.size());
  for (std::size_t k = 0; k < rnn.layers.size(); ++k) {
    const auto& layer = rnn.layers[k];
    const named_scope scope(rnn.layers.size() > 1 ? fmt::format("l{}", k) : std::string());
    const Tensor<T> zx =
        k == 0 ? project(rnn, layer, x, at) : project(rnn, layer, dropped(rnn, output, at), at);
    output = unroll(rnn, layer, zx, state.h[k], state.c[k], at);
  }
  if (rnn.cell != Cell::lstm) state.c.clear();
  return result;
}

// `initial` null: from zeros.
template <Real T, class X>
typename Recurrent<T>::Sequence run_sequence(const Recurrent<T>& rnn, const X& x,
                                             const RecurrentState<T>* initial, Location at) {
  const xgrad::detail::CallSite call(at);
  check_parameters(rnn);
  check_sequence(rnn, x);
  const bool batch_first = rnn.options.batch_first;
  const std::int64_t time = x.shape()[batch_first ? 1 : 0], batch = x.shape()[batch_first ? 0 : 1];
  if (time == 0)
    throw ShapeError(fmt::format("{}: a sequence of no steps, shape {}; at least one is needed",
                                 name_of(rnn.cell), to_string(x.shape())));
  if (initial) check_state(rnn, *initial, batch);
  auto result = run_layers(rnn, batch_first ? transpose(x, 0, 1, at) : x,
                           initial ? *initial : rnn.zero_state(batch), at);
  if (batch_first) result.output = transpose(result.output, 0, 1, at);
  return result;
}

template <Real T, class X>
RecurrentState<T> run_step(const Recurrent<T>& rnn, const X& x, const RecurrentState<T>& state, Location at) {
  const xgrad::detail::CallSite call(at);
  check_parameters(rnn);
  check_step(rnn, x);
  check_state(rnn, state, x.shape()[0]);
  RecurrentState<T> next = state;
  next.c.resize(rnn.layers.size());
  for (std::size_t k = 0; k < rnn.layers.size(); ++k) {
    const auto& layer = rnn.layers[k];
    const Tensor<T> zx =
        k == 0 ? project(rnn, layer, x, at) : project(rnn, layer, dropped(rnn, next.h[k - 1], at), at);
    next.h[k] = advance(rnn, layer, zx, next.h[k], next.c[k], {.zx_donated = zx.unique()}, at);
  }
  if (rnn.cell != Cell::lstm) next.c.clear();
  return next;
}

}  // namespace

template <Real T>
const Tensor<T>& RecurrentState<T>::output() const& {
  if (h.empty())
    throw ValueError(
        "RecurrentState: this state is empty (default constructed); start from zero_state(batch)");
  return h.back();
}

template <Real T>
RecurrentState<T> detach(const RecurrentState<T>& state) {
  RecurrentState<T> result;
  // Copies: a slice of a sequence's output would keep the whole window in memory.
  for (const Tensor<T>& h : state.h) result.h.push_back(Tensor<T>(xgrad::detail::copy_of(h)));
  for (const Tensor<T>& c : state.c) result.c.push_back(c.detach());
  return result;
}

template <Real T>
Recurrent<T>::Recurrent(Cell which, std::int64_t in, std::int64_t hidden, const RecurrentOptions& chosen,
                        Generator& generator, Location at)
    : cell(which), input_size(in), hidden_size(hidden), options(chosen) {
  const xgrad::detail::CallSite call(at);
  check_options(which, in, hidden, chosen);
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  const auto parameter = [&](const Shape& shape) {
    return init::uniform(empty<T>(shape), -bound, bound, generator).set_requires_grad();
  };
  const std::int64_t rows = detail::gates_of(which) * hidden;
  for (std::int64_t k = 0; k < chosen.layers; ++k) {
    Layer& layer = layers.emplace_back();
    layer.weight_ih = parameter({rows, k == 0 ? in : hidden});
    layer.weight_hh = parameter({rows, hidden});
    if (!chosen.bias) continue;
    layer.bias_ih = parameter({rows});
    layer.bias_hh = parameter({rows});
  }
}

template <Real T>
RecurrentState<T> Recurrent<T>::zero_state(std::int64_t batch) const {
  check_parameters(*this);
  RecurrentState<T> state;
  for (std::size_t k = 0; k < layers.size(); ++k) {
    state.h.push_back(zeros<T>({batch, hidden_size}));
    if (cell == Cell::lstm) state.c.push_back(zeros<T>({batch, hidden_size}));
  }
  return state;
}

template <Real T>
RecurrentState<T> Recurrent<T>::step(const Tensor<T>& x, const RecurrentState<T>& state, Location at) const {
  return named(*this, [&] { return run_step(*this, x, state, at); });
}
template <Real T>
RecurrentState<T> Recurrent<T>::step(const Indices& x, const RecurrentState<T>& state, Location at) const {
  return named(*this, [&] { return run_step(*this, x, state, at); });
}

template <Real T>
auto Recurrent<T>::operator()(const Tensor<T>& x, const RecurrentState<T>& state, Location at) const
    -> Sequence {
  return named(*this, [&] { return run_sequence(*this, x, &state, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Indices& x, const RecurrentState<T>& state, Location at) const
    -> Sequence {
  return named(*this, [&] { return run_sequence(*this, x, &state, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Tensor<T>& x, Location at) const -> Sequence {
  return named(*this, [&] { return run_sequence<T>(*this, x, nullptr, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Indices& x, Location at) const -> Sequence {
  return named(*this, [&] { return run_sequence<T>(*this, x, nullptr, at); });
}

template <Real T>
std::string Recurrent<T>::attributes() const {
  if (layers.empty()) return "no parameters";
  std::string text = fmt::format("{}, {}", input_size, hidden_size);
  if (options.layers != 1) text += fmt::format(", num_layers={}", options.layers);
  if (!options.bias) text += ", bias=False";
  if (options.batch_first) text += ", batch_first=True";
  if (options.dropout > 0) text += fmt::format(", dropout={}", options.dropout);
  if (options.nonlinearity != Nonlinearity::tanh) text += ", nonlinearity=relu";
  return text;
}

#define XGRAD_INSTANTIATE(T)                                   \
  template struct RecurrentState<T>;                           \
  template RecurrentState<T> detach(const RecurrentState<T>&); \
  template struct Recurrent<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
