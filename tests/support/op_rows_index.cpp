// Rows of the table of ops: reading and writing by index.
#include <xgrad/ops/index.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

// Indices 0, 2, 1, 0, 2, … below `limit` in an array of `shape`.
Indices some_indices(const Shape& shape, std::int64_t limit) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < shape.elements(); ++i) values.push_back((2 * i + i / 3) % limit);
  return {shape, values};
}

}  // namespace

void add_index_rows(OpTable& table) {
  for (const std::int64_t axis : {0, 1}) {
    const std::string note = axis == 0 ? "along the first axis" : "along the second axis";
    const std::vector<std::vector<Shape>> cases{{{3, 3}}, {{3, 4, 2}}, {{3, 3, 0}}, {{3, 3, 1}}};
    table.add({.name = "index_select",
               .note = note,
               .function = op([axis](const auto& x) {
                 return index_select(x[0], axis, {2, 0, 2});
               }),
               .cases = cases});
    table.add({.name = "index_select",
               .note = note + ", none",
               .function = op([axis](const auto& x) { return index_select(x[0], axis, Indices{}); }),
               .cases = {{{2, 2}}}});
    table.add({.name = "gather",
               .note = note,
               .function = op([axis](const auto& x) {
                 Shape shape = x[0].shape();
                 shape.set(static_cast<std::size_t>(axis), 4);
                 shape.set(static_cast<std::size_t>(1 - axis), 2);
                 return gather(x[0], axis, some_indices(shape, 3));
               }),
               .cases = cases});
    table.add(
        {.name = "scatter_add",
         .note = note,
         .function = op(
             [axis](const auto& x) { return scatter_add(x[0], axis, some_indices(x[1].shape(), 3), x[1]); }),
         .cases = {{{3, 3}, {3, 3}}, {{3, 3}, {2, 2}}, {{3, 3, 2}, {3, 3, 1}}, {{3, 3, 1}, {3, 3, 0}}}});
    table.add({.name = "scatter_add",
               .note = note + ", of a part of the source",
               .function = op([axis](const auto& x) {
                 return scatter_add(x[0], axis, some_indices({2, 2}, 3), x[1]);
               }),
               .cases = {{{3, 3}, {3, 4}}, {{3, 3}, {3, 3}}}});
  }
  table.add({.name = "embedding",
             .function = op([](const auto& x) {
               return embedding(x[0], Indices{{2, 0, 2}, {1, 2, 0}});
             }),
             .cases = {{{3, 4}}, {{5, 1}}, {{3, 0}}}});
  table.add(
      {.name = "masked_fill",
       .function = op([](const auto& x) { return masked_fill(x[0], x[1] > 0.5, -3); }),
       .cases = {{{2, 3}, {2, 3}}, {{2, 3}, {3}}, {{2, 3}, {2, 1}}, {{2, 3}, {}}, {{0, 3}, {3}}, {{1}, {1}}},
       .domains = {{}, {.kinks = {0.5}, .constant = true}}});
  table.exempt("one_hot", "it takes integers only");
  table.exempt("to_tensor", "it takes integers only");
  table.exempt("to_indices", "it gives integers");
}

}  // namespace xgrad::testing
