// Anomaly scopes: the first op whose result or gradient is not finite, and where it was called.
#include <xgrad/autograd/tape/mode.hpp>

#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;

constexpr auto ratio = formula("ratio", [](auto x, auto y) { return x / y; });

std::string here(int line) { return "anomaly_test.cpp:" + std::to_string(line); }

template <Real T>
struct Breaks {  // y = x, with infinity as its gradient
  static constexpr std::string_view name = "breaks";
  Tensor<T> forward(const Tensor<T>& x) const { return x.clone(); }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {g / 0}; }
};
Tensor<double> breaks(const Tensor<double>& x, Location at = Location::current()) { return apply(Breaks<double>{}, at, x); }

template <Real T>
struct MakesNan {
  static constexpr std::string_view name = "makes_nan";
  Tensor<T> forward(const Tensor<T>& x) const { return x * std::numeric_limits<T>::quiet_NaN(); }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {g}; }
};

TEST_CASE("anomaly: forward, by the op and the line", "[anomaly]") {
  auto x = Tensor<double>{1, 0, 2}.set_requires_grad();
  CHECK_NOTHROW(1 / x);
  const anomaly scope;
  CHECK_THROWS_WITH(1 / x, Contains("the result of 'div' holds inf at element 1 of shape [3]") && Contains(here(__LINE__)));
  CHECK_THROWS_WITH(log(-x), Contains("'log'") && Contains(here(__LINE__)));
  CHECK_THROWS_WITH(ratio(x, x), Contains("'ratio' holds") && Contains("nan at element 1") && Contains(here(__LINE__)));
  CHECK_THROWS_WITH(x * std::numeric_limits<double>::infinity(), Contains("'mul'") && Contains(here(__LINE__)));
  CHECK_THROWS_WITH(apply(MakesNan<double>{}, Location::current(), x), Contains("the result of 'makes_nan'") && Contains(here(__LINE__)));
  CHECK_THROWS_AS(exp(x * 1000), NonFiniteError);
  CHECK_THROWS_AS(exp(x.detach() * 1000), NonFiniteError);  // without a graph too
  CHECK_THROWS_AS(exp(x.to<float>() * 100), NonFiniteError);
  CHECK_NOTHROW(exp(x) * x + sqrt(x));
}

TEST_CASE("anomaly: backward, by the op whose gradient it is and where that was called", "[anomaly]") {
  auto x = Tensor<double>{1, 0, 2}.set_requires_grad();
  const auto y = sqrt(x); const int line = __LINE__;
  const auto z = y * 2;
  z.backward(ones<double>({3}), {.retain_graph = true});  // without the scope it passes
  x.zero_grad();
  {
    const anomaly scope;
    CHECK_THROWS_WITH(z.backward(ones<double>({3}), {.retain_graph = true}),
                      Contains("a gradient of 'sqrt' holds inf at element 1 of shape [3]") && Contains(here(line)));
    CHECK_THROWS_AS(grad(z, {x}, {.grad_outputs = {ones<double>({3})}, .retain_graph = true}), NonFiniteError);
    CHECK_THROWS_AS(grad(z, {x}, {.grad_outputs = {ones<double>({3})}, .create_graph = true}), NonFiniteError);
  }
  CHECK_FALSE(x.grad().defined());
  CHECK_NOTHROW(z.backward(ones<double>({3})));
}

TEST_CASE("anomaly: backward, also where a gradient is added to what is there", "[anomaly]") {
  auto x = Tensor<double>{1, 0, 2}.set_requires_grad(), w = Tensor<double>{1, 1, 1}.set_requires_grad();
  const auto h = x * 1, bad = sqrt(h); const int line = __LINE__;
  const auto later = h * w + tanh(h);  // reaches h first, and gives a buffer of its own
  const auto loss = bad + later;
  const anomaly scope;
  CHECK_THROWS_WITH(loss.backward(ones<double>({3})), Contains("'sqrt'") && Contains(here(line)));
  const auto broken = breaks(h);
  CHECK_THROWS_WITH((tanh(h) * w + broken).backward(ones<double>({3})), Contains("'breaks'") && Contains(here(__LINE__ - 1)));
}

TEST_CASE("anomaly: a fused formula and its broadcast gradients", "[anomaly]") {
  auto x = ones<double>({2, 3}).set_requires_grad(), y = Tensor<double>{1e-200, 1, 1}.set_requires_grad();
  const auto z = ratio(x, y); const int line = __LINE__;
  const anomaly scope;
  CHECK_THROWS_WITH(z.backward(ones<double>({2, 3})), Contains("a gradient of 'ratio' holds") && Contains(here(line)));
}

TEST_CASE("anomaly: scopes nest and end", "[anomaly]") {
  const auto zero = zeros<double>({1});
  {
    const anomaly outer;
    { const anomaly inner; }
    CHECK_THROWS_AS(1 / zero, NonFiniteError);
  }
  CHECK_NOTHROW(1 / zero);
}

TEST_CASE("anomaly: what the message says is true where the NaN came from outside", "[anomaly]") {
  const auto data = Tensor<double>{1, std::numeric_limits<double>::quiet_NaN()};
  const anomaly scope;
  try {
    data * 2;
    FAIL("not caught");
  } catch (const NonFiniteError& error) {
    CHECK_THAT(error.what(), !Contains("its inputs were finite"));
  }
}

}  // namespace
