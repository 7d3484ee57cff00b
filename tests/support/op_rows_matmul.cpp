// Rows of the table of ops: matrix products and einsum.
#include <xgrad/ops/einsum.hpp>
#include <xgrad/ops/matmul.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

void add_matmul(OpTable& table, const std::string& note, MatmulOptions options,
                std::vector<std::vector<Shape>> cases) {
  table.add({.name = "matmul",
             .note = note,
             .function = op([options](const auto& x) { return matmul(x[0], x[1], options); }),
             .cases = std::move(cases)});
}

void add_einsum(OpTable& table, const std::string& equation, std::vector<std::vector<Shape>> cases) {
  table.add({.name = "einsum",
             .note = equation,
             .function = op([equation](const auto& x) { return einsum(equation, x); }),
             .cases = std::move(cases)});
}

}  // namespace

void add_matmul_rows(OpTable& table) {
  add_matmul(table, "of matrices", {},
             {{{3, 3}, {3, 3}},
              {{2, 3}, {3, 4}},
              {{1, 3}, {3, 1}},
              {{2, 1}, {1, 2}},
              {{0, 3}, {3, 2}},
              {{2, 0}, {0, 3}}});
  add_matmul(table, "of vectors", {},
             {{{3}, {3}}, {{3}, {3, 2}}, {{2, 3}, {3}}, {{1}, {1}}, {{0}, {0}}, {{0}, {0, 2}}});
  add_matmul(table, "of stacks", {},
             {{{2, 2, 2}, {2, 2, 2}},
              {{2, 2, 3}, {3, 2}},
              {{2, 3}, {2, 3, 2}},
              {{2, 1, 2, 3}, {3, 3, 1}},
              {{3}, {2, 3, 2}},
              {{2, 2, 3}, {3}},
              {{0, 2, 3}, {3, 2}},
              {{1, 2, 3}, {2, 3, 2}}});
  add_matmul(table, "with the left operand transposed", {.transpose_a = true},
             {{{3, 3}, {3, 3}},
              {{3, 2}, {3, 4}},
              {{2, 3, 2}, {3, 2}},
              {{3, 2}, {2, 3, 2}},
              {{3, 2}, {3}},
              {{0, 2}, {0, 3}}});
  add_matmul(table, "with the right operand transposed", {.transpose_b = true},
             {{{3, 3}, {3, 3}},
              {{2, 3}, {4, 3}},
              {{2, 2, 3}, {2, 3}},
              {{2, 3}, {2, 2, 3}},
              {{3}, {2, 3}},
              {{2, 0}, {3, 0}}});
  add_matmul(table, "with both operands transposed", {.transpose_a = true, .transpose_b = true},
             {{{3, 3}, {3, 3}}, {{3, 2}, {4, 3}}, {{2, 3, 2}, {2, 3}}, {{3, 2}, {2, 2, 3}}});

  table.add({.name = "linear",
             .function = op([](const auto& x) { return linear(x[0], x[1]); }),
             .cases = {{{3, 3}, {3, 3}},
                       {{2, 3}, {4, 3}},
                       {{3}, {2, 3}},
                       {{2, 2, 3}, {2, 3}},
                       {{0, 3}, {2, 3}},
                       {{2, 0}, {3, 0}},
                       {{1, 1}, {1, 1}}}});
  table.add({.name = "linear",
             .note = "with a bias",
             .function = op([](const auto& x) { return linear(x[0], x[1], x[2]); }),
             .cases = {{{3, 3}, {3, 3}, {3}},
                       {{2, 3}, {4, 3}, {4}},
                       {{3}, {2, 3}, {2}},
                       {{2, 2, 3}, {2, 3}, {2}},
                       {{0, 3}, {2, 3}, {2}},
                       {{2, 0}, {3, 0}, {3}},
                       {{1, 1}, {1, 1}, {1}}}});
  table.add({.name = "outer",
             .function = op([](const auto& x) { return outer(x[0], x[1]); }),
             .cases = {{{3}, {3}}, {{2}, {3}}, {{1}, {2}}, {{0}, {2}}}});

  add_einsum(table, "ij,jk->ki", {{{3, 3}, {3, 3}}, {{2, 3}, {3, 4}}, {{2, 0}, {0, 2}}, {{1, 2}, {2, 1}}});
  add_einsum(table, "bij,bkj->bik", {{{2, 2, 3}, {2, 2, 3}}});
  add_einsum(table, "iij,jk->k", {{{2, 2, 3}, {3, 2}}});
  add_einsum(table, "i,i,j->ji", {{{3}, {3}, {3}}});
  add_einsum(table, "...ij,...j->...i", {{{2, 1, 2, 3}, {2, 3}}});
  add_einsum(table, "ij,jk->ik", {{{2, 1}, {3, 4}}, {{2, 3}, {1, 4}}, {{1, 1}, {3, 2}}});
  add_einsum(table, "ii", {{{3, 3}}});

  table.exempt("packing", "a switch");
  table.exempt("set_packing", "a switch");
  table.exempt("threads", "a setting");
  table.exempt("set_threads", "a setting");
  table.exempt("promise_one_thread", "a setting");
}

}  // namespace xgrad::testing
