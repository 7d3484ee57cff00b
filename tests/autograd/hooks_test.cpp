// Hooks: what they see, what they may do during a backward pass, and what not.
#include <xgrad/autograd/tape/tensor.hpp>

#include <fmt/format.h>

#include <cmath>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/recurrent.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

using Vector = std::vector<double>;

TEST_CASE("hooks: see the whole gradient once, and may replace it", "[hooks]") {
  auto x = leaf({2});
  const auto h = x * 3;
  std::vector<double> seen;
  const auto watch = h.register_hook([&](const Tensor<double>& g) {
    seen.push_back(g.item());
    return Tensor<double>();
  });
  (h * 5 + h).backward({.retain_graph = true});
  CHECK(seen == Vector{6});
  CHECK(list(x.grad()) == Vector{18});

  auto halve = h.register_hook([](const Tensor<double>& g) { return g * 0.5; });
  auto tenfold =
      h.register_hook([](const Tensor<double>& g) { return g * 10; });  // in the order they were registered
  x.zero_grad();
  (h * 5 + h).backward({.retain_graph = true});
  CHECK(list(x.grad()) == Vector{90});
  halve.remove();
  tenfold.remove();
  tenfold.remove();  // again does nothing
  x.zero_grad();
  (h * 5 + h).backward({.retain_graph = true});
  CHECK(list(x.grad()) == Vector{18});
  CHECK(seen == Vector{6, 6, 6});
  (void)watch;
}

TEST_CASE("hooks: on leaves, and in grad()", "[hooks]") {
  auto x = leaf({2});
  auto handle = x.register_hook([](const Tensor<double>& g) { return g * 100; });
  (x * 3 + x).backward();
  CHECK(list(x.grad()) == Vector{400});
  CHECK(list(grad(x * 3, {x})[0]) == Vector{300});
  handle.remove();
  CHECK(list(grad(x * 3, {x})[0]) == Vector{3});
  const auto h = x * 2;
  h.register_hook([](const Tensor<double>& g) { return -g; });
  const auto [gh, gx] = grad(h * 7, {h, x});
  CHECK(list(gh) == Vector{-7});
  CHECK(list(gx) == Vector{-14});
}

TEST_CASE("hooks: a leaf's runs while the pass goes on, once all of its gradient is there", "[hooks]") {
  const auto first = counted_leaf({3}), last = counted_leaf({3}), twice = counted_leaf({3}), unused = counted_leaf({3});
  std::vector<std::string> order;
  const auto note = [&](const Tensor<double>& x, const std::string& name) {
    x.register_hook([&order, name](const Tensor<double>& g) {
      order.push_back(fmt::format("{} {}", name, g.values()[0]));
      return Tensor<double>();
    });
  };
  note(first, "first");
  note(last, "last");
  note(twice, "twice");
  note(unused, "unused");
  for (const auto& x : {first, last, twice}) Tensor<double>(x).assign(full<double>({3}, 2));
  const auto z = first * twice;
  note(z, "z");
  (sum(z * last * last) + sum(twice)).backward();
  // The gradient of `last` is complete before that of z, which leads to the other two.
  CHECK(order == std::vector<std::string>{"last 16", "z 4", "first 8", "twice 9"});
  CHECK(list(twice.grad()) == Vector{9, 9, 9});
}

TEST_CASE("hooks: a recurrent weight's runs once its products of all steps are one", "[hooks]") {
  const auto weight = counted_leaf({2, 2}), before = counted_leaf({1, 2});
  std::vector<std::string> order;
  Tensor<double> seen;
  weight.register_hook([&](const Tensor<double>& g) {
    order.push_back("weight");
    seen = g.clone();
    return Tensor<double>();
  });
  before.register_hook([&](const Tensor<double>&) { return order.push_back("before"), Tensor<double>(); });
  const auto zx = before * 1.0;
  auto h = zeros<double>({1, 2});
  for (int t = 0; t < 3; ++t) h = rnn_tanh_step(zx, h, weight);
  sum(h).backward();
  CHECK(order == std::vector<std::string>{"weight", "before"});
  CHECK(list(seen) == list(weight.grad()));
}

TEST_CASE("hooks: what they may not do, and what they may", "[hooks]") {
  auto x = leaf({1, 2});
  CHECK_THROWS_WITH(x.detach().register_hook([](const Tensor<double>& g) { return g; }),
                    Contains("register_hook: this tensor needs no gradient"));
  CHECK_THROWS_WITH(x.register_hook(nullptr), Contains("register_hook: the hook is an empty function"));
  CHECK_THROWS_AS(x.register_hook({}), ValueError);
  const auto h = x * 2;
  auto wrong = h.register_hook([](const Tensor<double>&) { return ones<double>({3}); });
  CHECK_THROWS_WITH((h * 1).backward(ones<double>({2})),
                    Contains("hook on 'mul': returned a gradient of shape [3] for one of shape [2]"));
  CHECK_FALSE(x.grad().defined());
  wrong.remove();

  HookHandle self;
  int calls = 0;
  self = h.register_hook([&](const Tensor<double>& g) {
    ++calls;
    self.remove();
    return g;
  });
  for (int i = 0; i < 2; ++i) (h * 1).backward(ones<double>({2}), {.retain_graph = true});
  CHECK(calls == 1);

  Tensor<double> stolen;  // a hook may keep the gradient: nothing writes into it afterwards
  h.register_hook([&](const Tensor<double>& g) {
    stolen = g;
    return Tensor<double>();
  });
  x.zero_grad();
  (h * 1 + x).backward(ones<double>({2}));
  CHECK(list(stolen) == Vector{1, 1});
  CHECK(list(x.grad()) == Vector{3, 3});
}

