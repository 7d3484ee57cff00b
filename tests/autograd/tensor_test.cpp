// Tensor: making, reading and writing values, leaves, detaching, converting.
#include <xgrad/autograd/tape/tensor.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/array.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/structural.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/structural.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

TEST_CASE("tensor: from nested lists", "[tensor]") {
  const Tensor<> row{1, 2, 3};
  CHECK(row.shape() == Shape{3});
  CHECK(list(row) == std::vector<float>{1, 2, 3});
  const Tensor<double> matrix{{1, 2}, {3, 4}, {5, 6}};
  CHECK(matrix.shape() == Shape{3, 2});
  CHECK(matrix.values()[3] == 4);
  const Tensor<double> cube{{{1}, {2}}, {{3}, {4}}}, column{{1}, {2}, {3}}, mixed{1, 2.5, 3.f};
  CHECK(cube.shape() == Shape{2, 2, 1});
  CHECK(list(cube) == std::vector<double>{1, 2, 3, 4});
  CHECK(column.shape() == Shape{3, 1});
  CHECK(list(mixed) == std::vector<double>{1, 2.5, 3});
  CHECK(Tensor<>{{{{7}}}}.shape() == Shape{1, 1, 1, 1});
  CHECK(Tensor<>{{}, {}}.shape() == Shape{2, 0});
  CHECK(Tensor<>{column.to<float>()}.shape() == Shape{3, 1});
  CHECK(matrix.size(-1) == 2);
  CHECK(matrix.size(0) == 3);
  CHECK(matrix.dtype() == DType::float64);
  CHECK(row.device() == Device::cpu());
  CHECK_THROWS_WITH((Tensor<>{{1, 2}, {3}}), Contains("Tensor: lists of 2 and of 1 elements side by side"));
  CHECK_THROWS_WITH((Tensor<>{{{1, 2}}, {{3, 4}, {5, 6}}}), Contains("lists of 1 and of 2 elements"));
  CHECK_THROWS_WITH((Tensor<>{{}, {1}}), Contains("lists of 0 and of 1 elements"));
  CHECK_THROWS_WITH((Tensor<>{{1}, 2}), Contains("Tensor: numbers and lists side by side"));
  CHECK_THROWS_AS((Tensor<>{1, {2}}), ShapeError);
  CHECK_THROWS_WITH(matrix.size(2), Contains("size: axis 2 of shape [3, 2]; axes run from -2 to 1"));
}

TEST_CASE("tensor: an undefined one says so", "[tensor]") {
  const Tensor<> nothing;
  CHECK_FALSE(nothing.defined());
  CHECK_FALSE(nothing.requires_grad());
  CHECK_THROWS_WITH(nothing.item(), Contains("item: the tensor is undefined"));
  CHECK_THROWS_WITH(Tensor<>().mutable_values(), Contains("undefined"));
  CHECK_THROWS_WITH(Tensor<>().set_requires_grad(), Contains("set_requires_grad: the tensor is undefined"));
  CHECK_THROWS_WITH(nothing.to<double>(), Contains("to: the tensor is undefined"));
  CHECK_THROWS_WITH(nothing + 1, Contains("add: an operand is undefined"));
  CHECK_THROWS_WITH(ones({2}) * nothing, Contains("mul: an operand is undefined"));
  CHECK_THROWS_WITH(nothing.backward(), Contains("backward: the tensor is undefined"));
  CHECK_THROWS_WITH(nothing.clone(), Contains("clone: the tensor is undefined"));
  CHECK_NOTHROW(nothing.detach());
  CHECK_THROWS_WITH(nothing.values(),
                    Contains("values: the tensor is undefined (default constructed, or a gradient before "
                             "any backward); give it a value first"));
  CHECK_THROWS_AS(nothing.values(), ValueError);
  CHECK_THROWS_WITH(Tensor<>().values(), Contains("values: the tensor is undefined"));
  CHECK_THROWS_WITH(nothing.data(), Contains("data: the tensor is undefined"));
  CHECK_THROWS_WITH(nothing.array(), Contains("array: the tensor is undefined"));
  CHECK_THROWS_WITH(nothing.dtype(), Contains("dtype: the tensor is undefined"));
  CHECK_THROWS_WITH(nothing.device(), Contains("device: the tensor is undefined"));
  CHECK_THROWS_WITH(nothing.version(), Contains("version: the tensor is undefined"));
  CHECK_THROWS_WITH(detail::copy_of(nothing), Contains("copy_of: the tensor is undefined"));
  CHECK_THROWS_WITH(detail::broadcast_to(nothing, {2}), Contains("broadcast_to: the tensor is undefined"));
  CHECK_THROWS_WITH(detail::broadcast_to(nothing, {}), Contains("broadcast_to: the tensor is undefined"));
  CHECK_THROWS_WITH(detail::sum_to(nothing, {}), Contains("sum_to: the tensor is undefined"));
  CHECK_THROWS_WITH(allclose(nothing, nothing), Contains("allclose: the tensor is undefined"));
  CHECK_THROWS_WITH(allclose(ones({2}), nothing), Contains("allclose: the tensor is undefined"));
  CHECK_THROWS_WITH(zeros_like(nothing), Contains("zeros_like: the tensor is undefined"));
  CHECK_THROWS_WITH(ones_like(nothing), Contains("ones_like: the tensor is undefined"));
  CHECK_THROWS_WITH(full_like(nothing, 1), Contains("full_like: the tensor is undefined"));
  CHECK_THROWS_WITH(empty_like(nothing), Contains("empty_like: the tensor is undefined"));
  CHECK_THROWS_WITH(rand_like(nothing), Contains("rand_like: the tensor is undefined"));
  CHECK_THROWS_WITH(randn_like(nothing), Contains("randn_like: the tensor is undefined"));
  CHECK_THROWS_WITH(ones({2}).assign(nothing), Contains("assign: the tensor is undefined"));
}

