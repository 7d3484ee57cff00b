// The gradient check: it passes what is right, and catches and names what is wrong.
#include <xgrad/autograd/tape/gradcheck.hpp>

#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;

constexpr auto swish = formula("swish", [](auto x) { return x * sigmoid(x); });

Tensor<double> cubed(const Tensor<double>& x) { return x * x * x; }

TEST_CASE("gradcheck: takes formulas, functions and lambdas, of one or more tensors, lists or spans",
          "[gradcheck]") {
  const auto x = randn<double>({2, 3}), y = randn<double>({3});
  CHECK(gradcheck(swish, {x}));
  CHECK(gradcheck(cubed, {x}));
  CHECK(gradcheck([](const Tensor<double>& a, const Tensor<double>& b) { return a * sin(b); }, {x, y}));
  CHECK(gradcheck([](auto a, auto b, auto c) { return a * b + c; }, {x, y, x}));
  CHECK(gradcheck([](auto... all) { return (all * ...); }, {x, y, x, y, x, y, x, y}));
  const std::vector inputs{x, y};
  CHECK(gradcheck([](std::span<const Tensor<double>> in) { return in[0] / (in[1] * in[1] + 1); }, inputs));
  CHECK(gradcheck([](const auto& a, const auto& b) { return a - b; }, inputs));
  CHECK(gradgradcheck(swish, {x}));
  CHECK(gradgradcheck([](const auto& a, const auto& b) { return a * a * b; }, inputs));
}

TEST_CASE("gradcheck: takes several results", "[gradcheck]") {
  const auto x = randn<double>({4});
  const auto vector = [](const auto& a) { return std::vector{sin(a), cos(a)}; };
  const auto array = [](const auto& a) { return std::array{sin(a), a * 2}; };
  const auto tuple = [](const auto& a) { return std::tuple{a * a, std::vector{a, a * 3}}; };
  CHECK((gradcheck(vector, {x}) && gradcheck(array, {x}) && gradcheck(tuple, {x})));
  CHECK((gradgradcheck(vector, {x}) && gradgradcheck(array, {x}) && gradgradcheck(tuple, {x})));
}

TEST_CASE("gradcheck: inputs may be anything, and stay as they are", "[gradcheck]") {
  auto leaf = randn<double>({3}).set_requires_grad();
  const auto result = leaf * 2;
  const std::vector<double> before(leaf.values().begin(), leaf.values().end());
  const auto version = leaf.version();
  CHECK(gradcheck(swish, {result}));
  CHECK(gradcheck(swish, {leaf}));
  CHECK_FALSE(leaf.grad().defined());
  CHECK(leaf.version() == version);
  CHECK(std::vector<double>(leaf.values().begin(), leaf.values().end()) == before);
  {
    const no_grad off;
    CHECK(gradcheck(swish, {leaf}));
    CHECK(gradgradcheck(swish, {leaf}));
    CHECK_FALSE(is_recording());
  }
  CHECK(gradcheck(swish, {scalar<double>(0.3)}));
  CHECK(gradcheck(swish, {zeros<double>({0, 3})}));
  CHECK(gradcheck([](const auto& a, const auto&) { return a * 1; }, {leaf, leaf}));  // an unused input
  CHECK(gradcheck([](const auto& a) { return a > 0; }, {leaf}));  // flat: no gradient is right
}

TEST_CASE("gradcheck: is not led astray by scale", "[gradcheck]") {
  const auto x = randn<double>({5});
  for (const double scale : {1e-12, 1e-6, 1e6, 1e12}) {
    CHECK(gradcheck([&](const auto& a) { return sin(a) * scale; }, {x}));
    CHECK(gradcheck([&](const auto& a) { return sin(a / scale); }, {Tensor<double>(x * scale)}));
  }
  CHECK(gradcheck([](const auto& a) { return a * 1e-3 + 1e6; }, {x},
                  {.tolerance = 1e-5}));  // much is lost to rounding
  CHECK(gradcheck([](const auto& a) { return a - a; }, {x}));
  CHECK(gradcheck([](const auto& a) { return exp(a) / exp(a); }, {x}));
}

// f(x) = x^3 with what is said of it wrong.
constexpr auto wrong_sign = formula(
    "wrong_sign", [](auto x) { return x * x * x; }, [](auto g, auto x) { return -3.0 * g * x * x; });
constexpr auto slightly_off = formula(
    "slightly_off", [](auto x) { return x * x * x; }, [](auto g, auto x) { return 3.00001 * g * x * x; });
