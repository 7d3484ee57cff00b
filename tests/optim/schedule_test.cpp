// Schedules: what they refuse, how they are saved, groups that join later, rules of one's own.
#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/plateau.hpp>
#include <xgrad/optim/schedule.hpp>
#include <xgrad/optim/sgd.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::optim;
using Catch::Matchers::Contains;

std::vector<Tensor<>> parameter() { return {zeros({2}).set_requires_grad()}; }

TEST_CASE("a rule that makes no sense is refused by name") {
  SGD optimizer(parameter(), {.lr = 0.1});
  const auto refused = [&](Rule (*make)(), const char* text) {
    CHECK_THROWS_AS(Schedule(optimizer, make()), ValueError);
    CHECK_THROWS_WITH(Schedule(optimizer, make()), Contains(text));
  };
  refused([]() -> Rule { return StepLR{0}; }, "StepLR: step_size is 0; it is at least 1");
  refused([]() -> Rule { return StepLR{.step_size = 1, .gamma = -1}; }, "StepLR: gamma is -1");
  refused([]() -> Rule { return MultiStepLR{{3, -1}}; }, "MultiStepLR: a milestone is -1");
  refused([]() -> Rule { return ConstantLR{.factor = 2}; }, "ConstantLR: factor is 2");
  refused([]() -> Rule { return ConstantLR{.total_iters = -1}; }, "ConstantLR: total_iters is -1");
  refused([]() -> Rule { return LinearLR{.start_factor = 0}; }, "LinearLR: start_factor is 0");
  refused([]() -> Rule { return LinearLR{.end_factor = 1.5}; }, "LinearLR: end_factor is 1.5");
  refused([]() -> Rule { return LinearLR{.total_iters = 0}; }, "LinearLR: total_iters is 0");
  refused([]() -> Rule { return ExponentialLR{-1}; }, "ExponentialLR: gamma is -1");
  refused([]() -> Rule { return PolynomialLR{.power = -1}; }, "PolynomialLR: power is -1");
  refused([]() -> Rule { return PolynomialLR{.total_iters = 0}; }, "PolynomialLR: total_iters is 0");
  refused([]() -> Rule { return CosineAnnealingLR{0}; }, "CosineAnnealingLR: T_max is 0");
  refused([]() -> Rule { return CosineAnnealingLR{.T_max = 1, .eta_min = -1}; }, "eta_min is -1");
  refused([]() -> Rule { return CosineAnnealingWarmRestarts{0}; }, "CosineAnnealingWarmRestarts: T_0 is 0");
  refused([]() -> Rule { return CosineAnnealingWarmRestarts{.T_0 = 1, .T_mult = 0}; }, "T_mult is 0");
  refused([]() -> Rule { return OneCycleLR{.max_lr = 1, .total_steps = 0}; }, "OneCycleLR: total_steps is 0");
  refused([]() -> Rule { return OneCycleLR{.max_lr = -1, .total_steps = 9}; }, "OneCycleLR: max_lr is -1");
  refused([]() -> Rule { return OneCycleLR{.max_lr = 1, .total_steps = 9, .pct_start = 2}; },
          "pct_start is 2");
  refused([]() -> Rule { return OneCycleLR{.max_lr = 1, .total_steps = 9, .base_momentum = 1}; },
          "base_momentum is 1; it lies in [0, 1)");
  refused([]() -> Rule { return OneCycleLR{.max_lr = 1, .total_steps = 9, .div_factor = 0}; },
          "div_factor is 0");
  refused([]() -> Rule { return OneCycleLR{.max_lr = 1, .total_steps = 9}; },
          "SGD has no momentum in group 0, which cycle_momentum would move");
  refused([]() -> Rule { return SWALR{-1}; }, "SWALR: swa_lr is -1");
  refused([]() -> Rule { return LambdaLR{}; }, "LambdaLR: lr_lambda is empty");
  refused(
      []() -> Rule {
        return SequentialLR{{StepLR{1}, StepLR{1}}, {}};
      },
      "SequentialLR: 0 milestones for 2 schedulers");
  refused([]() -> Rule { return SequentialLR{{StepLR{1}, StepLR{1}, StepLR{1}}, {5, 2}}; }, "not in order");
  CHECK_THROWS_WITH(Schedule(optimizer, std::vector<Rule>{StepLR{1}, StepLR{1}}),
                    Contains("Schedule: 2 rules for 1 parameter groups"));
  CHECK_THROWS_WITH(ReduceLROnPlateau(optimizer, {.factor = 1}), Contains("ReduceLROnPlateau: factor is 1"));
  CHECK_THROWS_WITH(ReduceLROnPlateau(optimizer, {.patience = -1}), Contains("patience is -1"));
  CHECK(optimizer.lr() == 0.1);
}

