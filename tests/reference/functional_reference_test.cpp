// Products with Jacobians and Hessians, and whole ones, give PyTorch's numbers.
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/functional.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

namespace {

using D = Tensor<double>;

D curved(const D& x) { return tanh(x) * sum(x) + sum(exp(unsqueeze(x, 1) * x), 1); }
D scalar_of(const D& x) { return sum(square(curved(x))); }

ReferenceResult both(const std::pair<D, D>& y) { return Tensors<double>{y.first, y.second}; }

}  // namespace

TEST_CASE("products with Jacobians and Hessians give PyTorch's numbers") {
  const FunctionalOptions recorded{.create_graph = true};
  ReferenceTable t("functional.safetensors");
  t.add("jacobian", [=](const auto& x) { return jacobian(curved, x[0], recorded); });
  t.add("hessian", [=](const auto& x) { return hessian(scalar_of, x[0], recorded); });
  t.add("vjp", [=](const auto& x) { return both(vjp(curved, x[0], x[1], recorded)); });
  t.add("jvp", [=](const auto& x) { return both(jvp(curved, x[0], x[1], recorded)); });
  t.add("hvp", [=](const auto& x) { return both(hvp(scalar_of, x[0], x[1], recorded)); });
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
