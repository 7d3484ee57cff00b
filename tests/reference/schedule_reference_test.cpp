// Schedules against PyTorch's: the rates of two groups over 200 steps.
#include <cmath>

#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/plateau.hpp>
#include <xgrad/optim/schedule.hpp>
#include <xgrad/optim/sgd.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

namespace {

using D = Tensor<double>;
using namespace optim;

constexpr int steps = 200;

std::vector<D> parameter() { return {zeros<double>({1}).set_requires_grad()}; }

// As families/schedule.py makes them.
SGD<double> sgd(double momentum) {
  SGD<double> optimizer(parameter(), {.lr = 0.1, .momentum = momentum});
  optimizer.add_group(parameter(), {.lr = 0.04, .momentum = momentum});
  return optimizer;
}
Adam<double> adam() {
  Adam<double> optimizer(parameter(), {.lr = 0.1});
  optimizer.add_group(parameter(), {.lr = 0.04});
  return optimizer;
}

// What the optimizer says at the start and after each step.
D rates(const AnyOptimizer& optimizer, bool momentum, auto step) {
  std::vector<double> rows;
  for (int t = 0; t <= steps; ++t) {
    if (t > 0) step(t - 1);
    for (std::size_t g = 0; g < 2; ++g) rows.push_back(optimizer.lr(g));
    for (std::size_t g = 0; momentum && g < 2; ++g) rows.push_back(optimizer.momentum(g));
  }
  D result = zeros<double>({steps + 1, momentum ? 4 : 2});
  std::ranges::copy(rows, result.mutable_values().begin());
  return result;
}

ReferenceTable::Call run(auto rule, double momentum = 0) {
  return [=](const ReferenceInputs&) {
    auto optimizer = sgd(momentum);
    Schedule schedule(optimizer, rule);
    return rates(optimizer, momentum > 0, [&](int) { schedule.step(); });
  };
}
ReferenceTable::Call run_adam(auto rule) {
  return [=](const ReferenceInputs&) {
    auto optimizer = adam();
    Schedule schedule(optimizer, rule);
    return rates(optimizer, true, [&](int) { schedule.step(); });
  };
}
ReferenceTable::Call run(const PlateauOptions& options) {
  return [=](const ReferenceInputs& x) {
    auto optimizer = sgd(0);
    ReduceLROnPlateau schedule(optimizer, options);
    return rates(optimizer, false, [&](int t) { schedule.step(x[0].values()[static_cast<std::size_t>(t)]); });
  };
}

}  // namespace

TEST_CASE("schedules are PyTorch's, step by step") {
  ReferenceTable t("schedule.safetensors");
  t.add("StepLR", run(StepLR{30}));
  t.add("StepLR gamma", run(StepLR{.step_size = 7, .gamma = 0.8}));
  t.add("MultiStepLR", run(MultiStepLR{.milestones = {10, 50, 50, 120}, .gamma = 0.5}));
  t.add("ConstantLR", run(ConstantLR{}));
  t.add("ConstantLR factor", run(ConstantLR{.factor = 0.25, .total_iters = 40}));
  t.add("LinearLR", run(LinearLR{}));
  t.add("LinearLR factors", run(LinearLR{.start_factor = 0.9, .end_factor = 0.1, .total_iters = 120}));
  t.add("ExponentialLR", run(ExponentialLR{0.97}));
  t.add("PolynomialLR", run(PolynomialLR{}));
  t.add("PolynomialLR power", run(PolynomialLR{.total_iters = 150, .power = 2.5}));
  t.add("CosineAnnealingLR", run(CosineAnnealingLR{200}));
  t.add("CosineAnnealingLR eta_min", run(CosineAnnealingLR{.T_max = 60, .eta_min = 0.01}));
  t.add("CosineAnnealingWarmRestarts", run(CosineAnnealingWarmRestarts{30}));
  t.add("CosineAnnealingWarmRestarts T_mult",
        run(CosineAnnealingWarmRestarts{.T_0 = 10, .T_mult = 2, .eta_min = 0.001}));
  t.add("OneCycleLR", run(OneCycleLR{.max_lr = 0.5, .total_steps = 200}, 0.9));
  t.add("OneCycleLR linear", run_adam(OneCycleLR{.max_lr = 0.5,
                                                 .total_steps = 210,
                                                 .pct_start = 0.4,
                                                 .anneal_strategy = Anneal::linear,
                                                 .base_momentum = 0.7,
                                                 .max_momentum = 0.9,
                                                 .div_factor = 10,
                                                 .final_div_factor = 100}));
  t.add("OneCycleLR three phases",
        run_adam(OneCycleLR{.max_lr = 0.5, .total_steps = 200, .three_phase = true}));
  t.add("OneCycleLR no momentum",
        run(OneCycleLR{.max_lr = 0.5, .total_steps = 200, .cycle_momentum = false}));
  t.add("LambdaLR",
        run(LambdaLR{[](std::int64_t epoch) { return 1 / std::sqrt(1 + static_cast<double>(epoch)); }}));
  t.add("LambdaLR per group",
        run(std::vector<Rule>{
            LambdaLR{[](std::int64_t epoch) { return std::pow(0.95, static_cast<double>(epoch)); }},
            [](double base, std::int64_t epoch) { return base / (1 + static_cast<double>(epoch)); }}));
  t.add("SequentialLR", run(SequentialLR{.schedulers = {LinearLR{.start_factor = 0.1, .total_iters = 20},
                                                        CosineAnnealingLR{100}, ExponentialLR{0.9}},
                                         .milestones = {20, 120}}));
  t.add("SWALR", run(SWALR{0.05}));
  t.add("SWALR linear", run(SWALR{.swa_lr = 0.05, .anneal_epochs = 50, .anneal_strategy = Anneal::linear}));
  t.add("ReduceLROnPlateau", run(PlateauOptions{}));
  t.add("ReduceLROnPlateau max", run(PlateauOptions{.mode = PlateauMode::max,
                                                    .factor = 0.5,
                                                    .patience = 3,
                                                    .threshold = 0.01,
                                                    .threshold_mode = ThresholdMode::abs,
                                                    .cooldown = 5,
                                                    .min_lr = 1e-3}));
  t.add("ReduceLROnPlateau abs", run(PlateauOptions{.factor = 0.5,
                                                    .patience = 2,
                                                    .threshold = 0.02,
                                                    .threshold_mode = ThresholdMode::abs,
                                                    .eps = 1e-3}));
  t.add("ReduceLROnPlateau max rel",
        run(PlateauOptions{.mode = PlateauMode::max, .factor = 0.3, .patience = 4, .cooldown = 2}));
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
