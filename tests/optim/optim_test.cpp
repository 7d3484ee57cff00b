// Optimizers against PyTorch's numbers, step by step, and what they refuse.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/nn/safetensors.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/rmsprop.hpp>
#include <xgrad/optim/sgd.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;

const nn::StateDict& reference() {
  static const nn::StateDict tensors =
      nn::load_safetensors(XGRAD_FIXTURES "/torch/optim.safetensors").tensors;
  return tensors;
}

template <Real T>
Tensor<T> expected(const std::string& name) {
  const AnyTensor* found = reference().find(name);
  INFO(name);
  REQUIRE(found);
  return Tensor<double>(detail::copy_of(*found)).to<T>();
}

template <Real T>
std::vector<Tensor<T>> start() {
  std::vector<Tensor<T>> parameters;
  for (int k = 0; k < 2; ++k)
    parameters.push_back(expected<T>(fmt::format("start.{}", k)).set_requires_grad());
  return parameters;
}

// The script that wrote the numbers leaves one gradient out.
template <Real T>
void set_gradients(std::vector<Tensor<T>>& parameters, int step) {
  for (int k = 0; k < 2; ++k)
    parameters[static_cast<std::size_t>(k)].set_grad(
        step == 2 && k == 1 ? Tensor<T>() : expected<T>(fmt::format("gradient.{}.{}", step, k)));
}

constexpr int steps = 6;

// `make(parameters)` gives the optimizer that the numbers under `name` come from.
template <Real T>
void check(const std::string& name, auto make) {
  INFO(name);
  auto parameters = start<T>();
  auto optimizer = make(parameters);
  for (int t = 0; t < steps; ++t) {
    set_gradients(parameters, t);
    optimizer.step();
    for (int k = 0; k < 2; ++k) {
      INFO("step " << t << ", parameter " << k);
      const double tolerance = std::same_as<T, double> ? 1e-13 : 3e-6;
      CHECK(allclose(parameters[static_cast<std::size_t>(k)],
                     expected<T>(fmt::format("{}.{}.{}", name, t, k)), tolerance, tolerance));
    }
  }
}

template <Real T>
void check_all() {
  using P = std::vector<Tensor<T>>;
  using optim::Adam, optim::AdamW, optim::RMSprop, optim::SGD;
  check<T>("sgd", [](P& p) { return SGD(p, {.lr = 0.1}); });
  check<T>("sgd_momentum",
           [](P& p) { return SGD(p, {.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01}); });
  check<T>("sgd_nesterov",
           [](P& p) { return SGD(p, {.lr = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01}); });
  check<T>("adam", [](P& p) { return Adam(p); });
  check<T>("adam_options", [](P& p) {
    return Adam(p, {.lr = 0.02, .betas = {0.8, 0.95}, .eps = 1e-6, .weight_decay = 0.1});
  });
  check<T>("adam_amsgrad", [](P& p) { return Adam(p, {.lr = 0.02, .amsgrad = true}); });
  check<T>("adamw", [](P& p) { return AdamW(p); });
  check<T>("adamw_options", [](P& p) {
    return AdamW(p, {.lr = 0.02, .betas = {0.8, 0.95}, .eps = 1e-6, .weight_decay = 0.3, .amsgrad = true});
  });
  check<T>("rmsprop", [](P& p) { return RMSprop(p); });
  check<T>("rmsprop_momentum", [](P& p) {
    return RMSprop(p, {.lr = 0.02, .alpha = 0.9, .eps = 1e-6, .weight_decay = 0.1, .momentum = 0.8});
  });
  check<T>("rmsprop_centered", [](P& p) { return RMSprop(p, {.lr = 0.02, .centered = true}); });
  check<T>("rmsprop_both", [](P& p) { return RMSprop(p, {.lr = 0.02, .momentum = 0.8, .centered = true}); });
}

TEST_CASE("every step of every optimizer is PyTorch's, in double") { check_all<double>(); }
TEST_CASE("every step of every optimizer is PyTorch's, in float") { check_all<float>(); }

