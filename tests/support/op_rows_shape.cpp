// Rows of the table of ops: shapes, parts, and putting together.
#include <xgrad/ops/shape.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

void add_view_rows(OpTable& table) {
  table.add({.name = "reshape",
             .function = op([](const auto& x) {
               return reshape(x[0], {-1, 2});
             }),
             .cases = {{{2, 3}}, {{0, 3}}, {{1, 2}}, {{4}}}});
  table.add({.name = "unflatten",
             .function = op([](const auto& x) {
               return unflatten(x[0], 1, {2, -1});
             }),
             .cases = {{{3, 4}}, {{2, 6, 2}}, {{0, 2}}}});
  table.add({.name = "flatten",
             .function = op([](const auto& x) { return flatten(x[0], 1, -1); }),
             .cases = {{{2, 3, 2}}, {{0, 3, 2}}, {{1, 1}}}});
  table.add({.name = "squeeze",
             .function = op([](const auto& x) { return std::pair(squeeze(x[0]), squeeze(x[0], 1)); }),
             .cases = {{{2, 1, 3}}, {{1, 1}}, {{0, 1}}, {{2, 3}}}});
  table.add({.name = "unsqueeze",
             .function = op([](const auto& x) { return unsqueeze(x[0], -1); }),
             .cases = {{{2, 3}}, {{}}, {{0}}, {{1}}}});
  table.add({.name = "expand",
             .function = op([](const auto& x) {
               return expand(x[0], {2, 3, -1});
             }),
             .cases = {{{3, 4}}, {{1, 2}}, {{3, 0}}, {{1, 1}}, {{2, 3, 1}}, {{2}}}});
}

void add_order_rows(OpTable& table) {
  table.add({.name = "transpose",
             .function = op([](const auto& x) { return transpose(x[0], 0, -1); }),
             .cases = {{{2, 3}}, {{2, 3, 4}}, {{0, 3}}, {{1, 3}}, {{3}}}});
  table.add({.name = "permute",
             .function = op([](const auto& x) {
               return permute(x[0], {2, 0, 1});
             }),
             .cases = {{{2, 3, 4}}, {{2, 0, 3}}, {{2, 3, 1}}, {{1, 1, 1}}}});
  table.add({.name = "flip",
             .function = op([](const auto& x) {
               return std::pair(flip(x[0], {0}), flip(x[0], {0, 1}));
             }),
             .cases = {{{2, 3}}, {{3, 2, 2}}, {{0, 3}}, {{1, 1}}}});
  table.add({.name = "pad",
             .function = op([](const auto& x) {
               return std::pair(pad(x[0], {1, 2}, 0.5), pad(x[0], {1, -1, -1, 2}));
             }),
             .cases = {{{2, 3}}, {{2, 1, 2}}, {{1, 1}}, {{0, 2, 3}}}});
}

void add_join_rows(OpTable& table) {
  for (const std::int64_t axis : {0, -1}) {
    const std::string note = axis == 0 ? "along the first axis" : "along the last axis";
    table.add(
        {.name = "cat",
         .note = note,
         .function = op([axis](const auto& x) { return cat(x, axis); }),
         .cases = {
             {{2, 3}, {2, 3}, {2, 3}}, {{2}, {3}, {0}}, {{0, 0}, {0, 0}}, {{1, 1}, {1, 1}}, {{1, 2, 3}}}});
    table.add({.name = "stack",
               .note = note,
               .function = op([axis](const auto& x) { return stack(x, axis); }),
               .cases = {{{2, 3}, {2, 3}, {2, 3}}, {{}, {}}, {{0}, {0}}, {{1}, {1}}, {{3}}}});
  }
  table.add({.name = "cat",
             .note = "of different sizes",
             .function = op([](const auto& x) { return cat(x, 1); }),
             .cases = {{{2, 3}, {2, 1}, {2, 0}}, {{2, 1, 2}, {2, 2, 2}}}});
}

void add_part_rows(OpTable& table) {
  for (const std::int64_t axis : {0, 1}) {
    const std::string note = axis == 0 ? "along the first axis" : "along the second axis";
    const std::vector<std::vector<Shape>> cases{{{3, 3}}, {{3, 4, 2}}, {{4, 3, 1}}, {{3, 3, 0}}};
    table.add({.name = "split",
               .note = note,
               .function = op([axis](const auto& x) { return split(x[0], 2, axis); }),
               .cases = cases});
    table.add({.name = "split",
               .note = note + ", one part unused",
               .function = op([axis](const auto& x) {
                 const auto parts = split(x[0], {1, 0, 1, 1}, axis);
                 return std::vector{parts[0], parts[3] * parts[0]};
               }),
               .cases = {axis == 0 ? std::vector<Shape>{{3, 2}} : std::vector<Shape>{{2, 3}}}});
    table.add({.name = "chunk",
               .note = note,
               .function = op([axis](const auto& x) { return chunk(x[0], 3, axis); }),
               .cases = cases});
    table.add({.name = "unbind",
               .note = note,
               .function = op([axis](const auto& x) { return unbind(x[0], axis); }),
               .cases = cases});
    table.add({.name = "unbind",
               .note = note + ", parts used again, together, and not at all",
               .function = op([axis](const auto& x) {
                 const auto parts = unbind(x[0], axis);
                 return std::vector{parts[0] * parts[2], parts[0] / (parts[0] * parts[0] + 1),
                                    parts[2] * parts[2] * parts[2]};
               }),
               .cases = {{{3, 3}}, {{3, 3, 2}}}});
    table.add({.name = "narrow",
               .note = note,
               .function =
                   op([axis](const auto& x) { return narrow(x[0], axis, -2, 2) * narrow(x[0], axis, 0, 2); }),
               .cases = cases});
    table.add(
        {.name = "select",
         .note = note,
         .function = op([axis](const auto& x) { return select(x[0], axis, -1) * select(x[0], axis, 1); }),
         .cases = cases});
  }
  table.add({.name = "slice",
             .function = op([](const auto& x) {
               return std::vector{slice(x[0], {{1, 3}}), slice(x[0], {{{}, {}, -1}, {1, {}, 2}}),
                                  slice(x[0], {{}, {{}, {}, -2}})};
             }),
             .cases = {{{4, 5}}, {{3, 4, 2}}, {{1, 3}}, {{0, 3}}}});
}

}  // namespace

void add_shape_rows(OpTable& table) {
  add_view_rows(table);
  add_order_rows(table);
  add_join_rows(table);
  add_part_rows(table);
}

}  // namespace xgrad::testing
