// Rows of the table of ops: order along an axis, replacing by index, parts of matrices, repeating.
#include <algorithm>

#include <xgrad/ops/index.hpp>
#include <xgrad/ops/integer.hpp>
#include <xgrad/ops/matrix.hpp>
#include <xgrad/ops/order.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

// Values of which no two are closer than 0.1.
const Domain distinct{.adjust = [](const Shape&, std::span<double> values) {
  const std::size_t n = values.size(), step = n % 7 == 0 ? 5 : 7;
  for (std::size_t i = 0; i < n; ++i) values[i] = 0.1 * static_cast<double>(i * step % n) - 0.7;
}};
const std::vector<std::vector<Shape>> cases = {{{2, 3}}, {{4, 2, 5}}, {{1, 3}}, {{3, 1}}, {{0, 2}}};

template <class F>
void add_order_row(OpTable& table, const std::string& name, const std::string& note, F f) {
  table.add({.name = name,
             .note = note,
             .function = op([f](const auto& x) { return f(x[0]); }),
             .cases = cases,
             .domains = {distinct}});
}

void add_orders(OpTable& table) {
  add_order_row(table, "max", "along an axis", [](const auto& x) { return max(x, 1).values; });
  add_order_row(table, "min", "along an axis", [](const auto& x) { return min(x, -1, true).values; });
  table.add({.name = "max",
             .function = op([](const auto& x) { return max(x[0]); }),
             .cases = {{{2, 3}}},
             .domains = {distinct}});
  table.add({.name = "min",
             .function = op([](const auto& x) { return min(x[0]); }),
             .cases = {{{2, 3}}},
             .domains = {distinct}});
  add_order_row(table, "sort", "", [](const auto& x) { return sort(x).values; });
  add_order_row(table, "sort", "first axis, descending",
                [](const auto& x) { return sort(x, 0, true).values; });
  add_order_row(table, "topk", "", [](const auto& x) { return topk(x, 1).values; });
  add_order_row(table, "topk", "of the smallest", [](const auto& x) { return topk(x, std::min<std::int64_t>(2, x.size(1)), 1, false).values; });
  add_order_row(table, "kthvalue", "", [](const auto& x) { return kthvalue(x, 1, 1).values; });
  add_order_row(table, "median", "along an axis", [](const auto& x) { return median(x, 1).values; });
  table.add({.name = "median",
             .function = op([](const auto& x) { return median(x[0]); }),
             .cases = {{{2, 3}}, {{4}}},
             .domains = {distinct}});
  add_order_row(table, "cummax", "", [](const auto& x) { return cummax(x, 1).values; });
  add_order_row(table, "cummin", "", [](const auto& x) { return cummin(x, 0).values; });
  const std::vector<std::vector<Shape>> scans = {{{5}}, {{2, 3}}, {{2, 1}}, {{0, 2}}};
  for (const std::int64_t axis : {0, -1}) {
    const std::string note = axis == 0 ? "first axis" : "last axis";
    table.add({.name = "cumprod",
               .note = note,
               .function = op([axis](const auto& x) { return cumprod(x[0], axis); }),
               .cases = scans});
    table.add({.name = "logcumsumexp",
               .note = note,
               .function = op([axis](const auto& x) { return logcumsumexp(x[0], axis); }),
               .cases = scans});
  }
  const auto mask = [](const auto& x) { return x > 0; };
  table.add({.name = "any",
             .function = op([=](const auto& x) { return any(mask(x[0]), 1); }),
             .cases = cases,
             .domains = {{.kinks = {0}}}});
  table.add({.name = "all",
             .function = op([=](const auto& x) { return all(mask(x[0]), 0, true); }),
             .cases = cases,
             .domains = {{.kinks = {0}}}});
  table.exempt("argsort", "it gives integers, those of sort");
  table.exempt("unique", "it has no gradient");
}