TEST_CASE("RMSprop: a centered mean square that rounds below 0 is 0") {
  // Constant gradients, whose variance vanishes.
  auto p = zeros({60}).set_requires_grad();
  p.set_grad(linspace(0.1, 6, 60));
  for (const double momentum : {0.0, 0.9}) {
    optim::RMSprop optimizer(std::vector{p}, {.lr = 1e-3, .momentum = momentum, .centered = true});
    for (int t = 0; t < 3000; ++t) optimizer.step();
    CHECK(std::ranges::all_of(p.values(), [](float x) { return std::isfinite(x); }));
  }
}

TEMPLATE_TEST_CASE("an infinite parameter stays infinite, unless it decays", "", float, double) {
  using P = std::vector<Tensor<TestType>>;
  using optim::Adam, optim::AdamW, optim::RMSprop, optim::SGD;
  const auto after = [](auto make) {
    P p{Tensor<TestType>{INFINITY, 1}.set_requires_grad()};
    auto optimizer = make(p);
    for (int t = 0; t < 3; ++t) p[0].set_grad(Tensor<TestType>{1, 1}), optimizer.step();
    CHECK(std::isfinite(p[0].values()[1]));
    return p[0].values()[0];
  };
  CHECK(after([](P& p) { return SGD(p); }) == INFINITY);
  CHECK(after([](P& p) { return SGD(p, {.momentum = 0.9, .dampening = 0.1}); }) == INFINITY);
  CHECK(after([](P& p) { return SGD(p, {.momentum = 0.9, .nesterov = true}); }) == INFINITY);
  CHECK(after([](P& p) { return Adam(p); }) == INFINITY);
  CHECK(after([](P& p) { return Adam(p, {.amsgrad = true}); }) == INFINITY);
  CHECK(after([](P& p) { return AdamW(p); }) == INFINITY);
  CHECK(after([](P& p) { return RMSprop(p); }) == INFINITY);
  CHECK(after([](P& p) { return RMSprop(p, {.momentum = 0.9, .centered = true}); }) == INFINITY);
  CHECK(std::isnan(after([](P& p) { return SGD(p, {.weight_decay = 0.1}); })));  // as in PyTorch
}

// Tails of every length, against the same update one element at a time.
TEMPLATE_TEST_CASE("the loops treat all elements alike and write nothing after them", "", float, double) {
  using T = TestType;
  for (std::int64_t n = 0; n < 40; ++n) {
    Generator generator(7);
    const Tensor<T> value = randn<T>({n}, generator), gradient = randn<T>({n}, generator);
    Tensor<T> whole = value.clone();  // has n elements, and after them what must stay as it is
    std::vector<T> guard(static_cast<std::size_t>(n) + 8, T(42));
    Tensor<T> guarded(AnyTensor::empty({n + 8}, dtype_of<T>));
    guarded.assign(full<T>({n + 8}, 42));
    Tensor<T> front(guarded.part({n}));
    front.assign(value);
    front.set_requires_grad().set_grad(gradient);
    whole.set_requires_grad().set_grad(gradient);
    optim::Adam a(std::vector{front}, {.lr = 0.1, .amsgrad = true}),
        b(std::vector{whole}, {.lr = 0.1, .amsgrad = true});
    for (int t = 0; t < 3; ++t) a.step(), b.step();
    CHECK(allclose(front, whole, 0, 0));
    for (std::size_t i = 0; i < 8; ++i) CHECK(guarded.values()[static_cast<std::size_t>(n) + i] == T(42));
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      Tensor<T> single{value.values()[at]};
      single.set_requires_grad().set_grad(Tensor<T>{gradient.values()[at]});
      optim::Adam c(std::vector{single}, {.lr = 0.1, .amsgrad = true});
      for (int t = 0; t < 3; ++t) c.step();
      CHECK(single.item() == whole.values()[at]);
    }
  }
}

TEST_CASE("a step raises the version of what it changes, and of nothing else") {
  auto parameters = start<double>();
  optim::Adam optimizer(parameters);
  set_gradients(parameters, 2);  // none for the second
  const auto before = parameters[0].version(), untouched = parameters[1].version();
  optimizer.step();
  CHECK(parameters[0].version() > before);
  CHECK(parameters[1].version() == untouched);
}

constexpr auto heavy_ball = formula("heavy_ball", [](auto p, auto v, auto g, auto lr) {
  auto next = 0.9 * v + g;
  return outputs(p - lr * next, next);
});

