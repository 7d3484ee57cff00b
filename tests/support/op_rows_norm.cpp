// Rows of the table of ops: normalisation.
#include <xgrad/ops/norm.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

using Cases = std::vector<std::vector<Shape>>;

template <class X>
auto input(const X& x, std::size_t i) {
  return i < x.size() ? x[i] : typename X::value_type();
}

// Each function without weights, with a weight, and with both.
void add(OpTable& table, OpRow row, const Cases& shapes, const Shape& weight, std::size_t most_weights = 2) {
  for (std::size_t weights = 0; weights <= most_weights; ++weights) {
    OpRow next = row;
    next.note += ", " + std::to_string(weights) + " weights";
    for (auto inputs : shapes) {
      inputs.insert(inputs.end(), weights, weight);
      next.cases.push_back(inputs);
    }
    next.same_input = false;
    table.add(next);
  }
}

// For variances far from 0, so that differences tell the second derivatives.
const Domain spread{.adjust = [](const Shape&, std::span<double> values) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += i % 2 ? 1.5 : -1.5;
}};

void add_rows(OpTable& table) {
  const auto layer = [](const Shape& shape) {
    return op([shape](const auto& x) { return layer_norm(x[0], shape, input(x, 1), input(x, 2)); });
  };
  const auto rms = [](const Shape& shape) {
    return op([shape](const auto& x) { return rms_norm(x[0], shape, input(x, 1), 1e-3); });
  };
  for (const auto& [shape, cases] :
       std::vector<std::pair<Shape, Cases>>{{{5}, {{{5}}, {{3, 5}}, {{2, 1, 5}}, {{0, 5}}}},
                                            {{3, 2}, {{{3, 2}}, {{2, 3, 2}}}},
                                            {{37}, {{{2, 37}}}}}) {
    add(table,
        {.name = "layer_norm", .note = to_string(shape), .function = layer(shape), .domains = {spread}},
        cases, shape);
    add(table, {.name = "rms_norm", .note = to_string(shape), .function = rms(shape), .domains = {spread}},
        cases, shape, 1);
  }
  table.add({.name = "rms_norm",
             .note = "PyTorch's eps",
             .function = op([](const auto& x) { return rms_norm(x[0], {4}); }),
             .cases = {{{3, 4}}},
             .domains = {spread}});
  table.add({.name = "layer_norm",
             .note = "a bias alone",
             .function = op([](const auto& x) {
               return layer_norm(x[0], {4}, typename std::decay_t<decltype(x)>::value_type(), x[1]);
             }),
             .cases = {{{3, 4}, {4}}},
             .domains = {spread}});
  table.add({.name = "layer_norm",
             .note = "long rows, many rows",
             .function = op([](const auto& x) { return layer_norm(x[0], {x[0].size(-1)}, x[1], x[1]); }),
             .cases = {{{2, 700}, {700}}, {{150, 2}, {2}}},
             .domains = {spread},
             .no_second_order = "there are too many elements"});
}

void add_channels(OpTable& table) {
  const Cases cases = {{{2, 4, 3}}, {{3, 4}}, {{2, 4, 2, 2}}};
  const Cases more_channels = {{{2, 6, 3}}, {{3, 6}}, {{1, 6, 2, 2}}};
  for (const std::int64_t groups : {1, 2})
    add(table,
        {.name = "group_norm",
         .note = std::to_string(groups) + " groups",
         .function =
             op([groups](const auto& x) { return group_norm(x[0], groups, input(x, 1), input(x, 2)); }),
         .domains = {spread}},
        more_channels, {6});
  add(table,
      {.name = "batch_norm",
       .note = "training",
       .function = op([](const auto& x) {
         const typename std::decay_t<decltype(x)>::value_type none;
         return batch_norm(x[0], none, none, input(x, 1), input(x, 2), {.training = true});
       }),
       .domains = {spread}},
      cases, {4});
  add(table,
      {.name = "batch_norm",
       .note = "evaluation",
       .function = op([](const auto& x) {
         using T = Element<decltype(x)>;
         const Tensor<T> mean{-1, 0, 0.5, 2}, variance{1, 0.5, 2, 4};
         return batch_norm(x[0], mean, variance, input(x, 1), input(x, 2));
       }),
       .domains = {{}}},
      {{{2, 4, 3}}, {{1, 4}}, {{0, 4}}}, {4});
}

}  // namespace

void add_norm_rows(OpTable& table) {
  add_rows(table);
  add_channels(table);
}

}  // namespace xgrad::testing
