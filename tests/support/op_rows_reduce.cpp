// Rows of the table of ops: reductions over axes, cumulative sums, and softmax.
#include <cmath>
#include <limits>

#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/softmax.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

// Each list of axes is a row; shapes have extents of 0 and 1 in every place, and lengths around those of
// registers.
struct AxesCase {
  Axes axes;
  std::vector<std::vector<Shape>> shapes;
};
const std::vector<AxesCase> axes_cases = {
    {{}, {{{}}, {{7}}, {{2, 3}}, {{2, 1, 3}}, {{1, 1}}}},
    {0, {{{5}}, {{4, 3}}, {{1, 3}}, {{3, 1}}, {{19, 2}}, {{3, 0}}}},
    {-1, {{{17}}, {{2, 5}}, {{5, 2}}, {{3, 1}}, {{2, 3, 2}}, {{0, 3}}}},
    {1, {{{2, 3}}, {{2, 3, 4}}, {{2, 1, 3}}, {{1, 9, 2}}, {{0, 2, 3}}}},
    {{0, 2}, {{{2, 3, 4}}, {{3, 1, 2}}, {{2, 0, 2}}, {{1, 4, 1}}}},
    {{-1, 0, 1}, {{{2, 2, 2}}, {{2, 3, 1, 2}}}},
};

// Values of which no two are closer than 0.1, so that no difference moves an extreme elsewhere.
void far_apart(const Shape&, std::span<double> values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 0.1 * static_cast<double>(i * 7 % values.size()) - 0.7;
  if (values.size() % 7 == 0)
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = 0.1 * static_cast<double>(i) * (i % 2 ? 1 : -1);
}
const Domain distinct{.adjust = [](const Shape& shape, std::span<double> values) {
  far_apart(shape, values);
  for (double& v : values) v += 0.033;  // and no two alike but for the sign
}};

// A row for each case of axes, with and without keepdims in turn. `empty` says whether an empty reduction has
// a value.
template <class F>
void add_over_axes(OpTable& table, const std::string& name, F f, Domain domain = {}, bool empty = false) {
  bool keepdims = false;
  for (const AxesCase& c : axes_cases) {
    OpRow row{.name = name, .note = "axes {", .cases = c.shapes, .domains = {domain}};
    for (const auto axis : c.axes) row.note += std::to_string(axis) + ' ';
    row.note += keepdims ? "} keepdims" : "}";
    row.function = op([f, axes = c.axes, keepdims](const auto& x) { return f(x[0], axes, keepdims); });
    if (name == "prod") row.replay_tolerance = 4096;  // its gradient takes the way for zeros
    if (empty && c.axes.size() == 1) row.cases.push_back({Shape{0, 0, 2}});
    if (empty && c.axes.size() == 0) row.cases.push_back({Shape{0}});
    table.add(row);
    keepdims = !keepdims;
  }
}

void add_products(OpTable& table) {
  const auto f = [](const auto& x, const Axes& axes, bool keepdims) { return prod(x, axes, keepdims); };
  add_over_axes(table, "prod", f, {.low = 0.5, .high = 1.5}, true);
  const auto with_zeros = [&](int every) {
    return Domain{
        .low = -1.5, .high = 1.5, .kinks = {}, .adjust = [every](const Shape&, std::span<double> values) {
          for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(every)) values[i] = 0;
        }};
  };
  add_over_axes(table, "prod", f, with_zeros(5));
  add_over_axes(table, "prod", f, with_zeros(2));
}

void add_variances(OpTable& table) {
  for (const double correction : {0.0, 0.5}) {  // 0.5, so that one element is enough
    add_over_axes(table, "var", [=](const auto& x, const Axes& axes, bool keepdims) {
      return var(x, axes, {.correction = correction, .keepdims = keepdims});
    });
  }
  const std::vector<std::vector<Shape>> cases = {{{2, 3}}, {{5, 4}}, {{2, 0}}};
  table.add({.name = "var",
             .note = "unbiased",
             .function = op([](const auto& x) { return var(x[0], 0); }),
             .cases = cases});
  table.add({.name = "stddev",
             .note = "unbiased",
             .function = op([](const auto& x) { return stddev(x[0], 0); }),
             .cases = cases});
  table.add({.name = "stddev",
             .note = "over several axes",
             .function = op([](const auto& x) {
               return stddev(x[0], {0, -1}, {.correction = 0, .keepdims = true});
             }),
             .cases = {{{2, 3}}, {{2, 1, 3}}, {{3, 2, 2}}, {{2, 0, 2}}}});
}

void add_norms(OpTable& table) {
  add_over_axes(
      table, "norm",
      [](const auto& x, const Axes& axes, bool keepdims) { return norm(x, 2, axes, keepdims); },
      {.low = 0.2, .high = 2}, true);
  add_over_axes(
      table, "norm",
      [](const auto& x, const Axes& axes, bool keepdims) { return norm(x, 1, axes, keepdims); },
      {.kinks = {0}}, true);
  add_over_axes(
      table, "norm",
      [](const auto& x, const Axes& axes, bool keepdims) {
        return norm(x, std::numeric_limits<double>::infinity(), axes, keepdims);
      },
      distinct, true);
}