struct HeavyBall : optim::Optimizer<double> {
  explicit HeavyBall(std::vector<Tensor<double>> parameters)
      : Optimizer("HeavyBall", std::move(parameters), 0.1) {
    add_buffers("velocity");
  }
  void step() {
    each([&](const auto& p, const auto& g, std::int64_t, std::size_t k) {
      heavy_ball.into({p, buffer(0, k)}, p, buffer(0, k), g, lr());
    });
  }
};

TEST_CASE("an optimizer of one's own is a formula and the buffers that it needs") {
  auto ours = start<double>(), theirs = start<double>();
  HeavyBall optimizer(ours);
  optim::SGD sgd(theirs, {.lr = 0.1, .momentum = 0.9});  // the same, for a buffer of zeros
  for (int t = 0; t < steps; ++t) {
    set_gradients(ours, t), set_gradients(theirs, t);
    const auto before = ours[0].version(), other = ours[1].version();
    optimizer.step(), sgd.step();
    for (std::size_t k = 0; k < 2; ++k) CHECK(allclose(ours[k], theirs[k], 1e-14, 1e-14));
    CHECK(ours[0].version() == before + 1);
    CHECK(ours[1].version() == other + (t == 2 ? 0 : 1));
    CHECK(theirs[0].version() == ours[0].version());
    CHECK(ours[0].is_leaf());
  }
  CHECK(optimizer.state()[1].name == "velocity.0");
  optimizer.set_lr(0.5);
  CHECK(optimizer.lr() == 0.5);
  CHECK_THROWS_WITH(optimizer.set_lr(-1), Contains("HeavyBall: lr is -1; it is finite and at least 0"));
  CHECK_THROWS_WITH(Replay([&] {
                      optimizer.step();
                      return ours[0].detach();
                    }),
                    Contains("HeavyBall: inside the function"));
}

TEST_CASE("the learning rate can be changed on the way") {
  auto a = start<double>(), b = start<double>();
  optim::SGD changed(a, {.lr = 1}), fixed(b, {.lr = 0.25});
  changed.set_lr(0.25);
  CHECK(changed.lr() == 0.25);
  CHECK(changed.options().lr == 0.25);
  set_gradients(a, 0), set_gradients(b, 0);
  changed.step(), fixed.step();
  CHECK(allclose(a[0], b[0], 0, 0));
}

TEST_CASE("zero_grad clears every gradient") {
  auto parameters = start<double>();
  set_gradients(parameters, 0);
  optim::SGD optimizer(parameters);
  optimizer.zero_grad();
  for (const auto& p : optimizer.parameters()) CHECK_FALSE(p.grad().defined());
}

TEST_CASE("a saved state goes on where it was left") {
  const optim::AdamOptions options{.lr = 0.02, .amsgrad = true};
  auto parameters = start<double>();
  optim::Adam first(parameters, options);
  for (int t = 0; t < 3; ++t) set_gradients(parameters, t), first.step();

  std::vector<Tensor<double>> copies;
  for (auto& p : parameters) copies.push_back(Tensor<double>(detail::copy_of(p)).set_requires_grad());
  optim::Adam second(copies, options);
  const auto state = first.state();
  CHECK(state.size() == 9);
  CHECK(state[0].name == "step");
  CHECK(state[1].name == "exp_avg.0");
  CHECK(state[6].name == "max_exp_avg_sq.1");
  CHECK(state[7].name == "lr");
  CHECK(state[8].name == "momentum");
  second.load_state(state);
  for (int t = 3; t < steps; ++t) {
    set_gradients(parameters, t), first.step();
    set_gradients(copies, t), second.step();
  }
  for (std::size_t k = 0; k < 2; ++k) CHECK(allclose(parameters[k], copies[k], 0, 0));

  optim::Adam plain(copies);
  CHECK_THROWS_WITH(plain.load_state(state),
                    Contains("Adam: a state of 9 tensors where this optimizer has 7"));
  auto wrong = state;
  wrong[1].tensor = zeros<double>({4});
  CHECK_THROWS_WITH(second.load_state(wrong),
                    Contains("'exp_avg.0' [4] where 'exp_avg.0' [3, 7] is expected; nothing was changed"));
}

