// grad(): by which tensors, of which outputs, and gradients of gradients.
#include <xgrad/autograd/tape/tensor.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "struct_ops.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

using Vector = std::vector<double>;

TEST_CASE("grad: returns, and touches no .grad()", "[grad]") {
  auto x = leaf({2}), y = leaf({5});
  const auto z = x * y + y;
  const auto [gx, gy] = grad(z, {x, y});
  CHECK(list(gx) == Vector{5});
  CHECK(list(gy) == Vector{3});
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(y.grad().defined());
}

TEST_CASE("grad: by one tensor, and by a vector of them", "[grad]") {
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

TEST_CASE("grad: goes only where the inputs are", "[grad]") {
  auto x = leaf({2}), y = leaf({5});
  const auto [g] = grad(x * 3 + thrower(y), {x});  // the other branch is not run
  CHECK(list(g) == Vector{3});
}

TEST_CASE("grad: of several outputs, with and without their gradients", "[grad]") {
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

TEST_CASE("grad: by intermediate values", "[grad]") {
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

TEST_CASE("grad: a captured gradient is the caller's", "[grad]") {
  auto x = leaf({2, 2});
  const auto h = x * 3, y = h * 1, z = y + h;
  const auto g = grad(std::vector{z}, std::vector{y, h, x}, {.grad_outputs = {ones<double>({2})}});
  CHECK(list(g[0]) == Vector{1, 1});
  CHECK(list(g[1]) == Vector{2, 2});
  CHECK(list(g[2]) == Vector{6, 6});
}

TEST_CASE("grad: an input that the outputs do not depend on", "[grad]") {
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

TEST_CASE("create_graph: derivatives of any order", "[grad]") {
  auto x = leaf({2});
  auto y = x * x * x * x;
  for (const double expected : {32., 48., 48., 24.}) {
    y = grad(y, {x}, {.create_graph = true})[0];
    CHECK(list(y) == Vector{expected});
  }
  CHECK_FALSE(grad(x * x, {x})[0].requires_grad());
}

TEST_CASE("create_graph: through backward, and a Hessian-vector product", "[grad]") {
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

TEST_CASE("create_graph: without it no result has a history, whatever the seed's", "[grad]") {
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

}  // namespace