TEST_CASE("tensor: a gradient before any backward says so", "[tensor]") {
  Tensor<> w = ones({2}).set_requires_grad();
  CHECK_THROWS_WITH(w.grad().values(), Contains("values: the tensor is undefined") &&
                                           Contains("a gradient before any backward"));
  CHECK_THROWS_WITH(w -= 0.1 * w.grad(),
                    Contains("mul: an operand is undefined") && Contains("a gradient before any backward"));
  CHECK(list(w) == std::vector<float>{1, 1});
}

TEST_CASE("tensor: the element type is checked", "[tensor]") {
  const AnyTensor untyped = Tensor<double>{1, 2};
  CHECK_THROWS_WITH(Tensor<float>(untyped), Contains("convert with to<float>()"));
  CHECK(Tensor<double>(untyped).values()[1] == 2);
}

TEST_CASE("tensor: item is for one element", "[tensor]") {
  CHECK(scalar(2.5).item() == 2.5f);
  CHECK(Tensor<double>{{{7}}}.item() == 7);
  CHECK_THROWS_WITH(zeros({2, 1}).item(), Contains("item: a tensor of shape [2, 1] has no single value"));
  CHECK_THROWS_AS(zeros({0}).item(), ShapeError);
}

TEST_CASE("tensor: handles share, clones do not", "[tensor]") {
  Tensor<double> x{1, 2};
  Tensor<double> same = x, copy = x.clone();
  same.mutable_values()[0] = 5;
  CHECK(x.values()[0] == 5);
  CHECK(copy.values()[0] == 1);
  CHECK(x.detach().data() == x.data());
  Tensor<double> moved = std::move(same);
  CHECK(moved.data() == x.data());
  const Tensor<double>& itself = moved;
  moved = itself;
  CHECK(moved.data() == x.data());
}

TEST_CASE("tensor: writing raises the version, whoever holds the storage", "[tensor]") {
  Tensor<double> x{1, 2, 3};
  const Tensor<double> part(x.part({2}, 1)), other = x.detach();
  const auto before = x.version();
  x.mutable_values();
  CHECK(x.version() > before);
  CHECK(part.version() == x.version());
  CHECK(other.version() == x.version());
  const auto middle = x.version();
  x.assign(Tensor<double>{7, 8, 9});
  CHECK(x.version() > middle);
  CHECK(list(part) == std::vector<double>{8, 9});
}

TEST_CASE("tensor: assign copies, also from itself", "[tensor]") {
  Tensor<double> x{1, 2, 3, 4};
  Tensor<double> back(x.part({2}, 2)), front(x.part({2}, 0)), shifted(x.part({2}, 1));
  front.assign(back);
  CHECK(list(x) == std::vector<double>{3, 4, 3, 4});
  shifted.assign(front);  // overlapping
  CHECK(list(x) == std::vector<double>{3, 3, 4, 4});
  x.assign(x);
  CHECK(list(x) == std::vector<double>{3, 3, 4, 4});
  CHECK_THROWS_WITH(x.assign(Tensor<double>{1, 2}),
                    Contains("assign: values of shape [2] to a tensor of shape [4]"));
  CHECK_THROWS_AS(x.assign(Tensor<double>()), Error);
}

