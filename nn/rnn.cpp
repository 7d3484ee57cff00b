// Recurrent networks, unrolled from ops.
#include <xgrad/nn/rnn.hpp>

#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/scope.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/nn/rnn_layer.hpp>
#include <xgrad/ops/dropout.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn {

namespace {

using detail::name_of;

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
  if (options.proj_size != 0 && cell != Cell::lstm)
    throw ValueError(fmt::format("{}: proj_size is {}; only LSTM projects its h", name, options.proj_size));
  if (options.proj_size < 0 || options.proj_size >= hidden_size)
    throw ValueError(fmt::format("{}: proj_size is {}; it is at least 0 and below the hidden size, {}", name,
                                 options.proj_size, hidden_size));
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

// h of one direction.
template <Real T>
std::int64_t state_size(const Recurrent<T>& rnn) {
  return rnn.options.proj_size ? rnn.options.proj_size : rnn.hidden_size;
}

// `batch` undefined where there is no batch axis.
template <Real T>
void check_state(const Recurrent<T>& rnn, const RecurrentState<T>& state, std::optional<std::int64_t> batch) {
  const auto start = [&] {
    return batch ? fmt::format("zero_state({})", *batch) : std::string("the zero state, by passing none");
  };
  const auto check = [&](const char* what, const auto& list, std::int64_t size) {
    const Shape expected = batch ? Shape{*batch, size} : Shape{size};
    if (list.size() != rnn.layers.size())
      throw ShapeError(fmt::format("{}: the state has {} of {} layers and the network {} {}; start from {}",
                                   name_of(rnn.cell), what, list.size(), rnn.layers.size(),
                                   rnn.options.bidirectional ? "of layers in two directions" : "layers",
                                   start()));
    for (const Tensor<T>& x : list)
      if (!x.defined() || x.shape() != expected)
        throw ShapeError(fmt::format(
            "{}: the state's {} has shape {} where this input needs {}; start from {}", name_of(rnn.cell),
            what, x.defined() ? to_string(x.shape()) : "undefined", to_string(expected), start()));
  };
  check("h", state.h, state_size(rnn));
  if (rnn.cell == Cell::lstm) check("c", state.c, rnn.hidden_size);
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

// Whether there is a batch axis.
template <Real T>
bool check_sequence(const Recurrent<T>& rnn, const Tensor<T>& x) {
  if (!x.defined() || (x.rank() != 3 && x.rank() != 2) || x.size(-1) != rnn.input_size)
    bad_input(rnn, x.shape(),
              fmt::format("{0}, {1}) or (time, {1}", rnn.options.batch_first ? "batch, time" : "time, batch",
                          rnn.input_size));
  return x.rank() == 3;
}
template <Real T>
bool check_sequence(const Recurrent<T>& rnn, const Indices& x) {
  if (x.shape().rank() != 2 && x.shape().rank() != 1)
    bad_input(rnn, x.shape(), rnn.options.batch_first ? "batch, time) or (time" : "time, batch) or (time");
  return x.shape().rank() == 2;
}

template <Real T>
detail::RecurrentLayer<T> layer_of(const Recurrent<T>& rnn, std::size_t k) {
  return {rnn.cell, rnn.options.nonlinearity, rnn.layers[k]};
}

// What goes from one layer to the next.
template <Real T>
Tensor<T> dropped(const Recurrent<T>& rnn, const Tensor<T>& x, Location at) {
  return rnn.options.dropout > 0 ? dropout(x, rnn.options.dropout, rnn.training, default_generator(), at) : x;
}

// One layer in both directions over its input: its output, and the next state in place of the old.
template <Real T, class X>
Tensor<T> run_layer(const Recurrent<T>& rnn, std::size_t layer, const X& x, RecurrentState<T>& state,
                    const detail::Packed* packed, Location at) {
  const auto one_way = [&](bool reverse) {
    const std::size_t k = reverse ? 2 * layer + 1 : layer * static_cast<std::size_t>(rnn.directions());
    const auto one = layer_of(rnn, k);
    const Tensor<T> zx = one.project(x, at);
    return packed ? one.unroll(zx, *packed, reverse, state.h[k], state.c[k], at)
                  : one.unroll(zx, reverse, state.h[k], state.c[k], at);
  };
  if (!rnn.options.bidirectional) return one_way(false);
  const Tensor<T> forward = one_way(false);
  const named_scope scope("reverse");
  return cat({forward, one_way(true)}, -1, at);
}

// All layers over x, (time, batch, …), or packed rows.
template <Real T, class X>
typename Recurrent<T>::Sequence run_layers(const Recurrent<T>& rnn, const X& x, RecurrentState<T> initial,
                                           const detail::Packed* packed, Location at) {
  typename Recurrent<T>::Sequence result{{}, std::move(initial)};
  auto& [output, state] = result;
  state.c.resize(rnn.layers.size());
  const auto layers = static_cast<std::size_t>(rnn.options.layers);
  for (std::size_t k = 0; k < layers; ++k) {
    const named_scope scope(layers > 1 ? fmt::format("l{}", k) : std::string());
    output = k == 0 ? run_layer(rnn, k, x, state, packed, at)
                    : run_layer(rnn, k, dropped(rnn, output, at), state, packed, at);
  }
  if (rnn.cell != Cell::lstm) state.c.clear();
  return result;
}

// f of every tensor of a state.
template <Real T>
RecurrentState<T> mapped(const RecurrentState<T>& state, auto f) {
  RecurrentState<T> result;
  for (const Tensor<T>& h : state.h) result.h.push_back(f(h));
  for (const Tensor<T>& c : state.c) result.c.push_back(f(c));
  return result;
}

// Sequences of their own lengths, (time, batch, …).
template <Real T, class X>
typename Recurrent<T>::Sequence run_packed(const Recurrent<T>& rnn, const X& x,
                                           const RecurrentState<T>& initial, const Indices& lengths,
                                           Location at) {
  const detail::Packed packed(name_of(rnn.cell), lengths, x.shape()[0], x.shape()[1]);
  const auto sorted = [&](const Indices& order) {
    return [&](const Tensor<T>& rows) { return index_select(rows, 0, order, at); };
  };
  auto result =
      run_layers(rnn, packed.pack(x, at), mapped(initial, sorted(packed.longest_first)), &packed, at);
  return {packed.unpack(result.output, at), mapped(result.state, sorted(packed.back))};
}

// With time first and a batch axis. `initial` null: from zeros; `lengths` null: all of them are whole.
template <Real T, class X>
typename Recurrent<T>::Sequence run_batch(const Recurrent<T>& rnn, const X& x,
                                          const RecurrentState<T>* initial, const Indices* lengths,
                                          Location at) {
  const std::int64_t batch = x.shape()[1];
  if (x.shape()[0] == 0)
    throw ShapeError(fmt::format("{}: a sequence of no steps, in a batch of {}; at least one is needed",
                                 name_of(rnn.cell), batch));
  if (initial) check_state(rnn, *initial, batch);
  RecurrentState<T> start = initial ? *initial : rnn.zero_state(batch);
  return lengths ? run_packed(rnn, x, start, *lengths, at)
                 : run_layers<T>(rnn, x, std::move(start), nullptr, at);
}

template <Real T, class X>
typename Recurrent<T>::Sequence run_unbatched(const Recurrent<T>& rnn, const X& x,
                                              const RecurrentState<T>* initial, const Indices* lengths,
                                              Location at) {
  if (lengths)
    throw ShapeError(
        fmt::format("{}: lengths for an input of shape {}, which has no batch axis; pass the steps "
                    "that there are",
                    name_of(rnn.cell), to_string(x.shape())));
  if (initial) check_state(rnn, *initial, std::nullopt);
  const auto with = [&](const Tensor<T>& row) { return unsqueeze(row, 0, at); };
  const auto without = [&](const Tensor<T>& row) { return squeeze(row, 0, at); };
  const RecurrentState<T> start = initial ? mapped(*initial, with) : rnn.zero_state(1);
  auto [output, state] = run_batch(rnn, unsqueeze(x, 1, at), &start, nullptr, at);
  return {squeeze(output, 1, at), mapped(state, without)};
}

template <Real T, class X>
typename Recurrent<T>::Sequence run_sequence(const Recurrent<T>& rnn, const X& x,
                                             const RecurrentState<T>* initial, const Indices* lengths,
                                             Location at) {
  const xgrad::detail::CallSite call(at);
  check_parameters(rnn);
  if (!check_sequence(rnn, x)) return run_unbatched(rnn, x, initial, lengths, at);
  if (!rnn.options.batch_first) return run_batch(rnn, x, initial, lengths, at);
  auto result = run_batch(rnn, transpose(x, 0, 1, at), initial, lengths, at);
  result.output = transpose(result.output, 0, 1, at);
  return result;
}

template <Real T, class X>
RecurrentState<T> run_step(const Recurrent<T>& rnn, const X& x, const RecurrentState<T>& state, Location at) {
  const xgrad::detail::CallSite call(at);
  check_parameters(rnn);
  if (rnn.options.bidirectional)
    throw ValueError(
        fmt::format("{}: a bidirectional network has no single step, as it needs the whole sequence; "
                    "call it with that",
                    name_of(rnn.cell)));
  check_step(rnn, x);
  check_state(rnn, state, x.shape()[0]);
  RecurrentState<T> next = state;
  next.c.resize(rnn.layers.size());
  for (std::size_t k = 0; k < rnn.layers.size(); ++k) {
    const auto layer = layer_of(rnn, k);
    const Tensor<T> zx = k == 0 ? layer.project(x, at) : layer.project(dropped(rnn, next.h[k - 1], at), at);
    next.h[k] = layer.advance(zx, next.h[k], next.c[k], {.zx_donated = zx.unique()}, at);
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
  for (std::int64_t k = 0; k < chosen.layers * directions(); ++k) {
    Layer& layer = layers.emplace_back();
    layer.weight_ih = parameter({rows, k < directions() ? in : output_size()});
    layer.weight_hh = parameter({rows, state_size(*this)});
    if (chosen.bias) {
      layer.bias_ih = parameter({rows});
      layer.bias_hh = parameter({rows});
    }
    if (chosen.proj_size) layer.weight_hr = parameter({chosen.proj_size, hidden});
  }
}

template <Real T>
std::int64_t Recurrent<T>::output_size() const {
  return state_size(*this) * directions();
}

template <Real T>
RecurrentState<T> Recurrent<T>::zero_state(std::int64_t batch) const {
  check_parameters(*this);
  RecurrentState<T> state;
  for (std::size_t k = 0; k < layers.size(); ++k) {
    state.h.push_back(zeros<T>({batch, state_size(*this)}));
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
  return named(*this, [&] { return run_sequence<T>(*this, x, &state, nullptr, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Tensor<T>& x, const RecurrentState<T>& state, const Indices& lengths,
                              Location at) const -> Sequence {
  return named(*this, [&] { return run_sequence<T>(*this, x, &state, &lengths, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Tensor<T>& x, Location at) const -> Sequence {
  return named(*this, [&] { return run_sequence<T>(*this, x, nullptr, nullptr, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Tensor<T>& x, const Indices& lengths, Location at) const -> Sequence {
  return named(*this, [&] { return run_sequence<T>(*this, x, nullptr, &lengths, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Indices& x, const RecurrentState<T>& state, Location at) const
    -> Sequence {
  return named(*this, [&] { return run_sequence<T>(*this, x, &state, nullptr, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Indices& x, const RecurrentState<T>& state, const Indices& lengths,
                              Location at) const -> Sequence {
  return named(*this, [&] { return run_sequence<T>(*this, x, &state, &lengths, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Indices& x, Location at) const -> Sequence {
  return named(*this, [&] { return run_sequence<T>(*this, x, nullptr, nullptr, at); });
}
template <Real T>
auto Recurrent<T>::operator()(const Indices& x, const Indices& lengths, Location at) const -> Sequence {
  return named(*this, [&] { return run_sequence<T>(*this, x, nullptr, &lengths, at); });
}

template <Real T>
std::string Recurrent<T>::attributes() const {
  if (layers.empty()) return "no parameters";
  std::string text = fmt::format("{}, {}", input_size, hidden_size);
  if (options.layers != 1) text += fmt::format(", num_layers={}", options.layers);
  if (!options.bias) text += ", bias=False";
  if (options.batch_first) text += ", batch_first=True";
  if (options.dropout > 0) text += fmt::format(", dropout={}", options.dropout);
  if (options.bidirectional) text += ", bidirectional=True";
  if (options.proj_size) text += fmt::format(", proj_size={}", options.proj_size);
  if (options.nonlinearity != Nonlinearity::tanh) text += ", nonlinearity=relu";
  return text;
}

#define XGRAD_INSTANTIATE(T)                                   \
  template struct RecurrentState<T>;                           \
  template RecurrentState<T> detach(const RecurrentState<T>&); \
  template struct Recurrent<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
