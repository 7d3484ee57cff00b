// A cell of your own, unrolled over time: layers, dropout, directions and lengths as RNN, LSTM and GRU have
// them.
#pragma once

#include <array>
#include <concepts>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/scope.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/module.hpp>
#include <xgrad/nn/packed.hpp>
#include <xgrad/ops/dropout.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn {

/// Options of Unrolled.
struct UnrolledOptions {
  std::int64_t layers = 1;
  double dropout = 0;          ///< between layers, while training
  bool batch_first = false;    ///< sequences are (batch, time, feature) instead of (time, batch, feature)
  bool bidirectional = false;  ///< other cells go backward in time; the outputs lie side by side
};

namespace detail {

/// What a cell carries, from what it can be called with: `cell(x, h)`, or `cell(x, {h, c, …})` of an array.
template <class C, Real T, std::size_t n = 2>
struct StateOf
    : std::conditional_t<std::invocable<const C&, const Tensor<T>&, const std::array<Tensor<T>, n>&>,
                         std::type_identity<std::array<Tensor<T>, n>>, StateOf<C, T, n + 1>> {};
template <class C, Real T>
struct StateOf<C, T, 5> {
  static_assert(sizeof(C) == 0,
                "Unrolled: a cell is called as cell(x, h), or cell(x, {h, c}) of a std::array of up "
                "to four tensors, and returns the next of these");
};
template <class C, Real T>
requires std::invocable < const C&, const Tensor<T>
&, const Tensor<T>& > struct StateOf<C, T, 2> : std::type_identity<Tensor<T>> {
};

template <Real T>
CellState<T> as_list(const Tensor<T>& state) {
  return {state};
}
template <Real T, std::size_t n>
CellState<T> as_list(const std::array<Tensor<T>, n>& state) {
  return {state.begin(), state.end()};
}
template <Real T>
void from_list(const CellState<T>& list, Tensor<T>& state) {
  state = list[0];
}
template <Real T, std::size_t n>
void from_list(const CellState<T>& list, std::array<Tensor<T>, n>& state) {
  std::ranges::copy(list, state.begin());
}

}  // namespace detail

/// Cells of your own, one for each layer and direction, over a sequence. A cell is a module that is called as
/// `cell(x, h)` with x (batch, in) and h (batch, hidden), or as `cell(x, {h, c})`, and returns the next of
/// the same; its output is h. `make(in, hidden)` makes one: `Unrolled<MyCell> net(3, 8, make, {.layers =
/// 2})`. The parameters are those of the cells, under "l0", "l0_reverse", "l1", ….
template <Module C, Real T = float>
struct Unrolled {
  using value_type = T;
  using State = detail::StateOf<C, T>::type;

  /// Output of the last layer at every step, (time, batch, hidden) or batch first, twice as wide where it is
  /// bidirectional, and of every cell the state after its last step.
  struct Sequence {
    Tensor<T> output;
    std::vector<State> state;
  };

  std::int64_t hidden_size = 0;
  UnrolledOptions options;
  std::vector<C> cells;
  bool training = true;

  Unrolled() = default;
  /// Throws ValueError for no layers, a dropout outside [0, 1], or one that has no two layers to lie between.
  template <std::invocable<std::int64_t, std::int64_t> Make>
  Unrolled(std::int64_t in, std::int64_t hidden, Make make, const UnrolledOptions& chosen = {},
           Location at = Location::current())
      : hidden_size(hidden), options(chosen) {
    const xgrad::detail::CallSite call(at);
    if (chosen.layers < 1)
      throw ValueError(fmt::format("Unrolled: at least one layer is needed, got {}", chosen.layers));
    if (!(chosen.dropout >= 0 && chosen.dropout <= 1) || (chosen.dropout > 0 && chosen.layers == 1))
      throw ValueError(
          fmt::format("Unrolled: dropout is {}; it is a probability, and acts between layers, of which "
                      "there are {}",
                      chosen.dropout, chosen.layers));
    for (std::int64_t k = 0; k < chosen.layers * directions(); ++k)
      cells.push_back(make(k < directions() ? in : hidden * directions(), hidden));
  }

  std::int64_t directions() const { return options.bidirectional ? 2 : 1; }

  /// Zeros for `batch` sequences, for every cell.
  std::vector<State> zero_state(std::int64_t batch) const {
    State zero;
    detail::from_list(detail::CellState<T>(detail::as_list(State()).size(), zeros<T>({batch, hidden_size})),
                      zero);
    return std::vector<State>(cells.size(), zero);
  }