void add_places(OpTable& table) {
  const auto indices = [] { return Indices{{2, 0}, {1, 2}}; };
  table.add({.name = "take_along_dim",
             .function = op([=](const auto& x) { return take_along_dim(x[0], indices(), 0); }),
             .cases = {{{3, 2}}, {{3, 1}}}});
  table.add({.name = "scatter",
             .function = op([=](const auto& x) { return scatter(x[0], 0, indices(), x[1]); }),
             .cases = {{{3, 2}, {2, 2}}, {{3, 3}, {3, 3}}}});
  table.add({.name = "scatter",
             .note = "twice to one place",
             .function = op([](const auto& x) {
               return scatter(x[0], 1, Indices{{1, 0, 1}}, x[1]);
             }),
             .cases = {{{2, 3}, {1, 3}}}});
  table.add({.name = "scatter",
             .note = "a number",
             .function = op([=](const auto& x) { return scatter(x[0], 0, indices(), 3); }),
             .cases = {{{3, 2}}}});
  table.add({.name = "index_add",
             .function = op([](const auto& x) {
               return index_add(x[0], 1, {2, 0, 2}, x[1], -0.5);
             }),
             .cases = {{{2, 3}, {2, 3}}, {{0, 3}, {0, 3}}, {{2, 3, 2}, {2, 3, 2}}}});
  table.add({.name = "index",
             .function = op([](const auto& x) {
               return index(x[0], {Indices{{1}, {0}}, Indices{2, 0}});
             }),
             .cases = {{{2, 3}}, {{2, 3, 2}}, {{2, 3, 0}}}});
  table.add({.name = "index_put",
             .function = op([](const auto& x) {
               return index_put(x[0], {{1, 0, 1}, {2, 0, 2}}, x[1]);
             }),
             .cases = {{{2, 3}, {3}}, {{2, 3, 2}, {3, 2}}, {{2, 3, 2}, {}}}});
  table.add({.name = "index_put",
             .note = "added",
             .function = op([](const auto& x) {
               return index_put(x[0], {{1, 0, 1}}, x[1], true);
             }),
             .cases = {{{2, 3}, {3, 3}}, {{2, 3}, {3}}}});
  table.add({.name = "masked_select",
             .function = op([](const auto& x) { return masked_select(x[0], x[1] > 0); }),
             .cases = {{{2, 3}, {2, 3}}, {{2, 3}, {3}}, {{3}, {2, 1}}, {{0, 3}, {3}}},
             .domains = {{}, {.kinks = {0}, .constant = true}},
             .same_input = false});
  table.exempt("nonzero", "it gives integers");
  table.exempt("bernoulli", "it draws, and has no gradient");
  table.exempt("multinomial", "it gives integers");
  table.exempt("randperm", "it gives integers");
  for (const char* name : {"vjp", "jvp", "jacobian", "hessian", "hvp", "checkpoint"})
    table.exempt(name, "it takes a function; tests/ops/functional_test.cpp checks its derivatives");
}

void add_matrix_parts(OpTable& table) {
  const std::vector<std::vector<Shape>> matrices = {{{3, 3}}, {{2, 4}}, {{2, 3, 2}}, {{1, 1}}, {{0, 2}}};
  table.add({.name = "tril", .function = op([](const auto& x) { return tril(x[0]); }), .cases = matrices});
  table.add({.name = "tril",
             .note = "above",
             .function = op([](const auto& x) { return tril(x[0], 1); }),
             .cases = matrices});
  table.add(
      {.name = "triu", .function = op([](const auto& x) { return triu(x[0], -1); }), .cases = matrices});
  table.add(
      {.name = "diagonal", .function = op([](const auto& x) { return diagonal(x[0]); }), .cases = matrices});
  table.add({.name = "diagonal",
             .note = "of the last axes",
             .function = op([](const auto& x) { return diagonal(x[0], -1, -1, -2); }),
             .cases = {{{3, 3}}, {{2, 3, 2}}}});
  table.add({.name = "diag",
             .function = op([](const auto& x) { return diag(x[0], 1); }),
             .cases = {{{3}}, {{3, 3}}, {{2, 4}}, {{0}}}});
  table.add({.name = "trace",
             .function = op([](const auto& x) { return trace(x[0]); }),
             .cases = {{{3, 3}}, {{2, 4}}, {{0, 0}}}});
  table.add({.name = "kron",
             .function = op([](const auto& x) { return kron(x[0], x[1]); }),
             .cases = {{{2, 3}, {2, 2}}, {{2}, {3}}, {{2, 2}, {3}}, {{0, 2}, {2, 2}}, {{}, {2}}}});
}

void add_repeats(OpTable& table) {
  table.add({.name = "roll",
             .function = op([](const auto& x) {
               return roll(x[0], {1, -1}, {0, 1});
             }),
             .cases = {{{3, 4}}, {{2, 1, 2}}, {{0, 2}}}});
  table.add({.name = "repeat",
             .function = op([](const auto& x) {
               return repeat(x[0], {2, 1, 3});
             }),
             .cases = {{{2, 3}}, {{1, 1}}, {{3}}, {{0, 2}}, {{}}}});
  table.add({.name = "repeat",
             .note = "no times",
             .function = op([](const auto& x) {
               return cat({repeat(x[0], {1, 0}), x[0]}, 1);
             }),
             .cases = {{{2, 3}}}});
  table.add({.name = "tile",
             .function = op([](const auto& x) { return tile(x[0], {2}); }),
             .cases = {{{2, 3}}, {{3}}, {{}}}});
  table.add({.name = "repeat_interleave",
             .function = op([](const auto& x) { return repeat_interleave(x[0], 2, 0); }),
             .cases = {{{2, 3}}, {{3}}, {{0, 2}}}});
  table.add({.name = "repeat_interleave",
             .note = "each as often as it is told",
             .function = op([](const auto& x) {
               return repeat_interleave(x[0], {2, 0, 1}, 1);
             }),
             .cases = {{{2, 3}}}});
  table.add({.name = "unfold",
             .function = op([](const auto& x) { return unfold(x[0], 0, 3, 2); }),
             .cases = {{{7}}, {{5, 2}}, {{3, 0}}}});
}

}  // namespace

void add_ordering_rows(OpTable& table) {
  add_orders(table);
  add_places(table);
  add_matrix_parts(table);
  add_repeats(table);
}

}  // namespace xgrad::testing
