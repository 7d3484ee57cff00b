// Index arrays: from lists, ranges and xtensor, their views and their checks.
#include <xgrad/autograd/array/indices.hpp>

#include <list>
#include <ranges>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/array.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
using Values = std::vector<std::int64_t>;

Values list(const Indices& x) { return {x.values().begin(), x.values().end()}; }
Values taken(const Indices& x) { return list(x); }  // as an op takes them: by implicit conversion

TEST_CASE("indices: from lists and ranges of any integers", "[indices]") {
  CHECK(taken({3, 1, 2}) == Values{3, 1, 2});
  CHECK(Indices{5}.shape() == Shape{1});
  CHECK(Indices{{1, 2, 3}, {4, 5, 6}}.shape() == Shape{2, 3});
  CHECK(list(Indices{{1, 2}, {3, 4}}) == Values{1, 2, 3, 4});
  CHECK(taken(std::vector<int>{1, -2}) == Values{1, -2});
  CHECK(taken(std::vector<unsigned char>{200, 7}) == Values{200, 7});
  CHECK(taken(std::list<short>{4, 5}) == Values{4, 5});
  CHECK(taken(std::views::iota(2, 5)) == Values{2, 3, 4});
  CHECK(taken(std::array<std::size_t, 2>{8, 9}) == Values{8, 9});
  const int plain[] = {6, 7};
  CHECK(taken(plain) == Values{6, 7});
  CHECK(Indices().shape() == Shape{0});
  CHECK(Indices(std::vector<int>{}).elements() == 0);
  CHECK_THROWS_WITH((Indices{{1, 2}, {3}}), Contains("Indices: rows of 2 and of 1 values"));
  CHECK_THROWS_WITH(Indices(Shape{2, 2}, {1, 2, 3}),
                    Contains("Indices: 3 values for shape [2, 2], which holds 4"));
}

TEST_CASE("indices: nested lists of one value each are rows", "[indices]") {
  const std::int64_t n = 7;
  const unsigned char small = 3;
  CHECK(Indices{{2}}.shape() == Shape{1, 1});
  CHECK(list(Indices{{2}}) == Values{2});
  CHECK(Indices{{0}, {1}, {n}}.shape() == Shape{3, 1});
  CHECK(Indices{{0, 1}, {2, 3}}.shape() == Shape{2, 2});
  CHECK(Indices{{}}.shape() == Shape{1, 0});
  CHECK(Indices{2}.shape() == Shape{1});
  CHECK(list(Indices{0, n, small, 5L}) == Values{0, 7, 3, 5});
  CHECK(taken({0, n}) == Values{0, 7});
  CHECK(taken({{4}, {5}}) == Values{4, 5});
  CHECK_THROWS_WITH((Indices{{0, 1}, {2}}), Contains("Indices: rows of 2 and of 1 values"));
  static_assert(!std::is_constructible_v<Indices, std::initializer_list<double>>);
}

TEST_CASE("indices: from xtensor arrays and expressions", "[indices]") {
  const xt::xarray<int> matrix{{1, 2, 3}, {4, 5, 6}};
  CHECK(Indices(matrix).shape() == Shape{2, 3});
  CHECK(list(matrix) == Values{1, 2, 3, 4, 5, 6});
  CHECK(list(matrix * 10 + 1) == Values{11, 21, 31, 41, 51, 61});
  const xt::xarray<long, xt::layout_type::column_major> columns{{1, 2}, {3, 4}};
  CHECK(list(columns) == Values{1, 2, 3, 4});
}

TEST_CASE("indices: parts and shapes share the values", "[indices]") {
  const Indices x{{1, 2, 3}, {4, 5, 6}};
  CHECK(list(x[1]) == Values{4, 5, 6});
  CHECK(x[1][2].shape() == Shape{});
  CHECK(list(x[1][2]) == Values{6});
  const Indices row = x[1];
  CHECK(row.values().data() == x.values().data() + 3);
  CHECK(equal(reshape(x, {3, 2})[2], Indices{5, 6}));
  CHECK(equal(reshape(x[1], {3, 1})[0], Indices{4}));
  CHECK(equal(x, Indices{{1, 2, 3}, {4, 5, 6}}));
  CHECK_FALSE(equal(x, reshape(x, {6})));
  CHECK_THROWS_AS(x[2], ShapeError);
  CHECK_THROWS_WITH(x[-1], Contains("element -1 of shape [2, 3]"));
  CHECK_THROWS_AS(x[0][0][0], ShapeError);
  CHECK_THROWS_WITH(reshape(x, {4}), Contains("reshape: [2, 3] to [4]: 6 elements and 4"));
}

TEST_CASE("indices: a bad one is named with its place", "[indices]") {
  CHECK_NOTHROW(check_indices("take", {0, 4}, 5));
  CHECK_NOTHROW(check_indices("take", Indices(), 0));
  CHECK_THROWS_WITH(check_indices("take", {0, 5}, 5),
                    Contains("take: index 5 at position 1 of [2] is not in [0, 5)"));
  CHECK_THROWS_AS(check_indices("take", {-1}, 5), ValueError);
}

}  // namespace
