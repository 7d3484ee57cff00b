// Tensors and xtensor: views without copying, and tensors from arrays and expressions.
#include <xgrad/autograd/tape/array.hpp>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

TEST_CASE("array: a view reads the tensor's own memory", "[array]") {
  const Tensor<double> x{{1, 2, 3}, {4, 5, 6}};
  const auto view = x.array();
  CHECK(view.dimension() == 2);
  CHECK(view.shape()[1] == 3);
  CHECK(view(1, 2) == 6);
  CHECK(&view(0, 0) == x.data());
  CHECK(std::equal(view.begin(), view.end(), x.values().begin()));
  const Tensor<double> part(x.part({3}, 3));
  CHECK(part.array()(0) == 4);
  CHECK(scalar<double>(7).elements() == 1);
  const auto single = scalar<double>(7);
  CHECK(single.array().dimension() == 0);
  CHECK(single.array()() == 7);
  const auto none = zeros<double>({0, 3});
  CHECK(none.array().size() == 0);
}

TEST_CASE("array: a view of a temporary does not compile", "[array]") {
  const auto takes = []<class X>(X&&) { return requires(X&& x) { std::forward<X>(x).array(); }; };
  const Tensor<double> x{1};
  CHECK(takes(x));
  CHECK_FALSE(takes(Tensor<double>{1}));
}

TEST_CASE("array: a writable view writes, and raises the version", "[array]") {
  Tensor<double> x{{1, 2}, {3, 4}};
  const auto before = x.version();
  auto view = x.mutable_array();
  CHECK(x.version() > before);
  view(1, 0) = 30;
  view(0, 1) += 5;
  CHECK(list(x) == std::vector<double>{1, 7, 30, 4});
  auto w = ones<double>({2}).set_requires_grad();
  auto y = w * 2;
  CHECK_THROWS_AS(y.mutable_array(), GraphError);
  const auto saved = w * w;
  w.mutable_array()(0) = 3;
  CHECK_THROWS_WITH(saved.backward(ones<double>({2})), Contains("changed in place"));
}

TEST_CASE("array: tensors are made of arrays and expressions of any kind", "[array]") {
  const xt::xarray<double> a{{1, 2}, {3, 4}};
  const Tensor<double> copy(a);
  CHECK(copy.shape() == Shape{2, 2});
  CHECK(list(copy) == std::vector<double>{1, 2, 3, 4});
  CHECK(copy.data() != a.data());
  const Tensor<double> lazy = a * 2.0 + 1.0, from_integers = xt::xarray<int>{1, 2};
  CHECK(list(lazy) == std::vector<double>{3, 5, 7, 9});
  CHECK(list(from_integers) == std::vector<double>{1, 2});
  CHECK(list(Tensor<float>(a)) == std::vector<float>{1, 2, 3, 4});
  const xt::xarray<double, xt::layout_type::column_major> columns{{1, 2, 3}, {4, 5, 6}};
  CHECK(list(Tensor<double>(columns)) == std::vector<double>{1, 2, 3, 4, 5, 6});
  const xt::xtensor<double, 2> fixed_rank{{1, 2}};
  CHECK(Tensor<double>(fixed_rank).shape() == Shape{1, 2});
  const Tensor<double> x{{1, 2}, {3, 4}};
  CHECK(list(Tensor<double>(x.array() + a)) == std::vector<double>{2, 4, 6, 8});
  CHECK(list(x + Tensor<double>(a)) == std::vector<double>{2, 4, 6, 8});
  const xt::xarray<double> three{1, 2, 3};
  CHECK_THROWS_AS(Tensor<>(a + three), ShapeError);
  CHECK_THROWS_WITH(Tensor<>(a + three),
                    Contains("Tensor: the array expression has no shape; make its parts broadcast: "));
  CHECK_THROWS_WITH(Tensor<>(xt::ones<float>({1, 1, 1, 1, 1, 1, 1, 1})), Contains("shape: more than 7 axes"));
}

TEST_CASE("array: assign takes expressions, also of the tensor itself", "[array]") {
  Tensor<double> x{{1, 2}, {3, 4}};
  const auto before = x.version();
  x.assign(x.array() * 10.0);
  CHECK(list(x) == std::vector<double>{10, 20, 30, 40});
  CHECK(x.version() > before);
  CHECK_THROWS_WITH(x.assign(xt::xarray<double>{1, 2}),
                    Contains("assign: values of shape [2] to a tensor of shape [2, 2]"));
  auto w = ones<double>({2}).set_requires_grad();
  w.assign(xt::xarray<double>{5, 6});
  CHECK(w.requires_grad());
  CHECK(list(w) == std::vector<double>{5, 6});
}

}  // namespace
