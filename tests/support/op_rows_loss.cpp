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
void add_element_loss(OpTable& table, const std::string& name, F f, Domain input = {}, Domain target = {},
                      bool same_input = true) {
  for (const auto reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    OpRow row{.name = name,
              .note = reduction == Reduction::mean  ? "mean"
                      : reduction == Reduction::sum ? "sum"
                                                    : "none",
              .function = op([=](const auto& x) { return f(x[0], x[1], reduction); }),
              .cases = {{{2, 3}, {2, 3}}, {{1}, {1}}, {{}, {}}, {{3, 1, 7}, {3, 1, 7}}},
              .domains = {input, target},
              .same_input = same_input};
    if (reduction != Reduction::mean) row.cases.push_back({Shape{2, 0}, Shape{2, 0}});
    table.add(row);
  }
}

// Targets of 1 and -1.
const Domain signs{
    .low = -1, .high = 1, .constant = true, .adjust = [](const Shape&, std::span<double> values) {
      for (double& v : values) v = v < 0 ? -1 : 1;
    }};

void add_more_losses(OpTable& table) {
  using R = Reduction;
  add_element_loss(table, "smooth_l1_loss",
                   [](const auto& x, const auto& y, R r) { return smooth_l1_loss(x, y, r, 0.5); },
                   {.low = -0.2, .high = 0.2}, {.low = 0.8, .high = 1});
  add_element_loss(table, "huber_loss",
                   [](const auto& x, const auto& y, R r) { return huber_loss(x, y, r, 3); },
                   {.low = -1, .high = -0.5});
  add_element_loss(
      table, "binary_cross_entropy",
      [](const auto& x, const auto& y, R r) { return binary_cross_entropy(x, y, {.reduction = r}); },
      {.low = 0.05, .high = 0.95}, {.low = 0, .high = 1});
  add_element_loss(
      table, "kl_div", [](const auto& x, const auto& y, R r) { return kl_div(x, y, {.reduction = r}); },
      {.low = -3, .high = 0}, {.low = 0.1, .high = 1}, false);
  add_element_loss(table, "kl_div", [](const auto& x, const auto& y, R r) {
    return kl_div(x, y, {.reduction = r, .log_target = true});
  });
  add_element_loss(table, "poisson_nll_loss",
                   [](const auto& x, const auto& y, R r) { return poisson_nll_loss(x, y, {.reduction = r}); },
                   {}, {.low = 0, .high = 3});
  add_element_loss(
      table, "poisson_nll_loss",
      [](const auto& x, const auto& y, R r) {
        return poisson_nll_loss(x, y, {.reduction = r, .log_input = false, .full = true});
      },
      {.low = 0.2, .high = 3}, {.low = 0.1, .high = 3, .kinks = {1}, .constant = true}, false);
  add_element_loss(
      table, "hinge_embedding_loss",
      [](const auto& x, const auto& y, R r) { return hinge_embedding_loss(x, y, 1, r); }, {.kinks = {1}},
      signs);
  add_element_loss(
      table, "soft_margin_loss", [](const auto& x, const auto& y, R r) { return soft_margin_loss(x, y, r); },
      {}, signs);
  const std::vector<std::vector<Shape>> three = {{{2, 3}, {2, 3}, {2, 3}}, {{1}, {1}, {1}}};
  table.add(
      {.name = "gaussian_nll_loss",
       .function = op([](const auto& x) { return gaussian_nll_loss(x[0], x[1], x[2], {.full = true}); }),
       .cases = {three[0], three[1], {{2, 3}, {2, 3}, {2, 1}}},
       .domains = {{}, {}, {.low = 0.2, .high = 2}},
       .same_input = false});
  table.add({.name = "margin_ranking_loss",
             .function = op([](const auto& x) { return margin_ranking_loss(x[0], x[1], x[2], 0.5); }),
             .cases = three,
             .domains = {{.low = -1, .high = -0.7}, {.low = 0.7, .high = 1}, signs}});
  table.add({.name = "cosine_embedding_loss",
             .function = op([](const auto& x) { return cosine_embedding_loss(x[0], x[1], x[2], -2); }),
             .cases = {{{4, 3}, {4, 3}, {4}}, {{5}, {5}, {}}},
             .domains = {{.low = 0.5, .high = 2}, {.low = -2, .high = -0.5}, signs},
             .same_input = false});
  table.add({.name = "triplet_margin_loss",
             .function = op([](const auto& x) {
               return triplet_margin_loss(x[0], x[1], x[2], {.margin = 20, .swap = true});
             }),
             .cases = {{{4, 3}, {4, 3}, {4, 3}}},
             .domains = {{.low = 0.5, .high = 2}, {.low = -2, .high = -0.5}, {.low = 3, .high = 4}},
             .same_input = false});
  table.add({.name = "ctc_loss",
             .function = op([](const auto& x) {
               const std::int64_t n = x[0].shape()[1], s = 2;
               std::vector<std::int64_t> symbols, sizes, lengths;
               for (std::int64_t k = 0; k < n; ++k) {
                 symbols.insert(symbols.end(), {1, k % 2 + 1});
                 sizes.push_back(2 - k % 3);
                 lengths.push_back(x[0].shape()[0] - k % 2);
               }
               return ctc_loss(x[0], Indices({n, s}, symbols), Indices({n}, lengths), Indices({n}, sizes));
             }),
             .cases = {{{5, 3, 4}}, {{4, 1, 3}}},
             .domains = {{.low = -3, .high = -0.1}}});
  // The options that take the fused cross-entropy apart.
  table.add({.name = "cross_entropy",
             .note = "weighted, smoothed, some ignored",
             .function = op([](const auto& x) {
               const auto weight = arange<Element<decltype(x)>>(1, static_cast<double>(x[0].size(-1)) + 1);
               return cross_entropy(x[0], some_targets(x[0].shape(), 2),
                                    {.weight = weight, .label_smoothing = 0.2});
             }),
             .cases = batches});
  table.add(
      {.name = "cross_entropy",
       .note = "of probabilities",
       .function = op([](const auto& x) { return cross_entropy(x[0], x[1], {.label_smoothing = 0.2}); }),
       .cases = {{{3, 4}, {3, 4}}, {{5}, {5}}},
       .domains = {{}, {.low = 0, .high = 1}}});
  table.add({.name = "binary_cross_entropy_with_logits",
             .note = "weighted",
             .function = op([](const auto& x) {
               return binary_cross_entropy_with_logits(x[0], x[1], {.weight = x[2], .pos_weight = x[3]});
             }),
             .cases = {{{3, 4}, {3, 4}, {3, 1}, {4}}},
             .domains = {{.kinks = {0}}, {.low = 0, .high = 1}, {.low = 0.5, .high = 2}}});
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
  add_more_losses(table);
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
