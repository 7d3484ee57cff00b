// Gradient clipping against PyTorch's numbers.
#include <xgrad/optim/clip.hpp>

#include <cmath>
#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/safetensors.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
using D = Tensor<double>;

D reference(const std::string& name) {
  static const nn::StateDict tensors =
      nn::load_safetensors(XGRAD_FIXTURES "/torch/optim.safetensors").tensors;
  const AnyTensor* found = tensors.find(name);
  REQUIRE(found);
  return D(detail::copy_of(*found));
}

std::vector<D> parameters() {
  std::vector<D> result;
  for (const char* k : {"0", "1"}) {
    result.push_back(reference(std::string("start.") + k).set_requires_grad());
    result.back().set_grad(reference(std::string("gradient.4.") + k));
  }
  return result;
}

TEST_CASE("clip_grad_norm scales as PyTorch does and returns the norm") {
  for (const std::string limit : {"0.5", "1000.0"}) {
    const auto p = parameters();
    CHECK(optim::clip_grad_norm(p, std::stod(limit)) ==
          Approx(reference("clip_norm." + limit).item()).epsilon(1e-14));
    CHECK(allclose(p[0].grad(), reference("clip_norm." + limit + ".0"), 1e-14, 0));
    CHECK(allclose(p[1].grad(), reference("clip_norm." + limit + ".1"), 1e-14, 0));
  }
}

TEST_CASE("clip_grad_value limits as PyTorch does") {
  const auto p = parameters();
  optim::clip_grad_value(p, 0.75);
  CHECK(allclose(p[0].grad(), reference("clip_value.0"), 0, 0));
  CHECK(allclose(p[1].grad(), reference("clip_value.1"), 0, 0));
  p[0].grad().mutable_values()[0] = std::numeric_limits<double>::quiet_NaN();
  optim::clip_grad_value(p, 0.5);
  CHECK(std::isnan(p[0].grad().values()[0]));
}

TEMPLATE_TEST_CASE("the norm of any number of elements is exact to rounding", "", float, double) {
  using T = TestType;
  for (const std::int64_t n : {0, 1, 2, 3, 7, 8, 9, 15, 31, 33, 100, 4095, 4096, 4097, 20000}) {
    Generator generator(1);
    Tensor<T> x = zeros<T>({n}).set_requires_grad();
    x.set_grad(randn<T>({n}, generator));
    double squares = 0;
    for (const T v : x.grad().values()) squares += static_cast<double>(v) * static_cast<double>(v);
    const double norm = optim::clip_grad_norm(std::vector{x}, 1e9);
    CHECK(norm == Approx(std::sqrt(squares)).epsilon(std::same_as<T, float> ? 1e-6 : 1e-14));
    CHECK(norm == optim::clip_grad_norm(std::vector{x}, 1e9));
  }
}

TEST_CASE("parameters without a gradient do not count") {
  auto p = parameters();
  const double both = optim::clip_grad_norm(p, 1e9);
  p[1].zero_grad();
  CHECK(optim::clip_grad_norm(p, 1e9) < both);
  CHECK(optim::clip_grad_norm(std::vector<D>{}, 1) == 0);
  optim::clip_grad_value(p, 0.1);
  CHECK_FALSE(p[1].grad().defined());
}

TEST_CASE("a norm that is not finite is an error that names the parameter, and changes nothing") {
  const double infinity = std::numeric_limits<double>::infinity();
  auto p = parameters();
  const D before(detail::copy_of(p[0].grad()));
  p[1].grad().mutable_values()[2] = infinity;
  CHECK_THROWS_AS(optim::clip_grad_norm(p, 1), NonFiniteError);
  CHECK_THROWS_WITH(optim::clip_grad_norm(p, 1),
                    Contains("clip_grad_norm: the norm is inf: the gradient of parameter 1, of shape [5]"));
  CHECK(allclose(p[0].grad(), before, 0, 0));
  CHECK(optim::clip_grad_norm(p, 1, {.error_if_nonfinite = false}) == infinity);
  CHECK(p[0].grad().values()[0] == 0);  // as PyTorch leaves it

  auto q = parameters();
  q[0].set_grad(full_like(q[0], 1e200));
  CHECK_THROWS_WITH(optim::clip_grad_norm(q, 1), Contains("their squares overflow"));
}

