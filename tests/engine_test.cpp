// backward() and grad(): accumulation, hooks, what is kept and freed, and every way of asking wrongly.
#include <xgrad/autograd/tape/engine.hpp>

#include <cmath>
#include <thread>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/graph.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/recurrent.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

using Vector = std::vector<double>;

Vector list(const Tensor<double>& x) { return {x.values().begin(), x.values().end()}; }

Tensor<double> leaf(std::initializer_list<NestedList<double>> values) {
  return Tensor<double>(values).set_requires_grad();
}

// y = x, with a vjp that passes on the gradient as it came: what a reshape does.
template <Real T>
struct Pass {
  static constexpr std::string_view name = "pass";
  Tensor<T> forward(const Tensor<T>& x) const { return x; }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {g}; }
};
Tensor<double> pass(const Tensor<double>& x) { return apply(Pass<double>{}, Location::current(), x); }

// y = x, with a vjp that throws.
template <Real T>
struct Thrower {
  static constexpr std::string_view name = "thrower";
  Tensor<T> forward(const Tensor<T>& x) const { return x; }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>&) const { throw std::runtime_error("vjp threw"); }
};
Tensor<double> thrower(const Tensor<double>& x) { return apply(Thrower<double>{}, Location::current(), x); }

// Keeps whatever it is told to.
template <Real T>
struct KeepsInputAndOutput {
  static constexpr std::string_view name = "keeps";
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    Tensor<T> y = x * x;
    save(x), save(y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const { return {2 * g * saved[1] / saved[0]}; }
};
Tensor<double> keeps(const Tensor<double>& x) {
  return apply(KeepsInputAndOutput<double>{}, Location::current(), x);
}

// The product of its inputs, both of which it keeps.
template <Real T>
struct KeepsBoth {
  static constexpr std::string_view name = "keeps_both";
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x, const Tensor<T>& y) const {
    save(x), save(y);
    return x * y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const { return {g * saved[1], g * saved[0]}; }
};

TEST_CASE("grad: a saved input comes back with its own history, not that of its detached copy", "[engine]") {
  const auto x = leaf({3});
  const auto second = [&](const Tensor<double>& a, const Tensor<double>& b) {
    const auto y = apply(KeepsBoth<double>{}, Location::current(), a, b);
    const auto first = grad(y, x, {.create_graph = true});
    CHECK(first.item() == (a.requires_grad() && b.requires_grad() ? 6 : 3));
    return first.requires_grad() ? grad(first, x, {.allow_unused = true}) : Tensor<double>();
  };
  CHECK(second(x, x).item() == 2);
  CHECK_FALSE(second(x, x.detach()).defined());
  CHECK_FALSE(second(x.detach(), x).defined());
}

TEST_CASE("backward: gradients of leaves accumulate over passes and uses", "[engine]") {
  auto x = leaf({2, 3});
  (x * x + x).backward(ones<double>({2}));
  CHECK(list(x.grad()) == Vector{5, 7});
  (x * 10).backward(Tensor<double>{1, 2});
  CHECK(list(x.grad()) == Vector{15, 27});
  (x + x + x).backward(ones<double>({2}));
  CHECK(list(x.grad()) == Vector{18, 30});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("backward: a gradient that somebody holds is not written to", "[engine]") {
  auto x = leaf({1, 2});
  (x * 2).backward(ones<double>({2}));
  const Tensor<double> first = x.grad();
  const double* place = first.data();
  (x * 3).backward(ones<double>({2}));
  CHECK(list(first) == Vector{2, 2});
  CHECK(list(x.grad()) == Vector{5, 5});
  CHECK(x.grad().data() != place);

  x.zero_grad();
  (x * 2).backward(ones<double>({2}));
  place = x.grad().data();  // the handle is gone by the next line
  (x * 3).backward(ones<double>({2}));
  CHECK(x.grad().data() == place);
  CHECK(list(x.grad()) == Vector{5, 5});
}

TEST_CASE("backward: neither the seed nor two leaves share memory with a gradient", "[engine]") {
  auto x = leaf({1, 2}), y = leaf({3, 4});
  Tensor<double> seed{5, 6};
  (x + y).backward(seed);
  CHECK(x.grad().data() != y.grad().data());
  CHECK(x.grad().data() != seed.data());
  (x * 1).backward(seed);
  CHECK(list(x.grad()) == Vector{10, 12});
  CHECK(list(y.grad()) == Vector{5, 6});
  CHECK(list(seed) == Vector{5, 6});
  x.backward(seed);  // of a leaf itself
  CHECK(list(x.grad()) == Vector{15, 18});
  CHECK(list(seed) == Vector{5, 6});
}

TEST_CASE("backward: one gradient passed to two operands is not overwritten through one of them",
          "[engine]") {
  // z hands its gradient, which it owns, to u and v; t adds to v's while u's waits.
  const bool plain = GENERATE(true, false);
  const auto keep = [&](const Tensor<double>& x) { return plain ? x : pass(x); };
  auto p = leaf({1, 1, 1}), q = leaf({1, 1, 1});
  const auto u = keep(p * 2), v = keep(q * 3), t = v * 5, z = keep(u + v), y = z * 2;
  (y + t).backward(ones<double>({3}));
  CHECK(list(p.grad()) == Vector{4, 4, 4});
  CHECK(list(q.grad()) == Vector{21, 21, 21});
}

TEST_CASE("backward: accumulation in any mixture of ops gives the sum", "[engine]") {
  // Random graphs over a few tensors, against the same computed by forward differences of an exact linear
  // function.
  Generator random(GENERATE(range(1, 40)));
  const std::int64_t n = 1 + static_cast<std::int64_t>(random.below(9));
  std::vector<Tensor<double>> leaves;
  for (int i = 0; i < 3; ++i) leaves.push_back(randint<double>(-3, 4, {n}, random).set_requires_grad());
  const std::uint64_t program = random.below(1u << 30);
  const auto run = [&](const std::vector<Tensor<double>>& inputs) {
    Generator choice(program);
    std::vector<Tensor<double>> made = inputs;
    for (int i = 0; i < 12; ++i) {
      const auto& a = made[choice.below(made.size())];
      const auto& b = made[choice.below(made.size())];
      switch (choice.below(6)) {
        case 0:
          made.push_back(a + b);
          break;
        case 1:
          made.push_back(a - b);
          break;
        case 2:
          made.push_back(pass(a));
          break;
        case 3:
          made.push_back(a * 2);
          break;
        case 4:
          made.push_back(-a);
          break;
        default:
          made.push_back(pass(a) + 3 * b);
      }
    }
    Tensor<double> sum = made.back();
    for (const auto& x : made) sum = sum + x;
    return sum;
  };
  run(leaves).backward(ones<double>({n}));
  const no_grad scope;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    auto moved = leaves;
    moved[i] = leaves[i] + 1;  // linear with integer coefficients: the difference is the gradient exactly
    CHECK(list(leaves[i].grad()) == list(run(moved) - run(leaves)));
  }
}

TEST_CASE("backward: of what is no scalar, or needs no gradient", "[engine]") {
  auto x = leaf({1, 2});
  CHECK_THROWS_WITH(
      (x * 2).backward(),
      Contains("a gradient can be implied for one element only, and this tensor has shape [2]"));
  CHECK_THROWS_AS((x * 2).backward(), GraphError);
  CHECK_THROWS_WITH((x * 2).backward(ones<double>({3})),
                    Contains("backward: the gradient has shape [3] and the tensor [2]"));
  CHECK_THROWS_WITH(ones({1}).backward(), Contains("backward: this tensor of shape [1] needs no gradient"));
  CHECK_THROWS_WITH(x.detach().backward(ones<double>({2})), Contains("detached"));
  CHECK_FALSE(x.grad().defined());
  leaf({{{4}}}).backward();  // one element in any shape will do
  const auto empty_leaf = zeros<double>({0}).set_requires_grad();
  CHECK_THROWS_AS((empty_leaf * 2).backward(), GraphError);
  (empty_leaf * 2).backward(zeros<double>({0}));
  CHECK(empty_leaf.grad().shape() == Shape{0});
}

TEST_CASE("backward: twice only when asked to keep the graph", "[engine]") {
  auto x = leaf({3});
  const auto y = x * x;
  y.backward({.retain_graph = true});
  y.backward();
  CHECK(list(x.grad()) == Vector{12});
  CHECK_THROWS_WITH(y.backward(), Contains("the graph of 'mul' was freed by an earlier backward") &&
                                      Contains("engine_test.cpp") && Contains("retain_graph"));
  CHECK(list(x.grad()) == Vector{12});
  const auto shared = x * 2;
  (shared * shared).backward();
  CHECK_THROWS_AS((shared + 1).backward(), GraphError);
  CHECK(list(x.grad()) == Vector{36});
  (shared.detach() * x).backward();  // the way out that the message names
  CHECK(list(x.grad()) == Vector{42});
}

TEST_CASE("backward: nodes end as they are passed, but for those that are held", "[engine]") {
  auto x = leaf({3});
  const auto before = live_counts().nodes;
  const auto held = x * x;
  Tensor<double> y = held;
  for (int i = 0; i < 10; ++i) y = tanh(y);
  CHECK(live_counts().nodes == before + 11);
  y.backward();
  CHECK(live_counts().nodes == before + 2);  // held and y
  CHECK(count_nodes(y) == 1);
  CHECK(count_nodes(held) == 2);
  (x * held.detach()).backward({.retain_graph = true});
  CHECK(live_counts().nodes == before + 2);
}

TEST_CASE("grad: a freed output hides what it was computed from", "[engine]") {
  auto older = leaf({2}), x = leaf({3});
  const auto y = x * x;
  y.backward();
  auto later = leaf({5});
  const auto z = y * later + x * 4;
  const GradOptions again{.retain_graph = true};
  CHECK(list(grad(z, {y}, again)[0]) == Vector{5});  // nothing beyond y is asked for
  CHECK(list(grad(z, {later}, again)[0]) == Vector{9});
  CHECK_THROWS_WITH(grad(z, {x}, again), Contains("the graph of 'mul' was freed by an earlier backward"));
  CHECK_THROWS_AS(grad(y * older, {older}), GraphError);  // for all it knows y might depend on it
  CHECK(list(grad(y.detach() * older, {older})[0]) == Vector{9});
  CHECK_THROWS_WITH(grad(z, {later, x}, again),
                    Contains("the graph of 'mul' was freed by an earlier backward"));
}

TEST_CASE("grad: leaves that only the graph held, on the way and at its end", "[engine]") {
  auto x = leaf({3});
  Tensor<double> y = x;
  for (int i = 0; i < 20; ++i) y = y * leaf({2}) * 0.5;
  const auto gradient = grad(y, {x}, {.retain_graph = true})[0];
  CHECK(list(gradient) == Vector{1});
  y.backward();
  CHECK(list(x.grad()) == Vector{1});
}

TEST_CASE("backward: a value changed in place after it was saved", "[engine]") {
  auto x = leaf({3}), w = leaf({5});
  const auto y = x * w;
  w.assign(Tensor<double>{6});
  CHECK_THROWS_WITH(y.backward(), Contains("backward of 'mul'") &&
                                      Contains("input 1, of shape [1], was changed in place") &&
                                      Contains("engine_test.cpp"));
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(w.grad().defined());

  const auto kept = tanh(x);
  kept.detach().mutable_values()[0] = 9;
  CHECK_THROWS_WITH(kept.backward(), Contains("backward of 'tanh': result 0"));

  const auto held = keeps(w);
  w.assign(Tensor<double>{7});
  CHECK_THROWS_WITH(held.backward(), Contains("backward of 'keeps': input 0") && Contains("engine_test.cpp"));
  const auto also = keeps(w);
  also.detach().mutable_values();
  CHECK_THROWS_WITH(also.backward(), Contains("backward of 'keeps': its result"));

  const auto sum = x + w;  // saves nothing, so nothing is stale
  w.assign(Tensor<double>{8});
  CHECK_NOTHROW(sum.backward());
  CHECK(list(w.grad()) == Vector{1});
}

TEST_CASE("backward: only what is needed is saved", "[engine]") {
  auto x = leaf({2});
  Tensor<double> factor{3};
  const auto y = x * factor;
  x.assign(Tensor<double>{4});  // read by the gradient of `factor` only, which is not wanted
  y.backward();
  CHECK(list(x.grad()) == Vector{3});
}

TEST_CASE("backward: an exception on the way changes no gradient and leaves everything usable", "[engine]") {
  auto x = leaf({1, 2}), w = leaf({1, 1});
  (x * 2).backward(ones<double>({2}));
  const auto a = x * w;
  const auto loss = thrower(a * a) + w * 3 + x;  // the sum, and its other terms, come before the throw
  CHECK_THROWS_WITH(loss.backward(ones<double>({2})), Contains("vjp threw"));
  CHECK(list(x.grad()) == Vector{2, 2});
  CHECK_FALSE(w.grad().defined());
  CHECK(is_recording());
  (a * 5).backward(ones<double>({2}));  // a part that was not reached before the throw
  CHECK(list(w.grad()) == Vector{5, 10});
}

TEST_CASE("grad: returns, and touches no .grad()", "[engine]") {
  auto x = leaf({2}), y = leaf({5});
  const auto z = x * y + y;
  const auto [gx, gy] = grad(z, {x, y});
  CHECK(list(gx) == Vector{5});
  CHECK(list(gy) == Vector{3});
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(y.grad().defined());
}

TEST_CASE("grad: by one tensor, and by a vector of them", "[engine]") {
  auto x = leaf({2}), y = leaf({5});
  const auto z = x * y + y;
  const Tensor<double> gx = grad(z, x, {.retain_graph = true});
  CHECK(list(gx) == Vector{5});
  const std::vector<Tensor<double>> both = grad(z, std::vector{x, y});
  REQUIRE(both.size() == 2);
  CHECK(list(both[0]) == Vector{5});
  CHECK(list(both[1]) == Vector{3});
  CHECK_THROWS_WITH(grad(z, x), Contains("the graph of 'add' was freed"));
  CHECK_FALSE(grad(x * 1, y, {.allow_unused = true}).defined());
}

TEST_CASE("grad: goes only where the inputs are", "[engine]") {
  auto x = leaf({2}), y = leaf({5});
  const auto [g] = grad(x * 3 + thrower(y), {x});  // the other branch is not run
  CHECK(list(g) == Vector{3});
}

TEST_CASE("grad: of several outputs, with and without their gradients", "[engine]") {
  auto x = leaf({2});
  const std::vector outputs{x * 3, x * x};
  CHECK(list(grad(outputs, {x}, {.retain_graph = true})[0]) == Vector{7});
  CHECK(list(grad(outputs, {x},
                  {.grad_outputs = {Tensor<double>{10}, Tensor<double>{100}}, .retain_graph = true})[0]) ==
        Vector{430});
  CHECK(list(grad(outputs, {x}, {.grad_outputs = {Tensor<double>{10}, {}}, .retain_graph = true})[0]) ==
        Vector{34});
  CHECK_THROWS_WITH(
      grad(outputs, {x}, {.grad_outputs = {Tensor<double>{10}}}),
      Contains("grad: 1 grad_outputs for 2 outputs; give one for each, undefined for ones, or none"));
  CHECK_THROWS_WITH(grad(outputs[0], {x}, {.grad_outputs = {Tensor<double>{1}, Tensor<double>{1}}}),
                    Contains("grad: 2 grad_outputs for 1 output; give"));
  CHECK(list(grad(std::vector{outputs[1], outputs[1]}, {x})[0]) == Vector{8});
  CHECK_THROWS_AS(grad(std::vector{x * 3}, std::vector{x}, {.grad_outputs = {ones<float>({1})}}), ShapeError);
}

TEST_CASE("grad: by intermediate values", "[engine]") {
  auto x = leaf({2});
  const auto h = x * 3, y = h * h + x;
  const auto [gh, gx] = grad(y, {h, x}, {.retain_graph = true});
  CHECK(list(gh) == Vector{12});
  CHECK(list(gx) == Vector{37});
  const auto [alone] = grad(y, {h}, {.retain_graph = true});
  CHECK(list(alone) == Vector{12});
  const auto [self] = grad(y, {y}, {.retain_graph = true});
  CHECK(list(self) == Vector{1});
  const auto twice = grad(std::vector{y}, std::vector{x, x, h}, {});
  CHECK(list(twice[0]) == Vector{37});
  CHECK(list(twice[1]) == Vector{37});
  CHECK(list(twice[2]) == Vector{12});
  CHECK_FALSE(x.grad().defined());
  const auto [leaf_itself] = grad(x, {x});
  CHECK(list(leaf_itself) == Vector{1});
}

TEST_CASE("grad: a captured gradient is the caller's", "[engine]") {
  auto x = leaf({2, 2});
  const auto h = x * 3, y = h * 1, z = y + h;
  const auto g = grad(std::vector{z}, std::vector{y, h, x}, {.grad_outputs = {ones<double>({2})}});
  CHECK(list(g[0]) == Vector{1, 1});
  CHECK(list(g[1]) == Vector{2, 2});
  CHECK(list(g[2]) == Vector{6, 6});
}

TEST_CASE("grad: an input that the outputs do not depend on", "[engine]") {
  auto x = leaf({2}), other = leaf({3});
  const auto y = x * x;
  CHECK_THROWS_WITH(
      grad(y, {other}, {.retain_graph = true}),
      Contains("grad: the outputs do not depend on input 0 of shape [1]") && Contains("allow_unused"));
  const auto [gx, none] = grad(y, {x, other}, {.retain_graph = true, .allow_unused = true});
  CHECK(list(gx) == Vector{4});
  CHECK_FALSE(none.defined());
  CHECK_THROWS_WITH(grad(y, {x.detach()}), Contains("grad: input 0 needs no gradient"));
  CHECK_THROWS_AS(grad(y, {Tensor<double>()}), GraphError);
  const auto [g] = grad(y, {x});  // none of the failures above has spoilt the graph
  CHECK(list(g) == Vector{4});
}

TEST_CASE("create_graph: derivatives of any order", "[engine]") {
  auto x = leaf({2});
  auto y = x * x * x * x;
  for (const double expected : {32., 48., 48., 24.}) {
    y = grad(y, {x}, {.create_graph = true})[0];
    CHECK(list(y) == Vector{expected});
  }
  CHECK_FALSE(grad(x * x, {x})[0].requires_grad());
}

TEST_CASE("create_graph: through backward, and a Hessian-vector product", "[engine]") {
  auto x = leaf({1, 2});
  (x * x * x).backward(ones<double>({2}), {.create_graph = true});
  const auto g = x.grad();
  CHECK(list(g) == Vector{3, 12});
  CHECK(g.requires_grad());
  x.zero_grad();
  const auto v = Tensor<double>{1, 10};
  const auto [hv] = grad(g * v, {x}, {.grad_outputs = {ones<double>({2})}});
  CHECK(list(hv) == Vector{6, 120});
  CHECK_FALSE(hv.requires_grad());
}

TEST_CASE("create_graph: without it no result has a history, whatever the seed's", "[engine]") {
  auto x = leaf({1}), w = leaf({2});
  const auto [g] = grad(x + 1, {x}, {.grad_outputs = {w * 3}});
  CHECK(list(g) == Vector{6});
  CHECK_FALSE(g.requires_grad());
  (x + 1).backward(w * 3);
  CHECK_FALSE(x.grad().requires_grad());
  const auto [kept] = grad(x + 1, {x}, {.grad_outputs = {w * 3}, .create_graph = true});
  CHECK(kept.requires_grad());
  CHECK(list(grad(kept, {w})[0]) == Vector{3});
}

TEST_CASE("modes: no_grad, enable_grad, detach", "[engine]") {
  auto x = leaf({2});
  {
    const no_grad off;
    CHECK_FALSE((x * 2).requires_grad());
    {
      const enable_grad on;
      CHECK((x * 2).requires_grad());
    }
    CHECK_FALSE(is_recording());
  }
  CHECK(is_recording());
  const auto y = x.detach() * x;
  y.backward();
  CHECK(list(x.grad()) == Vector{2});
  try {
    const no_grad off;
    throw 1;
  } catch (int) {
  }
  CHECK(is_recording());
  bool elsewhere = false;
  const no_grad off;
  std::thread([&] { elsewhere = is_recording(); }).join();  // modes belong to their thread
  CHECK(elsewhere);
}

TEST_CASE("modes: backward inside no_grad works, and records for create_graph", "[engine]") {
  auto x = leaf({3});
  const auto y = x * x * x;
  const no_grad off;
  CHECK(list(grad(y, {x}, {.retain_graph = true})[0]) == Vector{27});
  const auto [g] = grad(y, {x}, {.create_graph = true});
  CHECK(list(grad(g, {x})[0]) == Vector{18});
}

TEST_CASE("hooks: see the whole gradient once, and may replace it", "[engine]") {
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

TEST_CASE("hooks: on leaves, and in grad()", "[engine]") {
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

TEST_CASE("hooks: what they may not do, and what they may", "[engine]") {
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

  Tensor<double> stolen;  // a hook may keep the gradient: nobody writes into it afterwards
  h.register_hook([&](const Tensor<double>& g) {
    stolen = g;
    return Tensor<double>();
  });
  x.zero_grad();
  (h * 1 + x).backward(ones<double>({2}));
  CHECK(list(stolen) == Vector{1, 1});
  CHECK(list(x.grad()) == Vector{3, 3});
}

TEST_CASE("hooks: compute without recording, unless the backward pass is recorded", "[engine]") {
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

TEST_CASE("hooks: may differentiate other graphs", "[engine]") {
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

TEST_CASE("hooks: grad() inside grad(), towards what the outer one does not want", "[engine]") {
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

TEST_CASE("hooks: keep the gradient of a part, of which the whole goes on", "[engine]") {
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

TEST_CASE("hooks: may change in place what a recurrent step read", "[engine]") {
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

TEST_CASE("hooks: a backward pass over nodes that one is under way in is refused or right", "[engine]") {
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

TEST_CASE("graph: shared sub-graphs cost once", "[engine]") {
  auto x = leaf({1});
  Tensor<double> y = x;
  int calls = 0;
  for (int i = 0; i < 60; ++i) {  // 2^60 paths
    y = (y + y) * 0.5;
    y.register_hook([&](const Tensor<double>&) {
      ++calls;
      return Tensor<double>();
    });
  }
  CHECK(count_nodes(y) == 121);
  y.backward({.retain_graph = true});
  CHECK(calls == 60);
  CHECK(list(x.grad()) == Vector{1});
  CHECK(list(grad(y, {x})[0]) == Vector{1});
}

TEST_CASE("graph: leaves of other threads come before what reads them", "[engine]") {
  Tensor<double> x;
  std::thread([&] {
    Tensor<double> noise = leaf({0});
    for (int i = 0; i < 1000; ++i) noise = noise + 1;  // numbers far ahead of this thread's
    x = noise * 2;
  }).join();
  const auto a = x * 3, b = a + x;
  CHECK_NOTHROW(b.backward());
}

TEST_CASE("graph: leaves switched off after recording get nothing", "[engine]") {
  auto x = leaf({2}), w = leaf({3});
  const auto y = x * w;
  w.set_requires_grad(false);
  y.backward();
  CHECK(list(x.grad()) == Vector{3});
  CHECK_FALSE(w.grad().defined());
}

TEST_CASE("struct op: returns what it was given, gives too few or wrong gradients", "[engine]") {
  auto x = leaf({1, 2});
  const auto y = pass(x);
  CHECK(y.op_name() == "pass");
  CHECK(x.is_leaf());
  y.backward(ones<double>({2}));
  CHECK(list(x.grad()) == Vector{1, 1});
  CHECK_THROWS_WITH(pass(Tensor<double>()), StartsWith("pass: operand 0 is undefined"));
}

template <Real T>
struct WrongShape {
  static constexpr std::string_view name = "wrong_shape";
  Tensor<T> forward(const Tensor<T>& x, const Tensor<T>&) const { return x.clone(); }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>&) const { return {ones<T>({5}), Gradient<T>()}; }
};

template <Real T>
struct Broadcasts {
  static constexpr std::string_view name = "broadcasts";
  Tensor<T> forward(const Tensor<T>& x, const Tensor<T>& row) const { return x + row; }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    CHECK_FALSE(saved.needs(0));
    CHECK(saved.shape(1) == Shape{2});
    return {Gradient<T>(), g};
  }
};

// What is left out, and more than there is.
template <Real T>
struct Careless {
  static constexpr std::string_view name = "careless";
  int mistake;
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    save(Tensor<T>()), save(x);
    return x * 2;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    if (mistake == 1) return {g, g};
    if (mistake == 2) return {g * saved[5]};
    if (mistake == 3 && saved.needs(9)) return {g};
    if (mistake == 4) return {ones<T>(saved.shape(9))};
    CHECK_FALSE(saved[0].defined());
    CHECK(saved[1].defined());
    return {g * 2};
  }
};

TEST_CASE("struct op: mistakes in its vjp are errors that name it, and an undefined tensor can be saved",
          "[engine]") {
  auto x = leaf({1, 2});
  const auto pass_back = [&](int mistake) {
    apply(Careless<double>{mistake}, Location::current(), x).backward(ones<double>({2}));
  };
  CHECK_THROWS_WITH(
      pass_back(1),
      Contains(
          "backward of 'careless': its vjp gave 2 gradients, and the op has 1 input; return one for each"));
  CHECK_THROWS_WITH(pass_back(2),
                    Contains("backward of 'careless': its vjp asks for saved tensor 5, and forward saved 2"));
  CHECK_THROWS_WITH(pass_back(3), Contains("backward of 'careless': needs(9) of an op with 1 input"));
  CHECK_THROWS_WITH(pass_back(4), Contains("backward of 'careless': shape(9) of an op with 1 input"));
  for (int mistake = 1; mistake <= 4; ++mistake) CHECK_THROWS_AS(pass_back(mistake), GraphError);
  CHECK_FALSE(x.grad().defined());
  pass_back(0);
  CHECK(list(x.grad()) == Vector{2, 2});
  const auto y = apply(Careless<double>{0}, Location::current(), x);
  CHECK(list(grad(y, x, {.grad_outputs = {ones<double>({2})}, .create_graph = true})) == Vector{2, 2});
}

TEST_CASE("struct op: the engine sums a broadcast gradient, and names a shape that fits no input",
          "[engine]") {
  auto row = leaf({1, 2});
  const auto here = Location::current();
  apply(Broadcasts<double>{}, here, zeros<double>({3, 2}), row).backward(ones<double>({3, 2}));
  CHECK(list(row.grad()) == Vector{3, 3});
  CHECK_THROWS_WITH(
      apply(WrongShape<double>{}, here, row, row).backward(ones<double>({2})),
      Contains("wrong_shape: its vjp gave a gradient of shape [5] for input 0, which has shape [2]"));
}

template <Real T>
struct Split {  // x -> 2x, 3x
  static constexpr std::string_view name = "split";
  std::vector<Tensor<T>> forward(const Tensor<T>& x) const { return {x * 2, x * 3}; }
  Gradients<T> vjp(const Saved<T>& saved, std::span<const Tensor<T>> g) const {
    Tensor<T> sum = zeros<T>(saved.shape(0));
    if (g[0].defined()) sum = sum + g[0] * 2;
    if (g[1].defined()) sum = sum + g[1] * 3;
    return {sum};
  }
};

template <Real T>
struct SumOfList {
  static constexpr std::string_view name = "sum_of_list";
  std::int64_t count;
  Tensor<T> forward(std::span<const Tensor<T>> list) const {
    Tensor<T> sum = list[0].clone();
    for (const auto& x : list.subspan(1)) sum = sum + x;
    return sum;
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    Gradients<T> result;
    for (std::int64_t i = 0; i < count; ++i) result.push_back(Gradient<T>(g));
    return result;
  }
};

TEST_CASE("struct op: several outputs, of which some are used", "[engine]") {
  auto x = leaf({1, 2});
  const auto here = Location::current();
  const auto parts = apply(Split<double>{}, here, x);
  (parts[1] * 10).backward(ones<double>({2}), {.retain_graph = true});
  CHECK(list(x.grad()) == Vector{30, 30});
  x.zero_grad();
  (parts[0] + parts[1]).backward(ones<double>({2}), {.retain_graph = true});
  CHECK(list(x.grad()) == Vector{5, 5});
  const auto g = grad(std::vector{parts[0] * 1}, std::vector{parts[1], x},
                      {.grad_outputs = {ones<double>({2})}, .allow_unused = true});
  CHECK_FALSE(g[0].defined());
  CHECK(list(g[1]) == Vector{2, 2});
}

template <Real T>
struct Unpack {  // x of n elements -> n scalars
  static constexpr std::string_view name = "unpack";
  std::vector<Tensor<T>> forward(const Tensor<T>& x) const {
    std::vector<Tensor<T>> parts;
    for (std::int64_t i = 0; i < x.elements(); ++i) parts.push_back(Tensor<T>(x.view({}, i)));
    return parts;
  }
  Gradients<T> vjp(const Saved<T>& saved, std::span<const Tensor<T>> g) const {
    Tensor<T> sum = zeros<T>(saved.shape(0));
    auto values = sum.mutable_values();
    for (std::size_t i = 0; i < g.size(); ++i)
      if (g[i].defined()) values[i] = g[i].item();
    return {sum};
  }
};

TEST_CASE("struct op: very many inputs and outputs", "[engine]") {
  const std::int64_t many = 70000;  // more than 16 bits count
  auto x = zeros<double>({many}).set_requires_grad();
  const auto parts = apply(Unpack<double>{}, Location::current(), x);
  const SumOfList<double> op{.count = many};
  const auto sum = apply(op, Location::current(), std::span<const Tensor<double>>(parts)) + parts.back() * 2;
  const auto [last] = grad(sum, {parts.back()}, {.retain_graph = true});
  CHECK(last.item() == 3);
  sum.backward();
  CHECK(x.grad().values().front() == 1);
  CHECK(x.grad().values()[4464] == 1);
  CHECK(x.grad().values().back() == 3);
}

}  // namespace
