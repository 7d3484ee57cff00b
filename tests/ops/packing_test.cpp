// Operands that are kept packed: the same products, of the values of the moment, also in a Replay.
#include <xgrad/ops/matmul.hpp>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/nn/init.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/clip.hpp>
#include "catch.hpp"
#include "product_by_loops.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;

namespace {

struct PackingScope {
  explicit PackingScope(bool on) : before(packing()) { set_packing(on); }
  ~PackingScope() { set_packing(before); }
  bool before;
};

template <Real T>
struct Trained {
  Tensor<T> y, gx, gw;
};

// Twelve steps with one weight, as a recurrent net multiplies, and the gradients.
template <Real T>
Trained<T> many_products(const Tensor<T>& weight, std::int64_t rows, std::uint64_t seed) {
  Generator random(seed);
  auto x = randn<T>({rows, weight.shape()[1]}, random).set_requires_grad();
  Tensor<T> total = linear(x, weight);
  for (int t = 1; t < 6; ++t) total = total + linear(x * (1.0 / t), weight);
  const auto seedling = randn<T>(total.shape(), random);
  auto [gx, gw] = grad(total, {x, weight}, {.grad_outputs = {seedling}});
  return {total, gx, gw};
}

}  // namespace

TEMPLATE_TEST_CASE("packing changes results by rounding only", "", float, double) {
  Generator random(7);
  for (const std::int64_t rows : {1, 3, 8, 32, 65})
    for (const Shape& shape : {Shape{16, 16}, Shape{33, 17}, Shape{128, 65}, Shape{200, 300}}) {
      INFO(rows << " rows, weight " << to_string(shape));
      const auto weight = randn<TestType>(shape, random).set_requires_grad();
      set_packing(true);
      const auto with = many_products(weight, rows, 8);
      Trained<TestType> without;
      {
        const PackingScope off(false);
        without = many_products(weight, rows, 8);
      }
      const double limit = std::same_as<TestType, float> ? 1e-6 : 1e-14;
      check_close(with.y, without.y.template to<double>(), limit);
      check_close(with.gx, without.gx.template to<double>(), limit);
      check_close(with.gw, without.gw.template to<double>(), limit);
    }
}

TEST_CASE("gradients through packed operands, and theirs") {
  const PackingScope on(true);
  Generator random(16);
  const auto x = randn<double>({9, 12}, random), w = randn<double>({11, 12}, random);
  const auto f = [](const Tensor<double>& a, const Tensor<double>& b) {
    return linear(a, b) + linear(a * a, b);
  };
  CHECK(gradcheck(f, {x, w}));
  CHECK(gradgradcheck(f, {x, w}));
}

TEST_CASE("a parameter that was written to is packed anew") {
  const PackingScope on(true);
  Generator random(9);
  auto weight = randn({40, 30}, random).set_requires_grad();
  const auto x = randn({16, 30}, random);
  for (int round = 0; round < 5; ++round) {
    for (int use = 0; use < round + 1; ++use)
      check_close(linear(x, weight), product_by_loops(x, weight, false, true), 1e-6);
    if (round % 2 == 0)
      for (float& w : weight.mutable_values()) w += 1;
    else
      weight.assign(randn({40, 30}, random));
  }
}

TEST_CASE("a span of values that is held is written to between products, too") {
  const PackingScope on(true);
  Generator random(13);
  auto weight = randn({40, 30}, random).set_requires_grad();
  const auto x = randn({16, 30}, random);
  const auto held = weight.mutable_values();
  for (int round = 0; round < 5; ++round) {
    check_close(linear(x, weight), product_by_loops(x, weight, false, true), 1e-6);
    held[7] += 10;
  }
  check_close(linear(x, weight), product_by_loops(x, weight, false, true), 1e-6);
  CHECK(weight.storage()->exposed());
  weight.assign(randn({40, 30}, random));
  CHECK_FALSE(weight.storage()->exposed());
}

