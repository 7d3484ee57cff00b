// Formulas of several results: any of them may be used; what is kept for the gradient.
#include <xgrad/autograd/tape/formula.hpp>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/autograd/tape/graph.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;

constexpr auto cell = formula("cell", [](auto x, auto h, auto c) {
  auto f = keep(sigmoid(x + h)), g = keep(tanh(x * h));
  auto next = f * c + (1 - f) * g;
  return outputs(f * tanh(next), next);
});

TEST_CASE("formula: several outputs, of which any may be used", "[formula]") {
  const auto x = randn<double>({2, 5}), h = randn<double>({2, 5}), c = randn<double>({5});
  CHECK(gradcheck(cell, {x, h, c}));
  CHECK(gradgradcheck(cell, {x, h, c}));
  CHECK(gradcheck([](auto a, auto b, auto d) { return cell(a, b, d)[0]; }, {x, h, c}));
  CHECK(gradgradcheck([](auto a, auto b, auto d) { return cell(a, b, d)[1]; }, {x, h, c}));
  const std::array<Tensor<double>, 2> both = cell(x, h, c);
  CHECK(both[1].shape() == Shape{2, 5});
}

TEST_CASE("formula: outputs that are inputs, or the same value twice", "[formula]") {
  constexpr auto odd = formula("odd", [](auto x, auto y) {
    auto p = x * y;
    return outputs(p, p, x, p + x);
  });
  const auto x = randn<double>({2, 3}), y = randn<double>({3});
  CHECK(list(odd(x, y)[2]) == list(x));
  CHECK(gradcheck(odd, {x, y}));
  CHECK(gradgradcheck(odd, {x, y}));
  auto w = x.clone().set_requires_grad();
  CHECK(odd(w, y)[2].data() != w.data());
}

TEST_CASE("formula: the most outputs and kept values", "[formula]") {
  constexpr auto many = formula("many", [](auto x) {
    auto a = keep(exp(x)), b = keep(sin(x)), c = keep(cos(x)), d = keep(tanh(x));
    return outputs(a * 1, a * 2, b * 3, b * 4, c * 5, c * 6, d * 7, d * 8, a + b, b + c, c + d,
                   a * b * c * d);
  });
  const auto x = randn<double>({3});
  CHECK(gradcheck(many, {x}));
  CHECK(gradgradcheck(many, {x}));
}

TEST_CASE("formula: a kept value that no output reads", "[formula]") {
  constexpr auto f = formula("kept_aside", [](auto x, auto y) {
    auto p = pow(x * x + 0.25, 1.5);
    keep(sqrt(p));
    return p * y * 3.0;
  });
  const auto x = randn<double>({5}), y = randn<double>({5});
  CHECK(gradcheck(f, {x, y}));
  CHECK(gradgradcheck(f, {x, y}));
}

constexpr auto swish = formula("swish", [](auto x) { return x * sigmoid(x); });

TEST_CASE("formula: in one node, which saves the least", "[formula]") {
  auto x = randn<double>({1000}).set_requires_grad();
  const auto nodes = [&](const Tensor<double>& y) { return count_nodes(y); };
  CHECK(nodes(swish(x)) == 2);
  CHECK(nodes(cell(x, x, x)[0]) == 2);
  const auto held = [&](auto&& f) {  // bytes that stay alive beyond the result's own
    const auto before = live_counts().bytes;
    auto y = f();
    const auto own = live_counts().bytes - before;
    return own;
  };
  const auto array = held([&] { return Tensor<double>(x.detach() * 1.0); });
  CHECK(held([&] { return x + 1.0; }) < array + 600);         // nothing
  CHECK(held([&] { return tanh(x); }) < array + 600);         // the output
  CHECK(held([&] { return swish(x); }) < array + 600);        // the input
  CHECK(held([&] { return cell(x, x, x)[0]; }) > 3 * array);  // the kept values
  const no_grad scope;
  CHECK(held([&] { return cell(x, x, x)[0]; }) < array + 600);
}

}  // namespace
