// backward(): accumulation, who owns the gradients, and what it may be asked for.
#include <xgrad/autograd/tape/tensor.hpp>

#include <thread>

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/graph.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "struct_ops.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

using Vector = std::vector<double>;

TEST_CASE("backward: gradients of leaves accumulate over passes and uses", "[backward]") {
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

TEST_CASE("backward: a gradient that is held is not written to", "[backward]") {
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

TEST_CASE("backward: neither the seed nor two leaves share memory with a gradient", "[backward]") {
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
          "[backward]") {
  // z hands its gradient, which it owns, to u and v; t adds to v's while u's waits.
  const bool plain = GENERATE(true, false);
  const auto keep = [&](const Tensor<double>& x) { return plain ? x : pass(x); };
  auto p = leaf({1, 1, 1}), q = leaf({1, 1, 1});
  const auto u = keep(p * 2), v = keep(q * 3), t = v * 5, z = keep(u + v), y = z * 2;
  (y + t).backward(ones<double>({3}));
  CHECK(list(p.grad()) == Vector{4, 4, 4});
  CHECK(list(q.grad()) == Vector{21, 21, 21});
}

TEST_CASE("backward: accumulation in any mixture of ops gives the sum", "[backward]") {
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

TEST_CASE("backward: of what is no scalar, or needs no gradient", "[backward]") {
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

TEST_CASE("graph: shared sub-graphs cost once", "[backward]") {
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

TEST_CASE("graph: leaves of other threads come before what reads them", "[backward]") {
  Tensor<double> x;
  std::thread([&] {
    Tensor<double> noise = leaf({0});
    for (int i = 0; i < 1000; ++i) noise = noise + 1;  // numbers far ahead of this thread's
    x = noise * 2;
  }).join();
  const auto a = x * 3, b = a + x;
  CHECK_NOTHROW(b.backward());
}

TEST_CASE("graph: leaves switched off after recording get nothing", "[backward]") {
  auto x = leaf({2}), w = leaf({3});
  const auto y = x * w;
  w.set_requires_grad(false);
  y.backward();
  CHECK(list(x.grad()) == Vector{3});
  CHECK_FALSE(w.grad().defined());
}

}  // namespace