  /// All time steps of x, (time, batch, in), or (batch, time, in) where `batch_first`, from the zero state or
  /// the one given; with lengths as RNN has them. Throws ValueError before there are cells, and as RNN does.
  Sequence operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return run(x, nullptr, nullptr, at);
  }
  Sequence operator()(const Tensor<T>& x, const std::vector<State>& state,
                      Location at = Location::current()) const {
    return run(x, &state, nullptr, at);
  }
  Sequence operator()(const Tensor<T>& x, const Indices& lengths, Location at = Location::current()) const {
    return run(x, nullptr, &lengths, at);
  }
  Sequence operator()(const Tensor<T>& x, const std::vector<State>& state, const Indices& lengths,
                      Location at = Location::current()) const {
    return run(x, &state, &lengths, at);
  }

  void visit(auto&& v) {
    const auto both = static_cast<std::size_t>(directions());
    for (std::size_t k = 0; k < cells.size(); ++k)
      v("l" + std::to_string(k / both) + (k % both ? "_reverse" : ""), cells[k]);
    v.training(training);
  }

 private:
  Sequence run(const Tensor<T>& given, const std::vector<State>* initial, const Indices* lengths,
               Location at) const {
    const xgrad::detail::CallSite call(at);
    if (cells.empty())
      throw ValueError(
          "Unrolled: used before it has cells; construct it with its sizes and what makes a cell");
    if (!given.defined() || given.rank() != 3 || given.elements() == 0)
      throw ShapeError(
          fmt::format("Unrolled: an input of shape {} where ({}, in) is needed, of one step or more",
                      to_string(given.shape()), options.batch_first ? "batch, time" : "time, batch"));
    const Tensor<T> x = options.batch_first ? transpose(given, 0, 1, at) : given;
    const std::int64_t time = x.shape()[0], batch = x.shape()[1];
    if (initial && initial->size() != cells.size())
      throw ShapeError(fmt::format("Unrolled: {} states for {} cells; start from zero_state({})",
                                   initial->size(), cells.size(), batch));
    Sequence result{{}, initial ? *initial : zero_state(batch)};
    if (lengths) {
      const detail::Packed packed("Unrolled", *lengths, time, batch);
      reorder(result.state, packed.longest_first, at);
      result.output = packed.unpack(run_layers(packed.pack(x, at), packed.sizes, result.state, at), at);
      reorder(result.state, packed.back, at);
    } else {
      const std::vector<std::int64_t> sizes(static_cast<std::size_t>(time), batch);
      const Tensor<T> rows =
          run_layers(reshape(x, {time * batch, x.shape()[2]}, at), sizes, result.state, at);
      result.output = reshape(rows, {time, batch, rows.shape()[1]}, at);
    }
    if (options.batch_first) result.output = transpose(result.output, 0, 1, at);
    return result;
  }

  // The rows of a sequence, one time step after another.
  Tensor<T> run_layers(Tensor<T> rows, const std::vector<std::int64_t>& sizes, std::vector<State>& states,
                       Location at) const {
    const auto both = static_cast<std::size_t>(directions());
    for (std::size_t first = 0; first < cells.size(); first += both) {
      const named_scope scope(fmt::format("l{}", first / both));
      if (first > 0 && options.dropout > 0)
        rows = dropout(rows, options.dropout, training, default_generator(), at);
      const std::vector<Tensor<T>> steps = split(rows, sizes, 0, at);
      std::vector<Tensor<T>> outputs;
      for (std::size_t d = 0; d < both; ++d)
        outputs.push_back(run_cell(first + d, steps, sizes, d == 1, states, at));
      rows = both == 1 ? outputs[0] : cat(outputs, -1, at);
    }
    return rows;
  }

  Tensor<T> run_cell(std::size_t k, const std::vector<Tensor<T>>& steps,
                     const std::vector<std::int64_t>& sizes, bool reverse, std::vector<State>& states,
                     Location at) const {
    detail::CellState<T> state = detail::as_list(states[k]);
    const auto outputs =
        detail::run_steps<T>(sizes, reverse, state, at, [&](std::size_t t, const detail::CellState<T>& list) {
          const named_scope scope("", static_cast<std::int64_t>(t));
          State now;
          detail::from_list(list, now);
          return detail::as_list(State(cells[k](steps[t], now)));
        });
    detail::from_list(state, states[k]);
    return cat(outputs, 0, at);
  }

  static void reorder(std::vector<State>& states, const Indices& order, Location at) {
    for (State& state : states) {
      detail::CellState<T> list = detail::as_list(state);
      for (Tensor<T>& x : list) x = index_select(x, 0, order, at);
      detail::from_list(list, state);
    }
  }
};

}  // namespace xgrad::nn