TEST_CASE("in float the norm is that of numbers whose squares a float does not hold") {
  for (const float size : {1e20f, 1e-25f}) {
    const auto x = zeros({3}).set_requires_grad(), y = zeros({1}).set_requires_grad();
    Tensor<>(x).set_grad(Tensor<>{2, -1, 2} * size);
    Tensor<>(y).set_grad(Tensor<>{4} * size);
    CHECK(optim::clip_grad_norm(std::vector{x, y}, 1e30) ==
          Approx(5.0 * static_cast<double>(size)).epsilon(1e-6));
    optim::clip_grad_norm(std::vector{x, y}, 0.5);
    if (size > 1) CHECK(allclose(x.grad(), Tensor<>{0.2, -0.1, 0.2}, 1e-6, 0));
  }
}

TEST_CASE("a parameter given twice would be scaled twice: it is refused") {
  const auto p = parameters();
  const D before(detail::copy_of(p[0].grad()));
  const std::vector<D> twice{p[0], p[1], p[0], D{1}, D{1}};
  CHECK_THROWS_AS(optim::clip_grad_norm(twice, 1e-3), ValueError);
  CHECK_THROWS_WITH(optim::clip_grad_norm(twice, 1e-3),
                    Contains("clip_grad_norm: parameter 2 of shape [3, 7] is given twice; give each once"));
  CHECK_THROWS_WITH(optim::clip_grad_value(twice, 1e-3), Contains("clip_grad_value: parameter 2"));
  CHECK(allclose(p[0].grad(), before, 0, 0));
}

TEST_CASE("a norm of any p does not overflow, and names who is to blame") {
  const auto x = Tensor<>{0, 0, 0}.set_requires_grad();
  Tensor<>(x).set_grad(Tensor<>{1e30, -2e30, 2e30});
  CHECK(optim::clip_grad_norm(std::vector{x}, 1e35, {.norm_type = 3}) == Approx(std::cbrt(17.0) * 1e30));
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(optim::clip_grad_norm(std::vector{x}, 1e30, {.norm_type = infinity}) == Approx(2e30));
  CHECK(allclose(x.grad(), Tensor<>{5e29, -1e30, 1e30}, 1e-6, 0));
  x.grad().mutable_values()[1] = std::nanf("");
  for (const double p : {1.0, 3.0, infinity})
    CHECK_THROWS_WITH(optim::clip_grad_norm(std::vector{x}, 1, {.norm_type = p}),
                      Contains("the norm is nan: the gradient of parameter 0"));
  for (const double p : {0.0, -1.0, std::nan("")})
    CHECK_THROWS_WITH(optim::clip_grad_norm(std::vector{x}, 1, {.norm_type = p}),
                      Contains("clip_grad_norm: norm_type is"));
}

TEST_CASE("limits below 0 are refused") {
  CHECK_THROWS_WITH(optim::clip_grad_norm(parameters(), -1), Contains("clip_grad_norm: the limit is -1"));
  CHECK_THROWS_WITH(optim::clip_grad_value(parameters(), std::nan("")),
                    Contains("clip_grad_value: the limit is nan"));
}

TEST_CASE("a gradient that is itself recorded is clipped as a value") {
  D x = D{3, 4}.set_requires_grad();
  (x * x).backward(D{1, 1}, {.create_graph = true});
  REQUIRE(x.grad().requires_grad());
  CHECK(optim::clip_grad_norm(std::vector{x}, 1) == Approx(10).epsilon(1e-14));
  CHECK(allclose(x.grad(), D{0.6, 0.8}, 1e-6, 0));
  CHECK_FALSE(x.grad().requires_grad());
}

}  // namespace