void add_extremes(OpTable& table) {
  add_over_axes(
      table, "amax", [](const auto& x, const Axes& axes, bool keepdims) { return amax(x, axes, keepdims); },
      distinct);
  add_over_axes(
      table, "amin", [](const auto& x, const Axes& axes, bool keepdims) { return amin(x, axes, keepdims); },
      distinct);
  const std::vector<std::vector<std::vector<double>>> near_ties = {{{1, 0.5, 1.001, -2, 0.999}},
                                                                   {{-1, -1.001, 3}}};
  table.add({.name = "amax",
             .note = "near ties",
             .function = op([](const auto& x) { return amax(x[0]); }),
             .points = near_ties});
  table.add({.name = "amin",
             .note = "near ties",
             .function = op([](const auto& x) { return amin(x[0]); }),
             .points = near_ties});
  const auto as_tensor = []<class X>(const X&, const Indices& places) {
    std::vector<typename X::value_type> values(places.values().begin(), places.values().end());
    return from_values<typename X::value_type>(places.shape(),
                                               std::span<const typename X::value_type>(values));
  };
  const std::vector<std::vector<Shape>> cases = {{{2, 3}}, {{4, 2, 5}}, {{1, 3}}, {{2, 1}}, {{0, 2}}};
  table.add({.name = "argmax",
             .function = op([=](const auto& x) { return as_tensor(x[0], argmax(x[0], 1)); }),
             .cases = cases,
             .domains = {distinct}});
  table.add({.name = "argmin",
             .function = op([=](const auto& x) { return as_tensor(x[0], argmin(x[0], -1, true)); }),
             .cases = cases,
             .domains = {distinct}});
}

void add_softmax(OpTable& table) {
  const auto softmax_cases = [](OpRow row) {
    row.cases = {{{2, 3, 4}}, {{3, 1, 5}}, {{1, 17, 1}}, {{2, 0, 3}}, {{0, 2, 2}}, {{2, 3, 0}}};
    return row;
  };
  table.add(softmax_cases({.name = "softmax", .note = "last axis", .function = op([](const auto& x) {
                                                                     return softmax(x[0], -1);
                                                                   })}));
  table.add(softmax_cases({.name = "softmax", .note = "inner axis", .function = op([](const auto& x) {
                                                                      return softmax(x[0], 1);
                                                                    })}));
  table.add(softmax_cases({.name = "softmax", .note = "first axis", .function = op([](const auto& x) {
                                                                      return softmax(x[0], 0);
                                                                    })}));
  table.add(softmax_cases({.name = "log_softmax", .note = "last axis", .function = op([](const auto& x) {
                                                                         return log_softmax(x[0], -1);
                                                                       })}));
  table.add(softmax_cases({.name = "log_softmax", .note = "inner axis", .function = op([](const auto& x) {
                                                                          return log_softmax(x[0], 1);
                                                                        })}));
  const std::vector<std::vector<Shape>> rows = {{{19}}, {{1}}, {{70}}};
  table.add({.name = "softmax",
             .note = "of a vector",
             .function = op([](const auto& x) { return softmax(x[0], 0); }),
             .cases = rows});
  table.add({.name = "log_softmax",
             .note = "of a vector",
             .function = op([](const auto& x) { return log_softmax(x[0], 0); }),
             .cases = rows});
}

}  // namespace

void add_reduce_rows(OpTable& table) {
  add_over_axes(
      table, "sum", [](const auto& x, const Axes& axes, bool keepdims) { return sum(x, axes, keepdims); }, {},
      true);
  add_over_axes(table, "mean",
                [](const auto& x, const Axes& axes, bool keepdims) { return mean(x, axes, keepdims); });
  add_over_axes(table, "logsumexp",
                [](const auto& x, const Axes& axes, bool keepdims) { return logsumexp(x, axes, keepdims); });
  table.add({.name = "sum",
             .note = "of what it is multiplied with",
             .function = op([](const auto& x) { return sum(x[0] * x[1], 0) * x[1]; }),
             .cases = {{{2, 3}, {2, 3}}, {{4, 3}, {3}}}});
  add_variances(table);
  add_products(table);
  add_extremes(table);
  add_norms(table);
  table.add({.name = "cumsum",
             .function = op([](const auto& x) { return cumsum(x[0], 0); }),
             .cases = {{{5}}, {{3, 2}}, {{1, 3}}, {{0, 2}}, {{2, 0}}}});
  table.add({.name = "cumsum",
             .note = "inner axis",
             .function = op([](const auto& x) { return cumsum(x[0], -2); }),
             .cases = {{{5, 1}}, {{2, 3, 2}}, {{2, 1, 3}}}});
  add_softmax(table);
}

}  // namespace xgrad::testing
