// The buffers of the hand-written training step, and the table of its compiled forms.
#pragma once

#include <cstddef>
#include <cstdint>

#include <xgrad/autograd/kernels/simd_level.hpp>

namespace xgrad::benchmarks {

enum class Cell { rnn, lstm, gru };
constexpr std::size_t cell_count = 3;

constexpr std::size_t gate_count(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }

struct Sizes {
  std::size_t vocabulary, hidden, time, batch;
};

/// What a step does to the parameters. Adam's other constants are PyTorch's; max_norm 0 means no clipping.
struct Update {
  enum class Rule { none, sgd, adam } rule = Rule::none;
  double lr = 0;
  double max_norm = 0;
};

/// Parameters, or as many gradients. Rows are padded with zeros to whole cache lines, so that loops have no
/// tails; every gate is a block of padded rows.
template <class T>
struct Weights {
  T* table;  ///< W_ih transposed, (vocabulary, gates·hidden): a character selects a row
  T* w_hh;   ///< (gates·hidden, hidden)
  T* b_ih;   ///< (gates·hidden)
  T* b_hh;   ///< (gates·hidden)
  T* w_out;  ///< (vocabulary, hidden)
  T* b_out;  ///< (vocabulary), -infinity in the padding
  T* begin;  ///< all of them lie in [begin, begin + Step::weight_count)
};

template <class T>
struct Step {
  Cell cell;
  Sizes sizes;
  std::size_t hidden, gates, vocabulary;  ///< padded lengths of rows: of one gate, of all, of logits
  std::size_t hidden_row, gates_row;      ///< distances between rows, in elements
  std::size_t weight_count;
  bool use_blas;  ///< false where the products are tiny: a call would take longer than the product

  Weights<T> values, gradients;
  T *first_moment, *second_moment;  ///< Adam's, laid out like the weights
  std::int64_t updates = 0;

  T *w_hh_transposed, *w_out_transposed;  ///< copies made at the beginning of every step
  T* biased_table;                        ///< table + the biases that are added before any gate
  T *h, *c;                               ///< (time + 1, batch, hidden): row 0 is the initial state
  T* z;          ///< (time, batch, gates): pre-activations, then gates, then their gradients; RNN: unused
  T* candidate;  ///< (time, batch, hidden): the GRU's n
  T* dh;         ///< (time, batch, hidden); the RNN's pre-activation gradients replace it
  T* dc;         ///< (batch, hidden)
  T* logits;     ///< (time · batch, vocabulary), then their gradients
  T* used;       ///< (vocabulary): 1, and 0 in the padding
  T* row_sums;   ///< (time · batch): of the exponentials, padded with 1
  T* products;   ///< where run_products writes
};

template <class T>
struct StepTable {
  T (*run[cell_count])(Step<T>&, const std::int64_t* inputs, const std::int64_t* targets, const Update&);
  void (*products[cell_count])(Step<T>&);
};

using kernels::simd_level;
using kernels::SimdLevel;
XGRAD_SIMD_TABLE(StepTable<float>, step_float)
XGRAD_SIMD_TABLE(StepTable<double>, step_double)

}  // namespace xgrad::benchmarks