TEST_CASE("initialisers, optimizers and clipping leave parameters as they may be packed") {
  nn::Linear<> layer(8, 8);
  std::vector<Tensor<>> parameters = nn::parameters(layer);
  optim::Adam opt(parameters, {.lr = 0.1});
  sum(layer(ones({2, 8}))).backward();
  optim::clip_grad_norm(parameters, 1e-3);
  opt.step();
  nn::init::normal(layer.weight);
  for (const auto& p : parameters) {
    CHECK_FALSE(p.storage()->exposed());
    CHECK_FALSE(p.grad().storage()->exposed());
  }
}

TEST_CASE("what a packed product gives does not depend on what was multiplied before") {
  const PackingScope on(true);
  Generator random(10);
  const auto values = randn({64, 48}, random);
  auto used = values.clone().set_requires_grad(), fresh = values.clone().set_requires_grad();
  const auto x = randn({24, 48}, random);
  const auto first = linear(x, used), second = linear(x, used), third = linear(x, used);
  CHECK(same_bits(first, second));
  CHECK(same_bits(first, third));
  CHECK(same_bits(first, linear(x, fresh)));
}

TEST_CASE("several parameters in one storage have packed forms of their own") {
  const PackingScope on(true);
  Generator random(11);
  const auto all = randn({3, 20, 30}, random), x = randn({16, 30}, random), x2 = randn({16, 20}, random);
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 3; ++i) {
      const auto w = Tensor<>(all.part({20, 30}, i * 600)).set_requires_grad();
      const auto v = Tensor<>(all.part({30, 20}, i * 600)).set_requires_grad();
      check_close(linear(x, w), product_by_loops(x, w, false, true), 1e-6);
      check_close(matmul(x, v), product_by_loops(x, v), 1e-6);
      check_close(matmul(x2, w), product_by_loops(x2, w), 1e-6);
      check_close(linear(x2, v), product_by_loops(x2, v, false, true), 1e-6);
    }
}

TEST_CASE("no end of parts of one storage") {
  const PackingScope on(true);
  Generator random(12);
  const auto all = randn({500, 30}, random), x = randn({8, 30}, random);
  for (int i = 0; i < 480; ++i) {
    const auto w = Tensor<>(all.part({20, 30}, i * 30)).set_requires_grad();
    check_close(linear(x, w), product_by_loops(x, w, false, true), 1e-6);
  }
}

TEST_CASE("a Replay notices new values of an operand that it keeps packed") {
  Tensor<> x = rand({64, 32}), w = rand({48, 32}).set_requires_grad();
  const auto function = [&] {
    const no_grad scope;
    return linear(x, w) + linear(x, w) + linear(x, w);
  };
  function();  // packs it
  Replay step(function);
  for (int i = 0; i < 4; ++i) {
    w.assign(rand({48, 32}));
    const Tensor<> result = step().clone();
    CHECK(same_bits(result, function()));
  }
}

TEST_CASE("a parameter that a Replay itself writes is packed anew, inside and outside") {
  Tensor<> x = rand({64, 32}), w = rand({48, 32}).set_requires_grad();
  Tensor<> by_hand = w.detach().clone().set_requires_grad();
  const auto descend = [&](Tensor<>& weight) {
    weight.zero_grad();
    mean(square(linear(x, weight))).backward();
    const Tensor<> before = linear(x, weight).detach();
    weight.assign(weight.detach() - weight.grad() * 10);
    return std::vector{before, linear(x, weight).detach()};
  };
  Replay step([&] { return descend(w); });
  descend(by_hand);
  for (int i = 0; i < 4; ++i) {
    step();
    const auto expected = descend(by_hand);
    CHECK(same_bits(step.result(), expected));
    CHECK(same_bits(linear(x, w).detach(), linear(x, by_hand).detach()));
    CHECK(same_bits(w, by_hand));
  }
}

TEST_CASE("a leaf that a Replay makes and drops is not kept packed") {
  Tensor<> x = rand({64, 32}), v = rand({48, 32});
  const auto function = [&] {
    const Tensor<> w = (v * 2).detach().set_requires_grad();
    return linear(x, w).detach();
  };
  Replay step(function);
  for (int i = 0; i < 4; ++i) {
    v.assign(rand({48, 32}));
    CHECK(same_bits(step(), function()));
  }
}
