// Rows of the table of ops: linear algebra.
#include <xgrad/ops/linalg.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

// Large on the diagonal of each matrix: neither singular nor indefinite.
void to_regular(const Shape& shape, std::span<double> values) {
  if (values.empty() || shape.rank() < 2) return;
  const auto n = static_cast<std::size_t>(shape.back());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (i / n % n == i % n) values[i] += static_cast<double>(n);
}

const Domain regular{.low = -1, .high = 1, .adjust = to_regular};
const std::vector<std::vector<Shape>> squares = {{{3, 3}}, {{1, 1}}, {{2, 2, 2}}, {{0, 0}}, {{0, 2, 2}}};

template <class F>
void add_square(OpTable& table, const std::string& name, const std::string& note, F f) {
  table.add({.name = name, .note = note, .function = op(f), .cases = squares, .domains = {regular}});
}

}  // namespace

void add_linalg_rows(OpTable& table) {
  table.add({.name = "solve",
             .function = op([](const auto& x) { return solve(x[0], x[1]); }),
             .cases = {{{3, 3}, {3, 2}},
                       {{3, 3}, {3, 3}},
                       {{3, 3}, {3}},
                       {{1, 1}, {1}},
                       {{2, 2, 2}, {2, 2}},
                       {{2, 2}, {3, 2, 1}},
                       {{2, 1, 2, 2}, {3, 2, 1}},
                       {{0, 0}, {0, 2}},
                       {{2, 2}, {2, 0}},
                       {{0, 2, 2}, {2}}},
             .domains = {regular, {}},
             .same_input = false});
  table.add({.name = "solve",
             .note = "with one tensor on both sides",
             .function = op([](const auto& x) { return solve(x[0], x[0] * x[0]); }),
             .cases = {{{3, 3}}},
             .domains = {regular}});
  add_square(table, "inv", "", [](const auto& x) { return inv(x[0]); });
  add_square(table, "det", "", [](const auto& x) { return det(x[0]); });
  add_square(table, "slogdet", "", [](const auto& x) {
    const auto [sign, logabsdet] = slogdet(x[0]);
    return std::pair(sign, logabsdet);
  });
  add_square(table, "cholesky", "", [](const auto& x) { return cholesky(x[0]); });
}

}  // namespace xgrad::testing