TEST_CASE("optimizers refuse parameters and options that cannot work") {
  using P = std::vector<Tensor<>>;
  const auto parameter = [] { return zeros({2, 3}).set_requires_grad(); };
  const P good{parameter()};
  CHECK_THROWS_AS(optim::SGD(P{}), ValueError);
  CHECK_THROWS_WITH(optim::Adam(P{}), Contains("Adam: no parameters"));
  CHECK_THROWS_WITH(optim::AdamW(P{}), Contains("AdamW: no parameters"));
  CHECK_THROWS_WITH(optim::RMSprop(P{}), Contains("RMSprop: no parameters"));
  CHECK_THROWS_WITH(optim::SGD(P{parameter(), Tensor<>()}), Contains("parameter 1 is undefined"));
  CHECK_THROWS_WITH(optim::SGD(P{zeros({2, 3})}),
                    Contains("parameter 0 of shape [2, 3] takes no gradient; call set_requires_grad()"));
  CHECK_THROWS_WITH(optim::SGD(P{good[0] * 2}),
                    Contains("parameter 0 of shape [2, 3] is the result of 'mul', not a leaf"));
  CHECK_THROWS_WITH(optim::SGD(P{good[0], good[0]}), Contains("parameter 1 of shape [2, 3] is given twice"));
  CHECK_THROWS_WITH(optim::SGD(good, {.lr = -1}), Contains("SGD: lr is -1; it is finite and at least 0"));
  CHECK_THROWS_WITH(optim::SGD(good, {.lr = std::numeric_limits<double>::quiet_NaN()}),
                    Contains("lr is nan"));
  CHECK_THROWS_WITH(optim::SGD(good, {.nesterov = true}), Contains("nesterov needs a momentum"));
  CHECK_THROWS_WITH(optim::SGD(good, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}),
                    Contains("no dampening"));
  CHECK_THROWS_WITH(optim::Adam(good, {.betas = {0.9, 1}}),
                    Contains("Adam: betas[1] is 1; it lies in [0, 1)"));
  CHECK_THROWS_WITH(optim::AdamW(good, {.eps = -1}), Contains("AdamW: eps is -1"));
  CHECK_THROWS_WITH(optim::RMSprop(good, {.alpha = -1}), Contains("RMSprop: alpha is -1"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(optim::RMSprop(good, {.alpha = 2}), Contains("RMSprop: alpha is 2; it lies in [0, 1)"));
  CHECK_THROWS_WITH(optim::RMSprop(good, {.alpha = nan}), Contains("RMSprop: alpha is nan"));
  CHECK_THROWS_WITH(optim::RMSprop(good, {.lr = nan}),
                    Contains("RMSprop: lr is nan; it is finite and at least 0"));
  CHECK_THROWS_WITH(optim::RMSprop(good, {.eps = nan}), Contains("RMSprop: eps is nan"));
  CHECK_THROWS_WITH(optim::RMSprop(good, {.weight_decay = nan}), Contains("RMSprop: weight_decay is nan"));
  CHECK_THROWS_WITH(optim::RMSprop(good, {.momentum = -1}), Contains("RMSprop: momentum is -1"));
  CHECK_THROWS_WITH(optim::SGD(good, {.momentum = nan}), Contains("SGD: momentum is nan"));
  CHECK_THROWS_WITH(optim::SGD(good, {.momentum = 0.9, .dampening = nan}), Contains("SGD: dampening is nan"));
  CHECK_THROWS_WITH(optim::SGD(good, {.weight_decay = -0.1}), Contains("SGD: weight_decay is -0.1"));
  CHECK_THROWS_WITH(optim::Adam(good, {.lr = nan}), Contains("Adam: lr is nan"));
  CHECK_THROWS_WITH(optim::Adam(good, {.betas = {nan, 0.9}}),
                    Contains("Adam: betas[0] is nan; it lies in [0, 1)"));
  CHECK_THROWS_WITH(optim::Adam(good, {.betas = {0.9, -0.1}}), Contains("Adam: betas[1] is -0.1"));
  CHECK_THROWS_WITH(optim::AdamW(good, {.weight_decay = nan}), Contains("AdamW: weight_decay is nan"));
  CHECK_THROWS_AS(optim::Adam(good, {.eps = nan}), ValueError);
  optim::Adam optimizer(good);
  CHECK_THROWS_WITH(optimizer.set_lr(-2), Contains("lr is -2"));
  CHECK_THROWS_WITH(optimizer.set_lr(nan), Contains("lr is nan"));
  CHECK(optimizer.lr() == 1e-3);
}

}  // namespace
