// Rows of the table of ops: losses and dropout.
#include <xgrad/ops/dropout.hpp>
#include <xgrad/ops/loss.hpp>
#include <xgrad/ops/shape.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

// A target for each row of an array whose last axis are the classes; every `skip`-th is ignored.
Indices some_targets(const Shape& shape, std::int64_t skip = 0) {
  Shape rows = shape;
  rows.erase(rows.rank() - 1);
  std::vector<std::int64_t> targets;
  for (std::int64_t i = 0; i < rows.elements(); ++i)
    targets.push_back(skip && i % skip == 1 ? -100 : (i * 5 + 2) % shape.back());
  return Indices(rows, std::move(targets));
}

const std::vector<std::vector<Shape>> batches = {{{3, 4}}, {{1, 5}},  {{4, 1}}, {{2, 3, 7}},
                                                 {{5}},    {{2, 35}}, {{64, 2}}};

void add_class_losses(OpTable& table) {
  for (const auto reduction : {Reduction::mean, Reduction::sum, Reduction::none})
    for (const std::int64_t skip : {0, 2}) {
      OpRow row{.name = "cross_entropy", .note = skip ? "some ignored" : "", .cases = batches};
      row.note += reduction == Reduction::mean ? " mean" : reduction == Reduction::sum ? " sum" : " none";
      if (reduction != Reduction::mean) row.cases.push_back({Shape{0, 3}});
      row.function = op(
          [=](const auto& x) { return cross_entropy(x[0], some_targets(x[0].shape(), skip), {reduction}); });
      table.add(row);
      row.name = "nll_loss";
      row.function =
          op([=](const auto& x) { return nll_loss(x[0], some_targets(x[0].shape(), skip), {reduction}); });
      table.add(row);
    }
  for (const auto reduction : {Reduction::mean, Reduction::none})
    for (const auto* name : {"cross_entropy", "nll_loss"})
      table.add(
          {.name = name,
           .note = std::string("classes on axis 1, ") + (reduction == Reduction::mean ? "mean" : "none"),
           .function = op([=](const auto& x) {
             const Indices targets = some_targets(transpose(x[0], 1, -1).shape(), 2);
             const ClassLossOptions options{.reduction = reduction, .axis = 1};
             return name[0] == 'c' ? cross_entropy(x[0], targets, options) : nll_loss(x[0], targets, options);
           }),
           .cases = {{{3, 4}}, {{2, 5, 3}}, {{2, 1, 4}}}});
  // The gradients of two losses come together in one array: the second is added in place.
  table.add({.name = "cross_entropy",
             .note = "twice from the same logits",
             .function = op([](const auto& x) {
               const Indices a = some_targets(x[0].shape()), b = some_targets(x[0].shape(), 2);
               return cross_entropy(x[0], a, {Reduction::sum}) +
                      cross_entropy(x[0] * x[0], b, {Reduction::sum}) +
                      cross_entropy(x[0], b, {Reduction::sum});
             }),
             .cases = {{{3, 4}}, {{2, 9}}, {{4, 16}}}});
}

template <class F>
void add_element_loss(OpTable& table, const std::string& name, F f, Domain input = {}, Domain target = {}) {
  for (const auto reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    OpRow row{.name = name,
              .note = reduction == Reduction::mean  ? "mean"
                      : reduction == Reduction::sum ? "sum"
                                                    : "none",
              .function = op([=](const auto& x) { return f(x[0], x[1], reduction); }),
              .cases = {{{2, 3}, {2, 3}}, {{1}, {1}}, {{}, {}}, {{3, 1, 7}, {3, 1, 7}}},
              .domains = {input, target}};
    if (reduction != Reduction::mean) row.cases.push_back({Shape{2, 0}, Shape{2, 0}});
    table.add(row);
  }
}

}  // namespace

void add_loss_rows(OpTable& table) {
  add_class_losses(table);
  add_element_loss(table, "mse_loss",
                   [](const auto& x, const auto& y, Reduction r) { return mse_loss(x, y, r); });
  add_element_loss(table, "l1_loss",
                   [](const auto& x, const auto& y, Reduction r) { return l1_loss(x, y, r); }, {.high = -0.1},
                   {.low = 0.1});
  add_element_loss(
      table, "binary_cross_entropy_with_logits",
      [](const auto& x, const auto& y, Reduction r) { return binary_cross_entropy_with_logits(x, y, r); },
      {.low = -6, .high = 6, .kinks = {0}}, {.low = 0, .high = 1});
  for (const double p : {0.0, 0.4, 1.0})
    table.add({.name = "dropout",
               .note = "p = " + std::to_string(p),
               .function = op([p](const auto& x) {
                 Generator generator(7);
                 return dropout(x[0], p, true, generator);
               }),
               .cases = {{{3, 5}}, {{1}}, {{0, 2}}, {{}}}});
}

}  // namespace xgrad::testing
