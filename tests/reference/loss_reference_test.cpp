// Losses give PyTorch's numbers.
#include <xgrad/ops/loss.hpp>

#include <xgrad/ops/distance.hpp>
#include <xgrad/ops/softmax.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

namespace {

using Loss = std::function<Tensor<double>(const ReferenceInputs&, Reduction)>;

void add_reduced(ReferenceTable& table, const std::string& name, const Loss& loss) {
  const auto add = [&](const char* suffix, Reduction reduction) {
    table.add(name + suffix, [=](const auto& x) { return loss(x, reduction); });
  };
  add(" mean", Reduction::mean);
  add(" sum", Reduction::sum);
  add(" none", Reduction::none);
}

}  // namespace

TEST_CASE("losses give PyTorch's numbers") {
  ReferenceTable t("loss.safetensors");
  const Tensor<double> weight{0.5, 2, 1, 0};
  const auto classes = [&](const std::string& name, ClassLossOptions options) {
    add_reduced(t, name, [=](const auto& x, Reduction r) {
      ClassLossOptions o = options;
      o.reduction = r;
      if (name.starts_with("nll")) return nll_loss(x[0], x.indices[0], o);
      return x.size() > 1 ? cross_entropy(x[0], x[1], o) : cross_entropy(x[0], x.indices[0], o);
    });
  };
  classes("cross_entropy", {});
  classes("cross_entropy smoothed", {.label_smoothing = 0.1});
  classes("cross_entropy weighted", {.weight = weight});
  classes("cross_entropy weighted, smoothed", {.weight = weight, .label_smoothing = 0.3});
  classes("cross_entropy axis 1, weighted, smoothed", {.axis = 1, .weight = weight, .label_smoothing = 0.3});
  classes("cross_entropy of probabilities", {});
  classes("cross_entropy of probabilities, weighted, smoothed", {.weight = weight, .label_smoothing = 0.2});
  classes("cross_entropy of probabilities, axis 1", {.axis = 1});
  classes("nll_loss", {});
  classes("nll_loss weighted", {.weight = weight});

  using R = Reduction;
  add_reduced(t, "mse_loss", [](const auto& x, R r) { return mse_loss(x[0], x[1], r); });
  add_reduced(t, "l1_loss", [](const auto& x, R r) { return l1_loss(x[0], x[1], r); });
  add_reduced(t, "smooth_l1_loss", [](const auto& x, R r) { return smooth_l1_loss(x[0], x[1], r); });
  add_reduced(t, "smooth_l1_loss beta 0.3",
              [](const auto& x, R r) { return smooth_l1_loss(x[0], x[1], r, 0.3); });
  add_reduced(t, "smooth_l1_loss beta 0",
              [](const auto& x, R r) { return smooth_l1_loss(x[0], x[1], r, 0); });
  add_reduced(t, "huber_loss", [](const auto& x, R r) { return huber_loss(x[0], x[1], r); });
  add_reduced(t, "huber_loss delta 0.3", [](const auto& x, R r) { return huber_loss(x[0], x[1], r, 0.3); });
  const Tensor<double> each{0.5, 2, 1, 1.75};
  const auto binary = [&](const std::string& name, BinaryLossOptions options) {
    add_reduced(t, name, [=](const auto& x, Reduction r) {
      BinaryLossOptions o = options;
      o.reduction = r;
      return name.find("logits") == std::string::npos ? binary_cross_entropy(x[0], x[1], o)
                                                      : binary_cross_entropy_with_logits(x[0], x[1], o);
    });
  };
  binary("binary_cross_entropy", {});
  binary("binary_cross_entropy weighted", {.weight = each});
  binary("binary_cross_entropy_with_logits", {});
  binary("binary_cross_entropy_with_logits weighted", {.weight = each});
  binary("binary_cross_entropy_with_logits pos_weight", {.pos_weight = each});
  add_reduced(t, "kl_div", [](const auto& x, R r) { return kl_div(x[0], x[1], {r}); });
  add_reduced(t, "kl_div log_target",
              [](const auto& x, R r) { return kl_div(x[0], x[1], {.reduction = r, .log_target = true}); });
  t.add("kl_div batchmean", [](const auto& x) { return kl_div(x[0], x[1], {.batchmean = true}); });
  add_reduced(t, "poisson_nll_loss", [](const auto& x, R r) { return poisson_nll_loss(x[0], x[1], {r}); });
  add_reduced(t, "poisson_nll_loss full", [](const auto& x, R r) {
    return poisson_nll_loss(x[0], x[1].detach(), {.reduction = r, .full = true});
  });
  add_reduced(t, "poisson_nll_loss of rates", [](const auto& x, R r) {
    return poisson_nll_loss(x[0], x[1], {.reduction = r, .log_input = false});
  });
  add_reduced(t, "gaussian_nll_loss",
              [](const auto& x, R r) { return gaussian_nll_loss(x[0], x[1], x[2], {r}); });
  add_reduced(t, "gaussian_nll_loss full", [](const auto& x, R r) {
    return gaussian_nll_loss(x[0], x[1], x[2], {.reduction = r, .full = true});
  });
  add_reduced(t, "hinge_embedding_loss",
              [](const auto& x, R r) { return hinge_embedding_loss(x[0], x[1], 0.7, r); });
  add_reduced(t, "soft_margin_loss", [](const auto& x, R r) { return soft_margin_loss(x[0], x[1].detach(), r); });
  add_reduced(t, "margin_ranking_loss",
              [](const auto& x, R r) { return margin_ranking_loss(x[0], x[1], x[2], 0.5, r); });
  add_reduced(t, "cosine_embedding_loss",
              [](const auto& x, R r) { return cosine_embedding_loss(x[0], x[1], x[2], 0.1, r); });
  t.add("pairwise_distance 1", [](const auto& x) { return pairwise_distance(x[0], x[1], 1); });
  t.add("pairwise_distance 2", [](const auto& x) { return pairwise_distance(x[0], x[1]); });
  add_reduced(t, "triplet_margin_loss",
              [](const auto& x, R r) { return triplet_margin_loss(x[0], x[1], x[2], {.reduction = r}); });
  add_reduced(t, "triplet_margin_loss swap", [](const auto& x, R r) {
    return triplet_margin_loss(x[0], x[1], x[2], {.margin = 2, .p = 1, .swap = true, .reduction = r});
  });
  add_reduced(t, "ctc_loss", [](const auto& x, R r) {
    return ctc_loss(log_softmax(x[0]), x.indices[0], x.indices[1], x.indices[2], {.reduction = r});
  });
  t.add("ctc_loss zero_infinity", [](const auto& x) {
    return ctc_loss(log_softmax(x[0]), x.indices[0], x.indices[1], x.indices[2],
                    {.blank = 3, .zero_infinity = true});
  });
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