TEST_CASE("tensor: the result of a recorded op cannot be written to", "[tensor]") {
  auto x = ones<double>({2}).set_requires_grad();
  auto y = x * 2;
  CHECK_THROWS_WITH(y.mutable_values(), Contains("the result of 'mul'"));
  CHECK_THROWS_AS(y.mutable_values(), GraphError);
  CHECK_THROWS_WITH(y.assign(x), Contains("assign: this tensor is the result of 'mul'"));
  CHECK_NOTHROW(y.detach().mutable_values());
  CHECK_NOTHROW(x.mutable_values());  // a leaf
  CHECK(y.values()[0] == 2);
}

TEST_CASE("tensor: leaves", "[tensor]") {
  Tensor<double> x{1, 2};
  CHECK(x.is_leaf());
  CHECK_FALSE(x.requires_grad());
  CHECK(x.op_name() == "constant");
  x.set_requires_grad();
  const Tensor<double> copy = x;
  CHECK(copy.requires_grad());
  CHECK(x.op_name() == "leaf");
  x.set_requires_grad(false);
  CHECK_FALSE(copy.requires_grad());
  CHECK_FALSE((x * 2).requires_grad());
  x.set_requires_grad();
  const auto y = x * 2;
  CHECK(y.requires_grad());
  CHECK_FALSE(y.is_leaf());
  CHECK(y.op_name() == "mul");
  CHECK_FALSE(y.detach().requires_grad());
  CHECK(y.detach().is_leaf());
  auto z = x + 1;
  CHECK_THROWS_WITH(z.set_requires_grad(), Contains("set_requires_grad: this tensor is the result of 'add'") &&
                                               Contains("detach() it first"));
  CHECK_THROWS_WITH(z.set_requires_grad(false),
                    Contains("set_requires_grad: this tensor is the result of 'add'") && Contains("use detach()"));
  CHECK(y.grad().defined() == false);
}

TEST_CASE("tensor: what a temporary hands out outlives it", "[tensor]") {
  const auto make = [] { return ones({2, 3}) * 2; };
  const Shape& shape = make().shape();
  CHECK(shape == Shape{2, 3});
  STATIC_REQUIRE(std::same_as<decltype(make().shape()), Shape>);
  STATIC_REQUIRE(std::same_as<decltype(std::declval<const Tensor<>&>().shape()), const Shape&>);
}

TEST_CASE("tensor: set_grad", "[tensor]") {
  auto x = ones<double>({2}).set_requires_grad();
  CHECK_FALSE(x.grad().defined());
  x.set_grad(Tensor<double>{3, 4});
  CHECK(list(x.grad()) == std::vector<double>{3, 4});
  CHECK_THROWS_WITH(x.set_grad(ones<double>({3})),
                    Contains("set_grad: a gradient of shape [3] for a tensor of shape [2]"));
  CHECK(list(x.grad()) == std::vector<double>{3, 4});
  (x * 1).backward(ones<double>({2}));
  CHECK(list(x.grad()) == std::vector<double>{4, 5});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  Tensor<double> constant{1, 2};
  CHECK_NOTHROW(constant.zero_grad());
  CHECK_THROWS_WITH(constant.set_grad(ones<double>({2})), Contains("set_grad: only a leaf"));
  CHECK_THROWS_AS((x * 1).set_grad(ones<double>({2})), GraphError);
}

TEST_CASE("tensor: arithmetic with tensors and numbers on either side", "[tensor]") {
  const Tensor<double> a{6, 3}, b{2, 4};
  CHECK(list(a + b) == std::vector<double>{8, 7});
  CHECK(list(a - b) == std::vector<double>{4, -1});
  CHECK(list(a * b) == std::vector<double>{12, 12});
  CHECK(list(a / b) == std::vector<double>{3, 0.75});
  CHECK(list(-a) == std::vector<double>{-6, -3});
  CHECK(list(a + 1) == std::vector<double>{7, 4});
  CHECK(list(1 - a) == std::vector<double>{-5, -2});
  CHECK(list(2.5f * a) == std::vector<double>{15, 7.5});
  CHECK(list(12 / a) == std::vector<double>{2, 4});
  CHECK(list(a > 3) == std::vector<double>{1, 0});
  CHECK(list(a >= 3) == std::vector<double>{1, 1});
  CHECK(list(3 < a) == std::vector<double>{1, 0});
  CHECK(list(a <= b) == std::vector<double>{0, 1});
  CHECK(list(a == Tensor<double>{6, 4}) == std::vector<double>{1, 0});
  CHECK(list(a != 6) == std::vector<double>{0, 1});
  CHECK_THROWS_WITH(a + ones<double>({3}), Contains("add: shapes [2] and [3] do not broadcast"));
  CHECK_THROWS_AS(a + ones<double>({3}), ShapeError);
}

