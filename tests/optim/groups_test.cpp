// Parameter groups, optimizers chosen at run time, closures, and the options that each optimizer refuses.
#include <limits>
#include <memory>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/optim/adagrad.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/adam_variants.hpp>
#include <xgrad/optim/rmsprop.hpp>
#include <xgrad/optim/sgd.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::optim;
using Catch::Matchers::Contains;
using D = Tensor<double>;
using Parameters = std::vector<D>;

D parameter(double value = 1) {
  D p = full<double>({3}, value).set_requires_grad();
  p.set_grad(D{1, -2, 0.5});
  return p;
}

TEST_CASE("groups have options of their own") {
  const D a = parameter(), b = parameter(), alone = parameter();
  SGD optimizer(std::vector<ParamGroup<double, SGDOptions>>{{{a}, {.lr = 0.1, .momentum = 0.9}},
                                                            {{b}, {.lr = 0.01, .weight_decay = 0.5}}});
  SGD second(Parameters{alone}, {.lr = 0.01, .weight_decay = 0.5});
  CHECK(optimizer.groups() == 2);
  CHECK(optimizer.lr() == 0.1);
  CHECK(optimizer.lr(1) == 0.01);
  CHECK(optimizer.options(1).weight_decay == 0.5);
  CHECK(optimizer.parameters().size() == 2);
  for (int t = 0; t < 3; ++t) optimizer.step(), second.step();
  CHECK(allclose(b, alone, 0, 0));
  CHECK(a.values()[0] == Approx(1 - 0.1 * (1 + 1.9 + 2.71)).epsilon(1e-14));
  optimizer.set_lr(0.5, 1);
  CHECK(optimizer.options(0).lr == 0.1);
  CHECK(optimizer.options(1).lr == 0.5);
  optimizer.set_lr(0.25);
  CHECK(optimizer.lr(0) == 0.25);
  CHECK(optimizer.lr(1) == 0.25);
  CHECK(optimizer.has_momentum(0));
  CHECK_FALSE(optimizer.has_momentum(1));
  optimizer.set_momentum(0.8, 0);
  CHECK(optimizer.options(0).momentum == 0.8);
  // The second group has no buffer, and the state knows.
  const auto state = optimizer.state();
  REQUIRE(state.size() == 4);
  CHECK(state[1].name == "momentum_buffer.0");
}

TEST_CASE("a group that cannot be is refused, and changes nothing") {
  const D a = parameter();
  SGD optimizer(Parameters{a}, {.lr = 0.1});
  CHECK_THROWS_WITH(optimizer.add_group({a}), "SGD: parameter 1 of shape [3] is given twice; give each once");
  CHECK_THROWS_WITH(optimizer.add_group({zeros<double>({2})}),
                    Contains("parameter 1 of shape [2] takes no gradient"));
  CHECK_THROWS_WITH(optimizer.add_group({parameter()}, {.lr = -1}), Contains("SGD: lr is -1"));
  CHECK_THROWS_WITH(optimizer.add_group({parameter()}, {.momentum = -1}), Contains("SGD: momentum is -1"));
  CHECK_THROWS_WITH(optimizer.lr(1), "SGD: there is no parameter group 1; it has 1");
  CHECK_THROWS_AS(optimizer.set_lr(0.1, 3), ValueError);
  CHECK_THROWS_WITH(optimizer.set_momentum(0.5, 0), Contains("SGD: group 0 has no momentum to set"));
  CHECK(optimizer.groups() == 1);
  CHECK(optimizer.parameters().size() == 1);
  optimizer.add_group({});  // a model without biases, say
  optimizer.step();
  CHECK(optimizer.groups() == 2);
  CHECK_THROWS_WITH(SGD(std::vector<ParamGroup<double, SGDOptions>>{{}, {}}), Contains("SGD: no parameters"));
}

TEST_CASE("the state of groups is loaded with their rates, or not at all") {
  const auto make = [](const D& a, const D& b) {
    AdamW optimizer(Parameters{a}, {.lr = 0.1});
    optimizer.add_group({b}, {.lr = 0.01, .weight_decay = 0});
    return optimizer;
  };
  const D a = parameter(), b = parameter();
  auto first = make(a, b);
  first.set_lr(0.05, 1);
  first.set_momentum(0.7, 0);
  for (int t = 0; t < 3; ++t) first.step();
  D c = a.detach().clone().set_requires_grad(), d = b.detach().clone().set_requires_grad();
  auto second = make(c, d);
  auto state = first.state();
  second.load_state(state);
  CHECK(second.lr(0) == 0.1);
  CHECK(second.lr(1) == 0.05);
  CHECK(second.options(0).betas[0] == 0.7);
  c.set_grad(a.grad()), d.set_grad(b.grad());
  first.step(), second.step();
  CHECK(allclose(a, c, 0, 0));
  CHECK(allclose(b, d, 0, 0));

  const auto before = second.state();
  const double rate = second.lr(1);
  for (const auto& [name, value] : {std::pair("lr", -1.0), {"step", std::nan("")}, {"momentum", 1.0}}) {
    auto wrong = first.state();
    const auto found = std::ranges::find(wrong, std::string(name), &NamedState::name);
    found->tensor = full<double>(found->tensor.shape(), value);
    CHECK_THROWS_WITH(second.load_state(wrong),
                      Contains(std::string("AdamW: the state holds '") + name + "' = "));
  }
  auto wrong = first.state();
  wrong[2].tensor = zeros<float>({3});
  CHECK_THROWS_WITH(second.load_state(wrong), Contains("of another type; nothing was changed"));
  wrong[2].name = "other";
  CHECK_THROWS_WITH(second.load_state(wrong), Contains("the state has no 'exp_avg.1'"));
  CHECK(second.lr(1) == rate);
  CHECK(allclose(D(before[1].tensor), D(second.state()[1].tensor), 0, 0));
}

