// Rows of the table of ops: convolutions.
#include <xgrad/ops/conv.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

using Cases = std::vector<std::vector<Shape>>;

template <class X>
auto bias(const X& x) {
  return x.size() > 2 ? x[2] : typename X::value_type();
}

void add_conv2d(OpTable& table, const std::string& note, const ConvOptions& options, Cases cases) {
  table.add({.name = "conv2d",
             .note = note,
             .function = op([options](const auto& x) { return conv2d(x[0], x[1], bias(x), options); }),
             .cases = std::move(cases)});
}

void add_conv_transpose2d(OpTable& table, const std::string& note, const ConvTransposeOptions& options,
                          Cases cases) {
  table.add(
      {.name = "conv_transpose2d",
       .note = note,
       .function = op([options](const auto& x) { return conv_transpose2d(x[0], x[1], bias(x), options); }),
       .cases = std::move(cases)});
}

}  // namespace

void add_conv_rows(OpTable& table) {
  add_conv2d(table, "plain", {},
             {{{1, 1, 3, 3}, {1, 1, 2, 2}},
              {{2, 2, 3, 4}, {3, 2, 2, 3}, {3}},
              {{2, 3, 4}, {1, 2, 2, 2}},
              {{0, 2, 3, 3}, {2, 2, 2, 2}},
              {{1, 2, 2, 3}, {2, 2, 1, 1}, {2}},
              {{1, 0, 3, 3}, {2, 0, 2, 2}, {2}},
              {{1, 2, 3, 3}, {0, 2, 2, 2}}});
  add_conv2d(table, "padding", {.padding = {1, 2}},
             {{{1, 2, 3, 2}, {5, 2, 3, 3}, {5}}, {{1, 1, 1, 1}, {1, 1, 2, 4}}});
  add_conv2d(table, "same", {.padding = "same"},
             {{{1, 1, 3, 4}, {2, 1, 3, 3}}, {{1, 1, 3, 4}, {1, 1, 2, 4}, {1}}});
  add_conv2d(table, "same, dilation", {.padding = "same", .dilation = {1, 2}},
             {{{1, 1, 3, 4}, {2, 1, 2, 2}}});
  add_conv2d(table, "stride", {.stride = {2, 3}, .padding = 1},
             {{{1, 2, 4, 5}, {2, 2, 3, 2}, {2}}, {{2, 1, 3, 7}, {1, 1, 2, 5}}, {{1, 1, 4, 6}, {2, 1, 1, 1}}});
  add_conv2d(table, "stride and dilation", {.stride = 2, .padding = {0, 3}, .dilation = {1, 3}},
             {{{1, 2, 4, 6}, {2, 2, 2, 3}}});
  add_conv2d(table, "padding beyond the window", {.padding = 3}, {{{1, 1, 2, 2}, {2, 1, 2, 2}}});
  add_conv2d(table, "groups", {.padding = 1, .groups = 2},
             {{{2, 4, 2, 3}, {2, 2, 2, 2}, {2}}, {{1, 2, 2, 3}, {4, 1, 3, 3}}});
  add_conv2d(table, "depthwise", {.groups = 3}, {{{1, 3, 3, 3}, {3, 1, 2, 2}, {3}}});
  // Many channels, taps and columns: several tiles and blocks of each.
  table.add({.name = "conv2d",
             .note = "large",
             .function = op([](const auto& x) { return conv2d(x[0], x[1], x[2], {.padding = 1}); }),
             .cases = {{{1, 30, 3, 35}, {13, 30, 3, 3}, {13}}},
             .same_input = false,
             .no_second_order = "there are too many elements"});

  const auto one = [](const ConvOptions& options) {
    return op([options](const auto& x) { return conv1d(x[0], x[1], bias(x), options); });
  };
  table.add({.name = "conv1d",
             .function = one({}),
             .cases = {{{2, 2, 5}, {3, 2, 3}, {3}}, {{2, 4}, {1, 2, 2}}, {{0, 1, 3}, {1, 1, 2}}}});
  table.add({.name = "conv1d",
             .note = "stride, padding, dilation, groups",
             .function = one({.stride = 2, .padding = 2, .dilation = 2, .groups = 2}),
             .cases = {{{1, 4, 6}, {2, 2, 3}, {2}}}});
  table.add({.name = "conv1d",
             .note = "same",
             .function = one({.padding = "same"}),
             .cases = {{{1, 2, 4}, {2, 2, 4}}}});

  add_conv_transpose2d(
      table, "plain", {},
      {{{1, 1, 2, 2}, {1, 1, 2, 2}}, {{2, 2, 2, 3}, {2, 3, 2, 3}, {3}}, {{2, 2, 2}, {2, 1, 1, 1}, {1}}});
  add_conv_transpose2d(table, "stride", {.stride = 2, .padding = 1, .output_padding = 1},
                       {{{1, 2, 2, 3}, {2, 2, 3, 3}, {2}}});
  add_conv_transpose2d(table, "groups, dilation",
                       {.stride = {2, 1}, .padding = {1, 0}, .dilation = 2, .groups = 2},
                       {{{1, 4, 2, 2}, {4, 1, 2, 2}, {2}}});
}

}  // namespace xgrad::testing
