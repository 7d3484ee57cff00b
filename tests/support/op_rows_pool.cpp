// Rows of the table of ops: pooling and resizing.
#include <xgrad/ops/pool.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

using Cases = std::vector<std::vector<Shape>>;

// No two values closer than 0.1, so that no difference moves a largest element elsewhere.
const Domain distinct{.adjust = [](const Shape&, std::span<double> values) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.1 * static_cast<double>(i * 37 % 101) - 4;
}};

void add_maxima(OpTable& table) {
  const auto two = [](Size2 window, const MaxPoolOptions& options) {
    return op([=](const auto& x) { return max_pool2d(x[0], window, options); });
  };
  table.add({.name = "max_pool2d",
             .function = two(2, {}),
             .cases = {{{2, 2, 4, 5}}, {{1, 2, 2}}, {{0, 1, 2, 2}}},
             .domains = {distinct}});
  table.add({.name = "max_pool2d",
             .note = "overlapping, padded, dilated",
             .function = two({2, 3}, {.stride = {1, 2}, .padding = 1, .dilation = {2, 1}}),
             .cases = {{{1, 2, 4, 5}}},
             .domains = {distinct}});
  table.add({.name = "max_pool2d",
             .note = "ceil_mode",
             .function = two(3, {.stride = 2, .ceil_mode = true}),
             .cases = {{{1, 1, 4, 6}}},
             .domains = {distinct}});
  table.add({.name = "max_pool2d_with_indices",
             .function = op([](const auto& x) { return max_pool2d_with_indices(x[0], 2).first; }),
             .cases = {{{2, 1, 4, 4}}},
             .domains = {distinct}});
  table.add({.name = "max_pool1d",
             .function = op([](const auto& x) { return max_pool1d(x[0], 3, {.stride = 2, .padding = 1}); }),
             .cases = {{{2, 2, 6}}, {{1, 3}}},
             .domains = {distinct}});
}

void add_means(OpTable& table) {
  const auto add = [&](const std::string& note, Size2 window, const AvgPoolOptions& options, Cases cases) {
    table.add({.name = "avg_pool2d",
               .note = note,
               .function = op([=](const auto& x) { return avg_pool2d(x[0], window, options); }),
               .cases = std::move(cases)});
  };
  add("", 2, {}, {{{2, 2, 4, 5}}, {{1, 2, 3}}, {{0, 1, 2, 2}}});
  add("padded", 3, {.stride = {1, 2}, .padding = 1}, {{{1, 2, 4, 5}}});
  add("padded, not counted, ceil_mode", {2, 3},
      {.stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false}, {{{1, 2, 3, 6}}});
  add("divisor", 2, {.divisor = 3}, {{{1, 1, 4, 4}}});
  table.add({.name = "avg_pool1d",
             .function = op([](const auto& x) { return avg_pool1d(x[0], 3, {.stride = 2, .padding = 1}); }),
             .cases = {{{2, 2, 6}}, {{1, 3}}}});
  table.add({.name = "adaptive_avg_pool2d",
             .function = op([](const auto& x) {
               return adaptive_avg_pool2d(x[0], {2, 3});
             }),
             .cases = {{{2, 1, 5, 7}}, {{1, 1, 1}}, {{0, 1, 2, 2}}}});
}

void add_sizes(OpTable& table) {
  const auto add = [&](const std::string& note, const InterpolateOptions& options, Cases cases) {
    table.add({.name = "interpolate",
               .note = note,
               .function = op([=](const auto& x) { return interpolate(x[0], options); }),
               .cases = std::move(cases)});
  };
  add("nearest, size", {.size = {5, 2}}, {{{2, 1, 2, 3}}, {{0, 1, 2, 3}}});
  add("nearest, factor", {.scale_factor = 2}, {{{1, 2, 2, 3}}, {{1, 2, 3}}});
  add("bilinear, factor", {.scale_factor = 1.7, .mode = Interpolation::bilinear},
      {{{1, 1, 3, 4}}, {{2, 1, 3}}});
  add("bilinear, corners", {.size = {4, 1}, .mode = Interpolation::bilinear, .align_corners = true},
      {{{1, 2, 3, 3}}, {{1, 1, 1, 1}}});
}

}  // namespace

void add_pool_rows(OpTable& table) {
  add_maxima(table);
  add_means(table);
  add_sizes(table);
}

}  // namespace xgrad::testing
