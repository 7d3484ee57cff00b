// Products with Jacobians and Hessians, whole ones, and checkpoints.
#include <xgrad/ops/functional.hpp>

#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/module.hpp>
#include <xgrad/ops/dropout.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"
#include "near.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::StartsWith;
using D = Tensor<double>;

namespace {

const D matrix{{1, 2, 3}, {-1, 0.5, 2}};

std::vector<double> flat(const D& x) { return list(x); }

}  // namespace

TEST_CASE("jvp and vjp are products with the Jacobian") {
  const D x{0.5, -1, 2}, v{1, 2, -0.5}, u{0.3, -2};
  const auto f = [](const D& t) { return square(matmul(matrix, t)) * sum(t); };
  const D j = jacobian(f, x);
  CHECK(j.shape() == Shape{2, 3});
  CHECK(off(jvp(f, x, v).second, {2}, flat(matmul(j, v)), 1e-14) == "");
  const auto [y, g] = vjp(f, x, u);
  CHECK(off(g, {3}, flat(matmul(u, j)), 1e-14) == "");
  CHECK(list(y) == list(f(x)));
  CHECK_FALSE(g.requires_grad());
  CHECK_FALSE(y.requires_grad());
}

TEST_CASE("hessian and hvp agree, and with the formula") {
  const D x{0.5, -1, 2}, v{1, 2, -0.5};
  const auto f = [](const D& t) { return sum(t * t * t); };
  const D h = hessian(f, x);
  CHECK(list(h) == std::vector<double>{3, 0, 0, 0, -6, 0, 0, 0, 12});
  const auto [y, product] = hvp(f, x, v);
  CHECK(list(product) == std::vector<double>{3, -12, -6});
  CHECK(y.item() == 0.125 - 1 + 8);
  CHECK(list(hessian([](const D& t) { return sum(3 * t); }, x)) == std::vector<double>(9, 0.0));
}

TEST_CASE("functionals take several inputs, touch no leaf, and can be differentiated") {
  const D a = D{1, 2}.set_requires_grad(), b = D{3, -1}.set_requires_grad();
  const auto f = [](const std::vector<D>& t) { return t[0] * t[1] * t[1]; };
  const std::vector<D> x{a, b}, v{D{1, 0}, D{0, 1}};
  const auto j = jacobian(f, x);
  CHECK(list(j[0]) == std::vector<double>{9, 0, 0, 1});
  CHECK(list(j[1]) == std::vector<double>{6, 0, 0, -4});
  CHECK(list(jvp(f, x, v).second) == std::vector<double>{9, -4});
  CHECK(list(vjp(f, x, D{1, 1}).second[1]) == std::vector<double>{6, -4});
  const auto total = [&](const std::vector<D>& t) { return sum(f(t)); };
  CHECK(list(hvp(total, x, v).second[1]) == std::vector<double>{6, 4});
  CHECK_FALSE(a.grad().defined());

  const auto by_graph = [](const D& t) {
    return hvp([](const D& s) { return sum(s * s * s * s); }, t, D{1, 1}, {.create_graph = true}).second;
  };
  CHECK(gradcheck(by_graph, {D{0.5, -2}}));
  const auto jvp_of = [](const D& t, const D& u) {
    return jvp([](const D& s) { return s * s * s; }, t, u, {.create_graph = true}).second;
  };
  CHECK(gradcheck(jvp_of, {D{0.5, -2}, D{1, 3}}));
  const no_grad scope;  // they differentiate all the same
  CHECK(list(jacobian([](const D& t) { return t * t; }, D{3})) == std::vector<double>{6});
}

TEST_CASE("functionals refuse what does not fit") {
  const auto f = [](const D& t) { return t * t; };
  CHECK_THROWS_WITH(vjp(f, D{1, 2}, D{1}), StartsWith("vjp: v of shape [1] for a result of shape [2]"));
  CHECK_THROWS_WITH(jvp(f, D{1, 2}, D{1}), StartsWith("jvp: v of shape [1] for an input of shape [2]"));
  CHECK_THROWS_WITH(hessian(f, D{1, 2}),
                    StartsWith("hessian: the function gives shape [2]; it must give one number"));
  CHECK_THROWS_WITH(hvp(f, D{1, 2}, D{1, 1}), StartsWith("hvp: the function gives shape [2]"));
}

TEST_CASE("a checkpoint gives the gradients that its function has, captured ones too") {
  const D w = D{2, -1}.set_requires_grad(), x = D{0.5, 3}.set_requires_grad();
  const auto run = [&](bool checkpointed) {
    int calls = 0;
    const auto f = [&](const D& t) {
      ++calls;
      return tanh(t * w) + t * t;
    };
    const D h = x * x, y = checkpointed ? checkpoint(f, h) : f(h);
    auto [gx, gw] = grad(sum(y * y), {x, w});
    CHECK(calls == (checkpointed ? 2 : 1));
    return std::pair(list(gx), list(gw));
  };
  CHECK(run(true) == run(false));

  sum(checkpoint([&](const std::vector<D>& t) { return t[0] * t[1] * w; }, std::vector{x, w})).backward();
  CHECK(list(w.grad()) == std::vector<double>{2 * 2 * 0.5, -1 * 2 * 3});
  CHECK(list(x.grad()) == std::vector<double>{4, 1});
}

TEST_CASE("a checkpoint refuses to capture what was computed before") {
  const D w = D{2}.set_requires_grad(), before = exp(w);
  CHECK_THROWS_WITH(
      checkpoint([&](const D& t) { return t * before; }, w),
      StartsWith("checkpoint: the function captures the result of 'exp', of shape [1]; pass it as an input"));
}

TEST_CASE("a checkpoint draws the same numbers again, and can be differentiated twice by its inputs") {
  manual_seed(5);
  const Tensor<> x = ones({1000}).set_requires_grad();
  const Tensor<> y = checkpoint([](const Tensor<>& t) { return dropout(t, 0.5); }, x);
  const auto after = default_generator().state();
  sum(y).backward();
  CHECK(list(x.grad()) == list(y));
  CHECK(default_generator().state() == after);

  const auto twice = [](const D& t) { return checkpoint([](const D& s) { return s * s * s; }, t * t); };
  CHECK(gradcheck(twice, {D{0.5, -2}}));
  CHECK(gradgradcheck(twice, {D{0.5, -2}}));
  const D w = D{2}.set_requires_grad(), u = D{3}.set_requires_grad();
  CHECK_THROWS_WITH(grad(checkpoint([&](const D& t) { return t * w; }, u), u, {.create_graph = true}),
                    StartsWith("checkpoint: under create_graph what the function captures"));
}

TEST_CASE("a checkpoint of modules holds none of their intermediate values") {
  nn::Linear<> first{64, 64}, second{64, 64};
  const Tensor<> x = randn({256, 64}).set_requires_grad();
  const auto net = [&](const Tensor<>& t) { return tanh(second(tanh(first(tanh(t))))); };
  const auto held = [&](auto f) {
    const auto before = live_counts().bytes;
    const Tensor<> y = f();
    const auto bytes = live_counts().bytes - before;
    sum(y).backward();
    return bytes;
  };
  const auto plain = held([&] { return net(x); });
  const auto expected = list(first.weight.grad());
  first.weight.zero_grad();
  const auto checkpointed = held([&] { return checkpoint(net, x); });
  CHECK(list(first.weight.grad()) == expected);
  CHECK(checkpointed * 3 < plain * 2);
}