constexpr auto dropped_term = formula(
    "dropped_term", [](auto x) { return x * sin(x); }, [](auto g, auto x) { return g * sin(x); });

template <Real T>
struct ConstantVjp {  // right in first order, but hides from the second that it depends on x
  static constexpr std::string_view name = "constant_vjp";
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const { return save(x), x * x; }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const { return {2 * saved[0].detach() * g}; }
};

TEST_CASE("gradcheck: catches wrong gradients", "[gradcheck]") {
  const auto x = Tensor<double>{{0.5, -1}, {2, 0.25}};
  CHECK_THROWS_AS(gradcheck(wrong_sign, {x}), GradcheckError);
  CHECK_THROWS_AS(gradcheck(slightly_off, {x}), GradcheckError);
  CHECK_THROWS_AS(gradcheck(dropped_term, {x}), GradcheckError);
  CHECK(gradcheck(slightly_off, {x}, {.tolerance = 1e-5}));
  CHECK_THROWS_AS(gradcheck([](const auto& a) { return a.detach() * a; }, {x}), GradcheckError);
  CHECK_THROWS_AS(gradcheck([](const auto& a) { return a.detach() * 2; }, {x}), GradcheckError);
  CHECK_THROWS_AS(gradcheck(
                      [](const auto& a) {
                        return std::vector{sin(a), a.detach()};
                      },
                      {x}),
                  GradcheckError);
  CHECK_THROWS_AS(gradcheck([](const auto& a, const auto& b) { return a * b.detach(); }, {x, x}),
                  GradcheckError);
}

TEST_CASE("gradgradcheck: catches what is wrong in the second order only", "[gradcheck]") {
  const auto x = Tensor<double>{1, 2};
  const auto f = [](const Tensor<double>& a) { return apply(ConstantVjp<double>{}, Location::current(), a); };
  CHECK(gradcheck(f, {x}));
  CHECK_THROWS_WITH(gradgradcheck(f, {x}),
                    Contains("gradgradcheck: the gradient of the gradient of the function by input 0"));
}

TEST_CASE("gradcheck: names the worst element", "[gradcheck]") {
  const auto bend = [](const Tensor<double>& a, const Tensor<double>& b) {
    return a * b + (b - b.detach()) * Tensor<double>{{0, 0, 0}, {0, 5, 1}};
  };
  const auto x = full<double>({2, 3}, 2), y = full<double>({2, 3}, 7);
  try {
    gradcheck(bend, {x, y});
    FAIL("not caught");
  } catch (const GradcheckError& error) {
    CHECK_THAT(error.what(), Contains("by input 1, element [1, 1] of shape [2, 3], is ") &&
                                 Contains("on the tape and ") &&
                                 Contains("by finite differences; they differ by "));
  }
  CHECK_THROWS_WITH(gradcheck(wrong_sign, {x}), Contains("the gradient of wrong_sign by input 0"));
}

TEST_CASE("gradcheck: a NaN is no gradient", "[gradcheck]") {
  CHECK_THROWS_AS(gradcheck([](const auto& a) { return where(a > 0, sqrt(a), a); }, {Tensor<double>{1, -1}}),
                  GradcheckError);
  CHECK_THROWS_AS(gradcheck([](const auto& a) { return log(a); }, {Tensor<double>{1, -1}}), GradcheckError);
}

TEST_CASE("gradcheck: what cannot be checked is refused", "[gradcheck]") {
  const auto x = randn<double>({3});
  CHECK_THROWS_WITH(gradcheck([](const auto& a) { return a * randn<double>({3}); }, {x}),
                    Contains("differs between two calls with the same inputs"));
  CHECK_THROWS_WITH(gradcheck(swish, {x, x}), Contains("the function does not take 2 tensors"));
  CHECK_THROWS_AS(gradcheck(cubed, std::vector<Tensor<double>>()), ValueError);
  CHECK_THROWS_WITH(gradcheck(cubed, {Tensor<double>()}), Contains("an input is undefined"));
  CHECK_THROWS_AS(gradcheck([](const auto& a) { return a + ones<double>({2}); }, {x}),
                  ShapeError);  // the function's own
}

TEST_CASE("gradcheck: the cotangent follows from the seed", "[gradcheck]") {
  const auto message = [](std::uint64_t seed) {
    try {
      gradcheck(wrong_sign, {Tensor<double>{1.5}}, {.seed = seed});
    } catch (const GradcheckError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message(1) == message(1));
  CHECK(message(1) != message(2));
  const auto state = default_generator().state();
  gradcheck(swish, {Tensor<double>{1.5}});
  CHECK(default_generator().state() == state);
}

}  // namespace