TEST_CASE("tensor: comparisons with NaN are false, and it differs from everything", "[tensor]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor<double> x{nan, 1};
  CHECK(list(x == x) == std::vector<double>{0, 1});
  CHECK(list(x != x) == std::vector<double>{1, 0});
  CHECK(list(x > 0) == std::vector<double>{0, 1});
  CHECK(list(x <= 1) == std::vector<double>{0, 1});
}

TEST_CASE("tensor: compound assignment to what is no leaf rebinds", "[tensor]") {
  Tensor<double> x{1, 2};
  const Tensor<double> before = x;
  x += 1;
  x *= Tensor<double>{2, 3};
  x -= 4;
  x /= 2;
  CHECK(list(x) == std::vector<double>{0, 2.5});
  CHECK(list(before) == std::vector<double>{1, 2});
}

TEST_CASE("tensor: conversion is differentiable both ways", "[tensor]") {
  auto x = Tensor<double>{1, 2}.set_requires_grad();
  const Tensor<float> y = (x * 3).to<float>();
  CHECK(y.values()[1] == 6.f);
  CHECK(y.op_name() == "to");
  (y * 0.5).backward(Tensor<float>{1, 10});
  CHECK(list(x.grad()) == std::vector<double>{1.5, 15});
  CHECK(x.to<double>().data() == x.data());
  CHECK(x.to(Device::cpu()).data() == x.data());
  CHECK_THROWS_WITH(Device("cuda"), Contains("'cuda' is not available"));
}

TEST_CASE("tensor: clone and conversion keep second derivatives", "[tensor]") {
  auto x = Tensor<double>{3}.set_requires_grad();
  const auto y = (x * x).to<float>().to<double>().clone() * x;  // x^3
  const auto [g] = grad(y, {x}, {.create_graph = true});
  CHECK(g.item() == 27);
  const auto [h] = grad(g, {x});
  CHECK(h.item() == 18);
}

TEST_CASE("tensor: creation", "[tensor]") {
  CHECK(list(zeros<double>({2})) == std::vector<double>{0, 0});
  CHECK(list(full({2}, 1.5)) == std::vector<float>{1.5, 1.5});
  CHECK(list(ones_like(Tensor<double>{3, 4})) == std::vector<double>{1, 1});
  CHECK(list(eye<double>(2)) == std::vector<double>{1, 0, 0, 1});
  CHECK(list(eye<double>(2, 3)) == std::vector<double>{1, 0, 0, 0, 1, 0});
  CHECK(list(arange<double>(3)) == std::vector<double>{0, 1, 2});
  CHECK(list(arange<double>(5, 0, -2)) == std::vector<double>{5, 3, 1});
  CHECK(list(arange<double>(0, 1, 0.25)) == std::vector<double>{0, 0.25, 0.5, 0.75});
  CHECK(arange(2, 1).shape() == Shape{0});
  CHECK(list(linspace<double>(0, 1, 5)) == std::vector<double>{0, 0.25, 0.5, 0.75, 1});
  CHECK(list(linspace<double>(3, 9, 1)) == std::vector<double>{3});
  CHECK(linspace(0, 1, 0).shape() == Shape{0});
  CHECK(scalar<double>(4).shape() == Shape{});
  CHECK(full<double>({3, 0, 2}, 1).elements() == 0);
  CHECK_THROWS_WITH(arange(0, 1, 0), Contains("arange: cannot go from 0 to 1 in steps of 0"));
  CHECK_THROWS_WITH(from_values<double>({2, 2}, std::vector<double>{1, 2, 3}),
                    Contains("from_values: 3 values for shape [2, 2]"));
  CHECK_THROWS_WITH(randint(3, 3, {2}), Contains("randint: no integer in [3, 3)"));
  CHECK_THROWS_WITH(zeros({1, 2, 3, 4, 5, 6, 7, 8}), Contains("more than 7 axes"));
  CHECK_THROWS_WITH(zeros({2, -1}),
                    Contains("extent -1 is not between 0 and 2^32 - 1; give sizes of 0 or more"));
  CHECK_THROWS_WITH(eye(2, -5), Contains("eye: 2 rows and -5 columns; give 0 or more"));
  CHECK_THROWS_WITH(eye(-1), Contains("eye: -1 rows and -1 columns"));
  CHECK_THROWS_AS(eye(2, -1), ValueError);
}

