// Sequences of different lengths, packed: their rows one time step after another, without padding.
#pragma once

#include <string_view>
#include <vector>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::nn::detail {

/// How many of the sequences have each step, longest first, and where their rows are in a padded array (time,
/// batch, …), as torch.nn.utils.rnn.PackedSequence has it.
struct Packed {
  std::int64_t time, batch;
  std::vector<std::int64_t> sizes;  ///< of step t; steps after the longest sequence are none
  Indices longest_first, back;      ///< permutations of the sequences, and of a state
  Indices rows;                     ///< for each packed row, its number in the padded array
  Indices places;  ///< for each padded row, its packed one; past the last one where there is none

  /// Throws ShapeError or ValueError, naming `module`, unless there is a length from 1 to `time` for each
  /// sequence.
  Packed(std::string_view module, const Indices& lengths, std::int64_t time, std::int64_t batch);

  template <Real T>
  Tensor<T> pack(const Tensor<T>& padded, Location at) const;
  Indices pack(const Indices& padded, Location at) const;
  /// Zeros after the end of a sequence.
  template <Real T>
  Tensor<T> unpack(const Tensor<T>& packed, Location at) const;
};

/// What a cell carries from step to step; its output is the first.
template <Real T>
using CellState = std::vector<Tensor<T>>;

/// Every tensor's rows from `start` on, and rows of two states together.
template <Real T>
CellState<T> rows_of(const CellState<T>& state, std::int64_t start, std::int64_t count, Location at);
template <Real T>
CellState<T> joined(const std::vector<CellState<T>>& parts, Location at);

/// Runs `step(t, state)` over all steps, on as many sequences as have each, which are the first ones of
/// `state`, and returns what it gives first, by time. At the end `state` is that of each sequence's own last
/// step (first step, for `reverse`).
template <Real T, class Step>
std::vector<Tensor<T>> run_steps(const std::vector<std::int64_t>& sizes, bool reverse, CellState<T>& state,
                                 Location at, Step step) {
  std::vector<Tensor<T>> outputs(sizes.size());
  const CellState<T> initial = state;
  std::vector<CellState<T>> ended;  // the sequences that have no further step, shortest first
  if (reverse) state = rows_of(initial, 0, sizes.back(), at);
  std::int64_t now = reverse ? sizes.back() : sizes.front();
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const std::size_t t = reverse ? sizes.size() - 1 - k : k;
    if (sizes[t] > now) state = joined<T>({state, rows_of(initial, now, sizes[t] - now, at)}, at);
    if (sizes[t] < now) {
      ended.push_back(rows_of(state, sizes[t], now - sizes[t], at));
      state = rows_of(state, 0, sizes[t], at);
    }
    now = sizes[t];
    state = step(t, state);
    outputs[t] = state.front();
  }
  if (!ended.empty()) {
    ended.push_back(state);
    state = joined<T>({ended.rbegin(), ended.rend()}, at);
  }
  return outputs;
}

}  // namespace xgrad::nn::detail
