// What a graph saves, when it is freed, and how backward() notices that either was needed.
#include <xgrad/autograd/tape/graph.hpp>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "struct_ops.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

using Vector = std::vector<double>;

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

TEST_CASE("backward: twice only when asked to keep the graph", "[backward]") {
  auto x = leaf({3});
  const auto y = x * x;
  y.backward({.retain_graph = true});
  y.backward();
  CHECK(list(x.grad()) == Vector{12});
  CHECK_THROWS_WITH(y.backward(), Contains("the graph of 'mul' was freed by an earlier backward") &&
                                      Contains("freed_graph_test.cpp") && Contains("retain_graph"));
  CHECK(list(x.grad()) == Vector{12});
  const auto shared = x * 2;
  (shared * shared).backward();
  CHECK_THROWS_AS((shared + 1).backward(), GraphError);
  CHECK(list(x.grad()) == Vector{36});
  (shared.detach() * x).backward();  // the way out that the message names
  CHECK(list(x.grad()) == Vector{42});
}

TEST_CASE("backward: nodes end as they are passed, but for those that are held", "[backward]") {
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

TEST_CASE("grad: a freed output hides what it was computed from", "[backward]") {
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

TEST_CASE("grad: leaves that only the graph held, on the way and at its end", "[backward]") {
  auto x = leaf({3});
  Tensor<double> y = x;
  for (int i = 0; i < 20; ++i) y = y * leaf({2}) * 0.5;
  const auto gradient = grad(y, {x}, {.retain_graph = true})[0];
  CHECK(list(gradient) == Vector{1});
  y.backward();
  CHECK(list(x.grad()) == Vector{1});
}

TEST_CASE("backward: a value changed in place after it was saved", "[backward]") {
  auto x = leaf({3}), w = leaf({5});
  const auto y = x * w;
  w.assign(Tensor<double>{6});
  CHECK_THROWS_WITH(y.backward(), Contains("backward of 'mul'") &&
                                      Contains("input 1, of shape [1], was changed in place") &&
                                      Contains("freed_graph_test.cpp"));
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(w.grad().defined());

  const auto kept = tanh(x);
  kept.detach().mutable_values()[0] = 9;
  CHECK_THROWS_WITH(kept.backward(), Contains("backward of 'tanh': result 0"));

  const auto held = keeps(w);
  w.assign(Tensor<double>{7});
  CHECK_THROWS_WITH(held.backward(),
                    Contains("backward of 'keeps': input 0") && Contains("freed_graph_test.cpp"));
  const auto also = keeps(w);
  also.detach().mutable_values();
  CHECK_THROWS_WITH(also.backward(), Contains("backward of 'keeps': its result"));

  const auto sum = x + w;  // saves nothing, so nothing is stale
  w.assign(Tensor<double>{8});
  CHECK_NOTHROW(sum.backward());
  CHECK(list(w.grad()) == Vector{1});
}

TEST_CASE("backward: only what is needed is saved", "[backward]") {
  auto x = leaf({2});
  Tensor<double> factor{3};
  const auto y = x * factor;
  x.assign(Tensor<double>{4});  // read by the gradient of `factor` only, which is not wanted
  y.backward();
  CHECK(list(x.grad()) == Vector{3});
}

TEST_CASE("backward: an exception on the way changes no gradient and leaves everything usable",
          "[backward]") {
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

TEST_CASE("create_graph: what holds a leaf in a circle ends with zero_grad, and grad() makes none",
          "[backward]") {
  const auto before = live_counts();
  {
    auto x = leaf({1, 2});
    sum(x * x).backward({.create_graph = true});
    x.zero_grad();
    sum(grad(sum(x * x), x, {.create_graph = true}) * x).backward();
  }
  CHECK(live_counts().nodes == before.nodes);
  CHECK(live_counts().bytes == before.bytes);
}

}  // namespace