TEST_CASE("tensor: creation in the shape of another tensor", "[tensor]") {
  const Tensor<double> x{{3, 4, 5}, {6, 7, 8}};
  CHECK(list(full_like(x, 1.5)) == std::vector<double>(6, 1.5));
  CHECK(full_like(x, 1.5).shape() == x.shape());
  CHECK(empty_like(x).shape() == x.shape());
  CHECK(empty_like(x).data() != x.data());
  CHECK(full_like(Tensor<>{1}, 1).dtype() == DType::float32);
  CHECK(empty_like(x).dtype() == DType::float64);
  Generator generator(7), same(7);
  CHECK(rand_like(x, generator).shape() == x.shape());
  CHECK(list(rand_like(x, generator)) != list(rand_like(x, generator)));
  for (int skipped = 0; skipped < 3; ++skipped) rand<double>({2, 3}, same);
  CHECK(generator.state() == same.state());
  CHECK(list(rand_like(x, generator)) == list(rand<double>({2, 3}, same)));
  CHECK(list(randn_like(x, generator)) == list(randn<double>({2, 3}, same)));
  manual_seed(3);
  const auto uniform = list(rand_like(x)), normal = list(randn_like(x));
  manual_seed(3);
  CHECK(list(rand<double>({2, 3})) == uniform);
  CHECK(list(randn<double>({2, 3})) == normal);
}

TEST_CASE("tensor: a shape too large for memory is an error, not a small array", "[tensor]") {
  const std::int64_t big = 0xffffffff;
  CHECK_THROWS_AS(zeros<double>({big, big, 4}), Error);                // 2^66: the product overflows
  CHECK_THROWS_AS(zeros<double>({1 << 30, 1 << 30, 1 << 4}), Error);   // 2^64 elements: wraps to 0
  CHECK_THROWS_AS(zeros<double>({1 << 20, 1 << 20, 1 << 20}), Error);  // 2^63 bytes
  CHECK_THROWS_WITH(zeros<double>({1 << 20, 1 << 20, 1 << 4}),
                    Contains("a tensor of 17592186044416 elements"));
  CHECK_THROWS_AS(arange(0, 1e300), Error);
  CHECK_NOTHROW(zeros({big, 0}));
}

TEST_CASE("tensor: memory that there is not is an error that says how much", "[tensor]") {
  if (!detail::pool::cached) return;  // a sanitizer ends the program instead
  const LiveCounts before = live_counts();
  std::vector<Tensor<double>>
      all;  // a system may lend more than it has, but no more than there are addresses
  const auto fill = [&] {
    for (int i = 0; i < 16; ++i) all.push_back(empty<double>({1 << 22, 1 << 20}));
  };
  CHECK_THROWS_AS(fill(), Error);
  CHECK_THROWS_WITH(fill(), Contains("out of memory: a tensor of 4398046511104 elements takes 351843720") &&
                                Contains("smaller batches"));
  all.clear();
  empty_cache();
  CHECK(live_counts().bytes == before.bytes);
  CHECK(live_counts().reserved_bytes <= before.reserved_bytes);
  CHECK(zeros({3}).elements() == 3);
}

TEST_CASE("tensor: allclose", "[tensor]") {
  const Tensor<double> x{1, 100};
  CHECK(allclose(x, Tensor<double>{1 + 1e-6, 100 + 5e-4}));
  CHECK_FALSE(allclose(x, Tensor<double>{1 + 1e-4, 100}));
  CHECK_FALSE(allclose(x, Tensor<double>{1, 100, 3}));
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(allclose(Tensor<double>{inf}, Tensor<double>{inf}));
  CHECK_FALSE(allclose(Tensor<double>{inf}, Tensor<double>{-inf}));
  CHECK_FALSE(allclose(Tensor<double>{1}, Tensor<double>{inf}));
  CHECK_FALSE(allclose(Tensor<double>{std::nan("")}, Tensor<double>{std::nan("")}));
}

}  // namespace
