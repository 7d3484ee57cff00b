// Memory of the hand-written training step, and its parameters in PyTorch's layout.
#include "handwritten.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

namespace xgrad::benchmarks {
namespace {

const StepTable<float>& step_table(float) { return step_float(); }
const StepTable<double>& step_table(double) { return step_double(); }

template <class T>
constexpr std::size_t line = 64 / sizeof(T);

template <class T>
std::size_t padded(std::size_t n) {
  return (n + line<T> - 1) / line<T> * line<T>;
}

/// Distance between padded rows: rows a multiple of 2 KB apart compete for the same sets of the caches.
template <class T>
std::size_t row_distance(std::size_t length) {
  return length * sizeof(T) % 2048 == 0 ? length + line<T> : length;
}

/// Cuts consecutive pieces of whole cache lines from memory; without memory it only counts.
template <class T>
struct Cutter {
  T* at;
  std::size_t used = 0;
  T* operator()(std::size_t count) {
    T* piece = at ? at + used : nullptr;
    used += padded<T>(count);
    return piece;
  }
};

template <class T>
Weights<T> cut_weights(const Step<T>& s, Cutter<T>& cut) {
  Weights<T> w;
  w.begin = w.table = cut(s.sizes.vocabulary * s.gates_row);
  w.w_hh = cut(s.gates * s.hidden_row);
  w.b_ih = cut(s.gates);
  w.b_hh = cut(s.gates);
  w.w_out = cut(s.sizes.vocabulary * s.hidden_row);
  w.b_out = cut(s.vocabulary);
  return w;
}

/// Lays the buffers out from `memory` on; returns how many elements they take.
template <class T>
std::size_t lay_out(Step<T>& s, T* memory) {
  const std::size_t rows = s.sizes.time * s.sizes.batch, state = (rows + s.sizes.batch) * s.hidden_row;
  const bool lstm = s.cell == Cell::lstm, rnn = s.cell == Cell::rnn, gru = s.cell == Cell::gru;
  Cutter<T> cut{memory};
  s.values = cut_weights(s, cut);
  s.weight_count = cut.used;
  s.gradients = cut_weights(s, cut);
  s.first_moment = cut(s.weight_count);
  s.second_moment = cut(s.weight_count);
  s.w_hh_transposed = cut(s.hidden * s.gates_row);
  s.w_out_transposed = cut(s.hidden * s.vocabulary);
  s.biased_table = cut(s.sizes.vocabulary * s.gates_row);
  s.h = cut(state);
  s.c = cut(lstm ? state : 0);
  s.z = cut(rnn ? 0 : rows * s.gates_row);
  s.candidate = cut(gru ? rows * s.hidden_row : 0);
  s.dh = cut(rows * s.hidden_row);
  s.dc = cut(s.sizes.batch * s.hidden_row);
  s.logits = cut(rows * s.vocabulary);
  s.used = cut(s.vocabulary);
  s.row_sums = cut(rows);
  return cut.used;
}

/// Where PyTorch's element (gate, unit, column) of each parameter lies here.
template <class T, class F>
void for_each_array(const Step<T>& s, const Weights<T>& w, F f) {
  const std::size_t gates = gate_count(s.cell), hidden = s.sizes.hidden, vocabulary = s.sizes.vocabulary;
  const auto row = [&](std::size_t r) { return r / hidden * s.hidden + r % hidden; };
  f("rnn.weight_ih_l0", gates * hidden, vocabulary,
    [&](auto r, auto c) { return w.table + c * s.gates_row + row(r); });
  f("rnn.weight_hh_l0", gates * hidden, hidden,
    [&](auto r, auto c) { return w.w_hh + row(r) * s.hidden_row + c; });
  f("rnn.bias_ih_l0", gates * hidden, 1, [&](auto r, auto) { return w.b_ih + row(r); });
  f("rnn.bias_hh_l0", gates * hidden, 1, [&](auto r, auto) { return w.b_hh + row(r); });
  f("fc.weight", vocabulary, hidden, [&](auto r, auto c) { return w.w_out + r * s.hidden_row + c; });
  f("fc.bias", vocabulary, 1, [&](auto r, auto) { return w.b_out + r; });
}

void check_size(const char* what, std::size_t found, std::size_t expected) {
  if (found != expected)
    throw std::invalid_argument("Handwritten: " + std::string(what) + " has " + std::to_string(found) +
                                " elements, expected " + std::to_string(expected));
}

}  // namespace

template <class T>
Handwritten<T>::Handwritten(Cell cell, const Sizes& sizes, const Arrays<T>& parameters) : step_{} {
  step_.cell = cell;
  step_.sizes = sizes;
  step_.hidden = padded<T>(sizes.hidden);
  step_.gates = gate_count(cell) * step_.hidden;
  step_.vocabulary = padded<T>(sizes.vocabulary);
  step_.hidden_row = row_distance<T>(step_.hidden);
  step_.gates_row = row_distance<T>(step_.gates);
  step_.use_blas = sizes.hidden > 16;
  for (const std::size_t n : {sizes.vocabulary, sizes.hidden, sizes.time, sizes.batch})
    if (n == 0) throw std::invalid_argument("Handwritten: every size must be positive");

  // The buffer for run_products is used by it alone and lies last, in memory that is touched only then.
  arena_size_ = lay_out<T>(step_, nullptr);
  const std::size_t rows = sizes.time * sizes.batch;
  const std::size_t scratch = std::max({rows * step_.gates_row, rows * step_.vocabulary,
                                        step_.gates * step_.hidden_row, sizes.vocabulary * step_.hidden_row});
  constexpr std::size_t huge_page = 2 << 20;  // for which xgrad's pool asks, too
  const std::size_t used = (arena_size_ + padded<T>(scratch)) * sizeof(T),
                    bytes = (used + huge_page - 1) / huge_page * huge_page;
  arena_.reset(static_cast<T*>(std::aligned_alloc(huge_page, bytes)));
  if (!arena_) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(arena_.get(), bytes, MADV_HUGEPAGE);
#endif
  std::fill_n(arena_.get(), arena_size_, T(0));
  lay_out(step_, arena_.get());
  step_.products = arena_.get() + arena_size_;

  std::fill_n(step_.values.b_out, step_.vocabulary, -std::numeric_limits<T>::infinity());
  std::fill_n(step_.used, sizes.vocabulary, T(1));
  std::fill_n(step_.row_sums, padded<T>(rows), T(1));
  for_each_array(step_, step_.values,
                 [&](const char* name, std::size_t rows_of, std::size_t columns, auto at) {
                   const auto found = parameters.find(name);
                   if (found == parameters.end())
                     throw std::invalid_argument("Handwritten: no " + std::string(name));
                   check_size(name, found->second.size(), rows_of * columns);
                   for (std::size_t k = 0; k < rows_of * columns; ++k)
                     *at(k / columns, k % columns) = found->second[k];
                 });
}

template <class T>
T Handwritten<T>::step(std::span<const std::int64_t> inputs, std::span<const std::int64_t> targets,
                       const Update& update) {
  const std::size_t count = step_.sizes.time * step_.sizes.batch;
  check_size("inputs", inputs.size(), count);
  check_size("targets", targets.size(), count);
  return step_table(T()).run[static_cast<std::size_t>(step_.cell)](step_, inputs.data(), targets.data(),
                                                                   update);
}

template <class T>
void Handwritten<T>::run_products() {
  step_table(T()).products[static_cast<std::size_t>(step_.cell)](step_);
}

template <class T>
Arrays<T> Handwritten<T>::named(const Weights<T>& from) const {
  Arrays<T> arrays;
  for_each_array(step_, from, [&](const char* name, std::size_t rows, std::size_t columns, auto at) {
    auto& array = arrays[name];
    for (std::size_t k = 0; k < rows * columns; ++k) array.push_back(*at(k / columns, k % columns));
  });
  return arrays;
}

template <class T>
std::vector<T> Handwritten<T>::state(const T* rows) const {
  std::vector<T> values;
  for (std::size_t b = 0; b < step_.sizes.batch; ++b)
    values.insert(values.end(), rows + b * step_.hidden_row,
                  rows + b * step_.hidden_row + step_.sizes.hidden);
  return values;
}

template <class T>
std::vector<T> Handwritten<T>::h() const {
  return state(step_.h);
}

template <class T>
std::vector<T> Handwritten<T>::c() const {
  return step_.cell == Cell::lstm ? state(step_.c) : std::vector<T>();
}

template <class T>
void Handwritten<T>::set_state(std::span<const T> h, std::span<const T> c) {
  const std::size_t batch = step_.sizes.batch, hidden = step_.sizes.hidden;
  const auto copy = [&](const char* name, std::span<const T> from, T* to) {
    check_size(name, from.size(), batch * hidden);
    for (std::size_t b = 0; b < batch; ++b)
      std::copy_n(from.data() + b * hidden, hidden, to + b * step_.hidden_row);
  };
  copy("h", h, step_.h);
  if (step_.cell == Cell::lstm) copy("c", c, step_.c);
}

template class Handwritten<float>;
template class Handwritten<double>;

}  // namespace xgrad::benchmarks