TEST_CASE("hooks: compute without recording, unless the backward pass is recorded", "[hooks]") {
  auto x = leaf({2}), w = leaf({5});
  const auto h = x * 1;
  const auto times_w = [&](const Tensor<double>& g) { return g * w; };
  h.register_hook(times_w);
  x.register_hook(times_w);
  (h * 3).backward({.retain_graph = true});
  CHECK(list(x.grad()) == Vector{75});
  CHECK_FALSE(x.grad().requires_grad());
  const auto [g] = grad(h * 3, {x}, {.create_graph = true});
  CHECK(list(grad(g, {w})[0]) == Vector{30});
}

TEST_CASE("hooks: may differentiate other graphs", "[hooks]") {
  auto x = leaf({2});
  const auto h = x * x, y = h * h;
  double inner = 0;
  h.register_hook([&](const Tensor<double>&) {
    const enable_grad recording;
    auto z = leaf({3});
    inner += grad(z * z, {z})[0].item();
    return Tensor<double>();
  });
  y.backward({.retain_graph = true});
  CHECK(inner == 6);
  CHECK(list(x.grad()) == Vector{32});
}

TEST_CASE("hooks: grad() inside grad(), towards what the outer one does not want", "[hooks]") {
  auto a = leaf({2}), b = leaf({3});
  const auto m = a * (b * 2), y = tanh(m * 0.125);
  Vector inner;
  y.register_hook([&](const Tensor<double>&) {
    inner = list(grad(m, {b}, {.retain_graph = true})[0]);
    return Tensor<double>();
  });
  const auto outer = grad(y * y, {a})[0];
  CHECK(inner == Vector{4});
  const double t = std::tanh(1.5);
  CHECK(list(outer)[0] == Approx(2 * t * (1 - t * t) * 0.75).epsilon(1e-14));
}

TEST_CASE("hooks: keep the gradient of a part, of which the whole goes on", "[hooks]") {
  auto x = leaf({0.5, 0.5, 0.5});
  const auto y = tanh(x * 2) * 3;
  const auto parts = chunk(y, 3);  // of the first comes no gradient
  Tensor<double> kept;
  parts[2].register_hook([&](const Tensor<double>& g) {
    kept = g;
    return Tensor<double>();
  });
  (square(parts[2]) * parts[1]).backward();
  CHECK(kept.item() == Approx(2 * parts[2].item() * parts[1].item()));
  const auto again = chunk(tanh(x * 2) * 3, 3);
  const auto gradients = grad(square(again[2]) * again[1], std::vector{x, again[2]});
  CHECK(gradients[1].item() == Approx(2 * again[2].item() * again[1].item()));
}

TEST_CASE("hooks: may change in place what a recurrent step read", "[hooks]") {
  Generator random(1);
  const auto weight = randn<double>({2, 2}, random).set_requires_grad();
  auto h = randn<double>({2, 2}, random).set_requires_grad();
  const auto first = rnn_tanh_step(randn<double>({2, 2}, random), ones<double>({2, 2}), weight);
  const auto second = rnn_tanh_step(randn<double>({2, 2}, random), h, weight);  // is visited first
  const auto loss = sum(first + second);
  const auto expected = grad(loss, {weight}, {.retain_graph = true})[0];
  first.register_hook([&](const Tensor<double>&) {
    h.assign(zeros<double>({2, 2}));
    return Tensor<double>();
  });
  loss.backward();
  CHECK(allclose(weight.grad(), expected, 1e-14, 1e-14));
}

TEST_CASE("hooks: a backward pass over nodes that one is under way in is refused or right", "[hooks]") {
  auto x = leaf({2});
  const auto h = x * 3, k = h * 1, y = k * 5 + h;
  Vector inner;
  k.register_hook([&](const Tensor<double>&) {  // h has part of its gradient already
    const enable_grad recording;
    try {
      inner = list(grad(h * 2, {x}, {.retain_graph = true})[0]);
    } catch (const GraphError& error) {
      CHECK_THAT(error.what(), Contains("under way"));
      inner = {6};
    }
    return Tensor<double>();
  });
  y.backward();
  CHECK(inner == Vector{6});
  CHECK(list(x.grad()) == Vector{18});
}

TEST_CASE("hooks: those that hold their own tensor go with its graph", "[hooks]") {
  const auto before = live_counts();
  {
    auto x = leaf({1, 2});
    const auto h = x * 3;
    int calls = 0;
    const auto handle = h.register_hook([h, &calls](const Tensor<double>& g) {
      ++calls;
      return g * h;
    });
    (h * 2).backward(ones<double>({2}));
    CHECK(calls == 1);
    CHECK_FALSE(h.has_hooks());
    HookHandle(handle).remove();  // does nothing any more
  }
  CHECK(live_counts().nodes == before.nodes);
  CHECK(live_counts().bytes == before.bytes);
}

}  // namespace
