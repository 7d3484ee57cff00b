// Rows of the table of ops: linear algebra.
#include <fmt/format.h>

#include <xgrad/ops/distance.hpp>
#include <xgrad/ops/elementwise.hpp>
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
// Large, and different, on the diagonal: eigenvalues and singular values stand apart.
const Domain apart{.low = -0.3, .high = 0.3, .adjust = [](const Shape& shape, std::span<double> values) {
                     if (values.empty()) return;
                     const auto n = static_cast<std::size_t>(shape.back()),
                                m = static_cast<std::size_t>(shape[shape.rank() - 2]);
                     for (std::size_t i = 0; i < values.size(); ++i)
                       if (i / n % m == i % n) values[i] += 2.0 + 2.0 * static_cast<double>(i % n);
                   }};

const std::vector<std::vector<Shape>> squares = {{{3, 3}}, {{1, 1}}, {{2, 2, 2}}, {{0, 0}}, {{0, 2, 2}}};

template <class F>
void add_square(OpTable& table, const std::string& name, const std::string& note, F f) {
  table.add({.name = name, .note = note, .function = op(f), .cases = squares, .domains = {regular}});
}

// Signs of vectors are free: what is checked does not depend on them.
void add_decompositions(OpTable& table) {
  table.add({.name = "qr",
             .function = op([](const auto& x) {
               const auto [q, r] = qr(x[0]);
               return std::pair(q, r);
             }),
             .cases = {{{3, 3}}, {{4, 2}}, {{2, 3}}, {{2, 3, 2}}, {{0, 2, 2}}, {{2, 0}}},
             .domains = {regular}});
  table.add({.name = "eigh",
             .function = op([](const auto& x) {
               const auto [values, vectors] = eigh(x[0]);
               return std::pair(values, square(vectors));
             }),
             .cases = {{{3, 3}}, {{1, 1}}, {{2, 2, 2}}, {{0, 0}}},
             .domains = {apart}});
  table.add({.name = "svd",
             .function = op([](const auto& x) {
               const auto [u, s, vh] = svd(x[0]);
               return Tensors<Element<decltype(x)>>{square(u), s, square(vh)};
             }),
             .cases = {{{3, 3}}, {{4, 2}}, {{2, 3}}, {{2, 2, 2}}, {{2, 0}}},
             .domains = {apart}});
  table.add({.name = "pinv",
             .function = op([](const auto& x) { return pinv(x[0]); }),
             .cases = {{{3, 3}}, {{4, 2}}, {{2, 3}}, {{2, 2, 2}}, {{2, 0}}},
             .domains = {apart}});
  table.add({.name = "lstsq",
             .function = op([](const auto& x) { return lstsq(x[0], x[1]); }),
             .cases = {{{3, 3}, {3, 2}}, {{4, 2}, {4, 1}}, {{2, 3}, {2, 2}}, {{2, 3, 2}, {2, 3, 1}}},
             .domains = {apart, {}},
             .same_input = false});
}

void add_matrix_functions(OpTable& table) {
  for (const bool upper : {false, true})
    table.add({.name = "solve_triangular",
               .note = upper ? "upper, with ones on the diagonal" : "lower",
               .function = op([=](const auto& x) { return solve_triangular(x[0], x[1], upper, upper); }),
               .cases = {{{3, 3}, {3, 2}}, {{2, 2, 2}, {2, 1}}, {{0, 0}, {0, 2}}},
               .domains = {regular, {}},
               .same_input = false});
  add_square(table, "matrix_power", "", [](const auto& x) { return matrix_power(x[0], 3); });
  add_square(table, "matrix_power", "of the inverse", [](const auto& x) { return matrix_power(x[0], -2); });
  table.add({.name = "matrix_power",
             .note = "0",
             .function = op([](const auto& x) { return matrix_power(x[0], 0) + x[0]; }),
             .cases = squares});
  add_square(table, "matrix_exp", "", [](const auto& x) { return matrix_exp(x[0]); });
}

void add_distances(OpTable& table) {
  for (const double p : {0.5, 1.5, 3.0})
    table.add(
        {.name = "norm",
         .note = fmt::format("p = {}", p),
         .function = op([=](const auto& x) { return std::pair(norm(x[0], p, -1), norm(x[0], p, {}, true)); }),
         .cases = {{{2, 3}}, {{4}}, {{3, 0}}, {{2, 1}}},
         .domains = {{.low = 0.3, .high = 2}}});
  table.add({.name = "norm",
             .note = "p = 0",
             .function = op([](const auto& x) { return norm(x[0], 0, -1) + sum(x[0], -1); }),
             .cases = {{{2, 3}}}});
  table.add({.name = "cosine_similarity",
             .function = op([](const auto& x) { return cosine_similarity(x[0], x[1]); }),
             .cases = {{{2, 3}, {2, 3}}, {{2, 3}, {1, 3}}, {{2, 3, 2}, {2, 3, 2}}, {{0, 3}, {0, 3}}},
             .same_input = false});
  table.add({.name = "pairwise_distance",
             .function = op([](const auto& x) { return pairwise_distance(x[0], x[1]); }),
             .cases = {{{2, 3}, {2, 3}}, {{3}, {2, 3}}},
             .domains = {{.low = 1, .high = 2}, {.low = -2, .high = 0}},
             .same_input = false});
  for (const double p : {1.0, 2.0, 3.0})
    table.add({.name = "cdist",
               .note = fmt::format("p = {}", p),
               .function = op([=](const auto& x) { return cdist(x[0], x[1], p); }),
               .cases = {{{2, 3}, {4, 3}}, {{2, 2, 3}, {1, 3}}, {{0, 3}, {2, 3}}},
               .domains = {{.low = 1, .high = 2}, {.low = -2, .high = 0}},
               .same_input = false});
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
  add_decompositions(table);
  add_matrix_functions(table);
  add_distances(table);
}

}  // namespace xgrad::testing