TEST_CASE("an optimizer is chosen when the program runs, and steps by a closure") {
  for (const int choice : {0, 1, 2, 3}) {
    D w = parameter(0);
    const Parameters p{w};
    std::unique_ptr<Optimizer<double>> optimizer;
    if (choice == 0) optimizer = std::make_unique<SGD<double>>(p, SGDOptions{.lr = 0.1, .momentum = 0.5});
    if (choice == 1) optimizer = std::make_unique<Adam<double>>(p, AdamOptions{.lr = 0.1});
    if (choice == 2) optimizer = std::make_unique<Rprop<double>>(p);
    if (choice == 3) optimizer = std::make_unique<NAdam<double>>(p, NAdamOptions{.lr = 0.1});
    D loss;
    for (int t = 0; t < 300; ++t)
      loss = optimizer->step([&] {
        optimizer->zero_grad();
        D l = sum(square(w - D{1, -2, 0.5}));
        l.backward();
        return l;
      });
    CHECK(loss.item() < 1e-3);
    CHECK_FALSE(std::string(optimizer->name()).empty());
  }
}

TEST_CASE("to maximize is to minimize the negative") {
  D up = parameter(), down = parameter();
  Adadelta a(Parameters{up}, {.maximize = true}), b(Parameters{down}, {.maximize = false});
  for (int t = 0; t < 5; ++t) {
    up.set_grad(D{1, -2, 0.5}), down.set_grad(D{-1, 2, -0.5});
    a.step(), b.step();
  }
  CHECK(allclose(up, down, 0, 0));
}

TEST_CASE("every optimizer refuses its options by name") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Parameters p{parameter()};
  CHECK_THROWS_WITH(NAdam(p, {.betas = {1, 0.9}}), Contains("NAdam: betas[0] is 1; it lies in [0, 1)"));
  CHECK_THROWS_WITH(NAdam(p, {.betas = {0.9, -1}}), Contains("NAdam: betas[1] is -1"));
  CHECK_THROWS_WITH(NAdam(p, {.eps = nan}), Contains("NAdam: eps is nan"));
  CHECK_THROWS_WITH(NAdam(p, {.weight_decay = -1}), Contains("NAdam: weight_decay is -1"));
  CHECK_THROWS_WITH(NAdam(p, {.momentum_decay = -1}), Contains("NAdam: momentum_decay is -1"));
  CHECK_THROWS_WITH(RAdam(p, {.betas = {nan, 0.9}}), Contains("RAdam: betas[0] is nan"));
  CHECK_THROWS_WITH(RAdam(p, {.eps = -1}), Contains("RAdam: eps is -1"));
  CHECK_THROWS_WITH(RAdam(p, {.weight_decay = nan}), Contains("RAdam: weight_decay is nan"));
  CHECK_THROWS_WITH(Adamax(p, {.betas = {0.9, 2}}), Contains("Adamax: betas[1] is 2"));
  CHECK_THROWS_WITH(Adamax(p, {.eps = -1}), Contains("Adamax: eps is -1"));
  CHECK_THROWS_WITH(Adamax(p, {.weight_decay = -1}), Contains("Adamax: weight_decay is -1"));
  CHECK_THROWS_WITH(Lion(p, {.betas = {0.9, 1}}), Contains("Lion: betas[1] is 1"));
  CHECK_THROWS_WITH(Lion(p, {.weight_decay = -1}), Contains("Lion: weight_decay is -1"));
  CHECK_THROWS_WITH(Adagrad(p, {.lr_decay = -1}), Contains("Adagrad: lr_decay is -1"));
  CHECK_THROWS_WITH(Adagrad(p, {.weight_decay = -1}), Contains("Adagrad: weight_decay is -1"));
  CHECK_THROWS_WITH(Adagrad(p, {.initial_accumulator_value = -1}),
                    Contains("Adagrad: initial_accumulator_value is -1"));
  CHECK_THROWS_WITH(Adagrad(p, {.eps = -1}), Contains("Adagrad: eps is -1"));
  CHECK_THROWS_WITH(Adadelta(p, {.rho = 1.5}), Contains("Adadelta: rho is 1.5"));
  CHECK_THROWS_WITH(Adadelta(p, {.eps = -1}), Contains("Adadelta: eps is -1"));
  CHECK_THROWS_WITH(Adadelta(p, {.weight_decay = -1}), Contains("Adadelta: weight_decay is -1"));
  CHECK_THROWS_WITH(Rprop(p, {.etas = {0, 1.2}}), "Rprop: etas[0] is 0; it lies between 0 and 1");
  CHECK_THROWS_WITH(Rprop(p, {.etas = {0.5, 1}}), "Rprop: etas[1] is 1; it is above 1");
  CHECK_THROWS_WITH(Rprop(p, {.step_sizes = {-1, 50}}), Contains("Rprop: step_sizes[0] is -1"));
  CHECK_THROWS_WITH(Rprop(p, {.step_sizes = {1, 0.5}}), Contains("Rprop: step_sizes[1] is 0.5"));
  CHECK_THROWS_WITH(Lion(p, {.lr = nan}), Contains("Lion: lr is nan"));
  CHECK_THROWS_WITH(Lion(Parameters{}), Contains("Lion: no parameters"));
}

}  // namespace
