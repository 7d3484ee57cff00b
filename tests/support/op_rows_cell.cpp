// Rows of the table of ops: the fused parts of recurrent cells, and products with one-hot rows.
#include <xgrad/ops/recurrent.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

// Hidden sizes below, at and beyond a register's width; an empty batch; nothing hidden.
const Shape state_shapes[] = {{2, 3}, {1, 1}, {3, 8}, {2, 17}, {0, 2}, {2, 0}};

// Shapes of zx, h, weight and what else an LSTM or a GRU takes.
enum class Last { none, c, bias };
std::vector<std::vector<Shape>> step_shapes(std::int64_t gates, Last last = Last::none) {
  std::vector<std::vector<Shape>> cases;
  for (const Shape& h : state_shapes) {
    const std::int64_t rows = gates * h[1];
    cases.push_back({{h[0], rows}, h, {rows, h[1]}});
    if (last != Last::none) cases.back().push_back(last == Last::c ? h : Shape{rows});
  }
  return cases;
}

// As many distinct indices below `limit` as there is room for, some of them twice.
Indices some_indices(const Shape& shape, std::int64_t limit) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < shape.elements(); ++i) values.push_back((i * i + 2) % limit);
  return {shape, std::move(values)};
}

}  // namespace

void add_cell_rows(OpTable& table) {
  table.add({.name = "rnn_tanh_step",
             .function = op([](const auto& x) { return rnn_tanh_step(x[0], x[1], x[2]); }),
             .cases = step_shapes(1)});
  table.add({.name = "rnn_relu_step",
             .function = op([](const auto& x) { return rnn_relu_step(x[0], x[1], x[2]); }),
             .cases = step_shapes(1),
             .domains = {{.low = 0.2}, {.low = -0.1, .high = 0.1}, {.low = -0.1, .high = 0.1}}});
  table.add({.name = "rnn_relu_step",
             .note = "where it is 0",
             .function = op([](const auto& x) { return rnn_relu_step(x[0], x[1], x[2]); }),
             .cases = {{{2, 3}, {2, 3}, {3, 3}}},
             .domains = {{.low = -1, .high = -0.2}, {.low = -0.1, .high = 0.1}, {.low = -0.1, .high = 0.1}}});
  table.add({.name = "lstm_step",
             .function = op([](const auto& x) { return lstm_step(x[0], x[1], x[3], x[2]); }),
             .cases = step_shapes(4, Last::c)});
  table.add({.name = "gru_step",
             .function = op([](const auto& x) { return gru_step(x[0], x[1], x[2], x[3]); }),
             .cases = step_shapes(3, Last::bias)});
  table.add({.name = "gru_step",
             .note = "without a bias",
             .function = op([](const auto& x) { return gru_step(x[0], x[1], x[2]); }),
             .cases = step_shapes(3)});
  for (const Shape& shape : {Shape{5}, Shape{2, 3}, Shape{1}, Shape{0}})
    table.add({.name = "one_hot_linear",
               .note = "indices of shape " + to_string(shape),
               .function = op([shape](const auto& x) {
                 return one_hot_linear(some_indices(shape, x[0].size(1)), x[0], x[1]);
               }),
               .cases = {{{4, 7}, {4}}, {{70, 3}, {70}}, {{1, 1}, {1}}, {{0, 2}, {0}}},
               .same_input = false});
  table.add(
      {.name = "one_hot_linear",
       .note = "without a bias",
       .function = op([](const auto& x) { return one_hot_linear(some_indices({6}, x[0].size(1)), x[0]); }),
       .cases = {{{4, 7}}, {{3, 1}}}});
  for (const Shape& shape : {Shape{2, 3}, Shape{1}})
    table.add({.name = "one_hot_linear",
               .note = "with two biases, indices of shape " + to_string(shape),
               .function = op([shape](const auto& x) {
                 return one_hot_linear(some_indices(shape, x[0].size(1)), x[0], x[1], x[2]);
               }),
               .cases = {{{4, 7}, {4}, {4}}, {{70, 3}, {70}, {70}}}});
}

}  // namespace xgrad::testing