TEST_CASE("a rate that cannot be is refused, and nothing is changed") {
  SGD optimizer(parameter(), {.lr = 0.1});
  optimizer.add_group(parameter(), {.lr = 0.2});
  Schedule schedule(optimizer,
                    [](double base, std::int64_t epoch) { return base - 0.06 * static_cast<double>(epoch); });
  schedule.step();
  CHECK(schedule.last_lr()[0] == Approx(0.04));
  CHECK_THROWS_WITH(schedule.step(), Contains("Schedule: the rate is -0.0"));
  CHECK(schedule.last_epoch() == 1);
  CHECK(optimizer.lr(1) == Approx(0.14));

  Adam adam(parameter());
  Schedule cycle(adam, OneCycleLR{.max_lr = 1, .total_steps = 3});
  for (int t = 0; t < 3; ++t) cycle.step();
  CHECK_THROWS_WITH(cycle.step(), Contains("OneCycleLR: step 4 of a cycle of 3"));
  CHECK(cycle.last_epoch() == 3);
}

TEST_CASE("a group that is added joins in with its own rate") {
  SGD optimizer(parameter(), {.lr = 0.1});
  Schedule schedule(optimizer, StepLR{.step_size = 2, .gamma = 0.5});
  schedule.step();
  optimizer.add_group(parameter(), {.lr = 0.4});
  schedule.step();
  CHECK(optimizer.lr(0) == 0.05);
  CHECK(optimizer.lr(1) == 0.2);
}

TEST_CASE("a cycle of one step, and one whose rise has no length") {
  Adam optimizer(parameter());
  Schedule(optimizer, OneCycleLR{.max_lr = 1, .total_steps = 1}).step();
  CHECK(std::isfinite(optimizer.lr()));
  const Schedule rise(optimizer, OneCycleLR{.max_lr = 1, .total_steps = 10, .pct_start = 0.1});
  CHECK(optimizer.lr() == 1);
}

TEST_CASE("a schedule's state is loaded whole or not at all") {
  SGD a(parameter(), {.lr = 0.1}), b(parameter(), {.lr = 0.7});
  Schedule first(a, StepLR{3}), second(b, StepLR{3});
  for (int t = 0; t < 4; ++t) first.step();
  const auto state = first.state();
  auto wrong = state;
  wrong[1].tensor = zeros<double>({2});
  CHECK_THROWS_WITH(second.load_state(wrong),
                    Contains("Schedule: the state holds 'base_lr' [2] where 'base_lr' [1]"));
  wrong = state;
  wrong[0].tensor = Tensor<double>{-1};
  CHECK_THROWS_AS(second.load_state(wrong), FormatError);
  CHECK(second.last_epoch() == 0);
  second.load_state(state);
  second.step(), first.step();
  CHECK(b.lr() == a.lr());

  ReduceLROnPlateau plateau(a, {.patience = 1}), other(b, {.patience = 1});
  plateau.step(1), plateau.step(2);
  other.load_state(plateau.state());
  CHECK(other.best() == 1);
  other.step(3), plateau.step(3);
  CHECK(a.lr() == b.lr());
  CHECK_THROWS_WITH(other.load_state(state),
                    Contains("ReduceLROnPlateau: the state has no 'num_bad_epochs'"));
}

}  // namespace
