// Reshaping, reordering, repeating and padding: values, views, where gradients lie, and errors.
#include <xgrad/ops/shape.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;
using Values = std::vector<double>;

TEST_CASE("reshape is a view, and -1 follows from the rest") {
  const D x = counted({2, 6});
  CHECK(reshape(x, {3, 4}).shape() == Shape{3, 4});
  CHECK(reshape(x, {3, 4}).data() == x.data());
  CHECK(reshape(x, {2, -1, 3}).shape() == Shape{2, 2, 3});
  CHECK(reshape(x, {-1}).shape() == Shape{12});
  CHECK(reshape(x, std::vector<int>{4, -1}).shape() == Shape{4, 3});
  CHECK(reshape(x, counted({12, 1}).shape()).shape() == Shape{12, 1});
  CHECK(reshape(counted({1, 1}), {}).rank() == 0);
  CHECK(reshape(zeros<double>({0, 3}), {3, 0}).shape() == Shape{3, 0});
  CHECK(reshape(zeros<double>({0, 3}), {-1, 3}).shape() == Shape{0, 3});
  CHECK(list(reshape(x, {3, 4})) == list(x));

  const D w = counted_leaf({2, 3});
  weighted(reshape(w, {3, 2})).backward();
  CHECK(list(w.grad()) == Values{1, 2, 3, 4, 5, 6});
  CHECK(w.grad().shape() == Shape{2, 3});
  CHECK(reshape(w, {3, 2}).op_name() == "reshape");
}

TEST_CASE("reshape says why it cannot") {
  const D x = counted({2, 3});
  CHECK_THROWS_AS(reshape(x, {4, 2}), ShapeError);
  CHECK_THROWS_WITH(reshape(x, {4, 2}), Contains("reshape: [2, 3] to [4, 2]: 6 elements and 8"));
  CHECK_THROWS_WITH(reshape(x, {-1, -1}), Contains("more than one extent is -1"));
  CHECK_THROWS_WITH(reshape(x, {4, -1}), Contains("6 elements do not divide by 4"));
  CHECK_THROWS_WITH(reshape(x, {-2, 3}), Contains("extent -2 is negative"));
  CHECK_THROWS_WITH(reshape(zeros<double>({0, 3}), {-1, 0}), Contains("-1 could be anything"));
  CHECK_THROWS_WITH(reshape(x, {4294967295, 4294967295, 4294967295}), Contains("too large"));
  CHECK_THROWS_WITH(reshape(x, std::vector<int>(15, 1)), Contains("more than 14"));
  CHECK_THROWS_WITH(reshape(x, std::vector<int>(8, 1)), Contains("more than 7 axes"));
  CHECK_THROWS_WITH(reshape(D(), {1}), Contains("reshape: operand 0 is undefined"));
}

TEST_CASE("flatten, squeeze and unsqueeze are views") {
  const D x = counted({2, 3, 1, 4});
  CHECK(flatten(x).shape() == Shape{24});
  CHECK(flatten(x, 1).shape() == Shape{2, 12});
  CHECK(flatten(x, 1, 2).shape() == Shape{2, 3, 4});
  CHECK(flatten(x, -2, -1).shape() == Shape{2, 3, 4});
  CHECK(flatten(scalar<double>(3)).shape() == Shape{1});
  CHECK(squeeze(x).shape() == Shape{2, 3, 4});
  CHECK(squeeze(x, 2).shape() == Shape{2, 3, 4});
  CHECK(squeeze(x, -2).shape() == Shape{2, 3, 4});
  CHECK(squeeze(x, 0).shape() == x.shape());
  CHECK(unsqueeze(x, 0).shape() == Shape{1, 2, 3, 1, 4});
  CHECK(unsqueeze(x, -1).shape() == Shape{2, 3, 1, 4, 1});
  CHECK(unsqueeze(x, 1).shape() == Shape{2, 1, 3, 1, 4});
  CHECK(unsqueeze(scalar<double>(1), 0).shape() == Shape{1});
  for (const D& y : {flatten(x), flatten(x, 1, 2), squeeze(x), squeeze(x, 2), unsqueeze(x, 1)})
    CHECK(y.data() == x.data());

  const D w = counted_leaf({2, 1, 2});
  weighted(unsqueeze(squeeze(flatten(w, 0, 1), 0), -1)).backward();
  CHECK(list(w.grad()) == Values{1, 2, 3, 4});

  CHECK_THROWS_WITH(flatten(x, 2, 1), Contains("flatten: axis 2 comes after axis 1"));
  CHECK_THROWS_WITH(flatten(x, 0, 4), Contains("flatten: axis 4 of shape [2, 3, 1, 4]"));
  CHECK_THROWS_WITH(squeeze(x, 4), Contains("squeeze: axis 4 of shape [2, 3, 1, 4]; axes run from -4 to 3"));
  CHECK_THROWS_WITH(unsqueeze(x, 5), Contains("unsqueeze: no place 5"));
  CHECK_THROWS_WITH(unsqueeze(x, -6), Contains("places run from -5 to 4"));
  CHECK_THROWS_WITH(unsqueeze(counted({1, 1, 1, 1, 1, 1, 1}), 0), Contains("more than 7 axes"));
}

TEST_CASE("expand repeats") {
  const D x{{1, 2, 3}};
  CHECK(list(expand(x, {2, 3})) == Values{1, 2, 3, 1, 2, 3});
  CHECK(list(expand(reshape(D{1, 2}, {2, 1}), {2, 3})) == Values{1, 1, 1, 2, 2, 2});
  CHECK(expand(x, {4, -1, -1}).shape() == Shape{4, 1, 3});
  CHECK(expand(x, {0, 3}).shape() == Shape{0, 3});
  CHECK(list(expand(scalar<double>(7), {2})) == Values{7, 7});
  const D w = counted_leaf({1, 3});
  weighted(expand(w, {2, -1})).backward();
  CHECK(list(w.grad()) == Values{5, 7, 9});
  CHECK_THROWS_AS(expand(x, {3}), ShapeError);
  CHECK_THROWS_WITH(expand(x, {3}), Contains("expand: [1, 3] to [3]: fewer axes"));
  CHECK_THROWS_WITH(expand(x, {2, 4}), Contains("axis 1 has 3, and only an extent of 1 can be repeated"));
  CHECK_THROWS_WITH(expand(x, {-1, 1, 3}), Contains("extent -1 of axis 0"));
}

TEST_CASE("permute and transpose move elements to the permuted places") {
  const D x = counted_leaf({2, 3, 4, 5});
  const std::vector<std::int64_t> order{2, 0, 3, 1};
  const D y = permute(x, order);
  REQUIRE(y.shape() == Shape{4, 2, 5, 3});
  for (const auto& i : places(y.shape())) {
    std::vector<std::int64_t> from(4);
    for (std::size_t a = 0; a < 4; ++a) from[static_cast<std::size_t>(order[a])] = i[a];
    REQUIRE(at(y, i) == at(x, from));
  }
  weighted(y).backward();
  for (const auto& i : places(y.shape())) {
    std::vector<std::int64_t> from(4);
    for (std::size_t a = 0; a < 4; ++a) from[static_cast<std::size_t>(order[a])] = i[a];
    REQUIRE(at(x.grad(), from) == at(counted(y.shape()), i) + 1);
  }
  CHECK(list(transpose(counted({2, 3}), 0, 1)) == Values{0, 3, 1, 4, 2, 5});
  CHECK(list(transpose(counted({2, 3}), -1, -2)) == Values{0, 3, 1, 4, 2, 5});
  CHECK(list(permute(counted({2, 3}), {-1, 0})) == Values{0, 3, 1, 4, 2, 5});
  CHECK(transpose(x, 1, 1).data() == x.data());
  CHECK(transpose(zeros<double>({0, 3}), 0, 1).shape() == Shape{3, 0});
}

TEST_CASE("permuting axes of extent 1 copies nothing") {
  const D x = counted({1, 4, 1, 5});
  for (const auto& order : {std::vector<int>{1, 0, 2, 3}, {1, 3, 0, 2}, {2, 1, 0, 3}})
    CHECK(permute(x, order).data() == x.data());
  CHECK(permute(x, {1, 3, 2, 0}).shape() == Shape{4, 5, 1, 1});
  CHECK(permute(x, {3, 1, 2, 0}).data() != x.data());
}

TEST_CASE("permute says which axes it was given") {
  const D x = counted({2, 3});
  CHECK_THROWS_AS(permute(x, {0}), ShapeError);
  CHECK_THROWS_WITH(permute(x, {0}),
                    Contains("permute: axes [0] of shape [2, 3]; name each of its 2 axes once"));
  CHECK_THROWS_WITH(permute(x, {1, 1}), Contains("permute: axes [1, 1] of shape [2, 3]"));
  CHECK_THROWS_WITH(permute(x, {0, 2}), Contains("permute: axis 2"));
  CHECK_THROWS_WITH(transpose(x, 0, 2), Contains("transpose: axis 2 of shape [2, 3]"));
}

TEST_CASE("flip reverses along the named axes") {
  CHECK(list(flip(counted({2, 3}), {0})) == Values{3, 4, 5, 0, 1, 2});
  CHECK(list(flip(counted({2, 3}), {-1})) == Values{2, 1, 0, 5, 4, 3});
  CHECK(list(flip(counted({2, 3}), {0, 1})) == Values{5, 4, 3, 2, 1, 0});
  CHECK(list(flip(counted({2, 2, 2}), {1})) == Values{2, 3, 0, 1, 6, 7, 4, 5});
  CHECK(flip(zeros<double>({0, 2}), {0}).shape() == Shape{0, 2});
  const D w = counted_leaf({2, 2});
  weighted(flip(w, {1})).backward();
  CHECK(list(w.grad()) == Values{2, 1, 4, 3});
  CHECK_THROWS_WITH(flip(w, {0, -2}), Contains("flip: axes [0, -2] name an axis of [2, 2] twice"));
  CHECK_THROWS_WITH(flip(w, {2}), Contains("flip: axis 2 of shape [2, 2]"));
}

TEST_CASE("pad counts from the last axis, and cuts off where negative") {
  const D x{{1, 2}, {3, 4}};
  CHECK(list(pad(x, {1, 2})) == Values{0, 1, 2, 0, 0, 0, 3, 4, 0, 0});
  CHECK(list(pad(x, {0, 0, 1, 0}, 9)) == Values{9, 9, 1, 2, 3, 4});
  CHECK(list(pad(x, {-1, 0})) == Values{2, 4});
  CHECK(list(pad(x, {1, -1, -1, 1}, 5)) == Values{5, 3, 5, 5});
  CHECK(list(pad(x, {-1, -1, 1, 0})).empty());
  CHECK(pad(x, {0, 0}).data() == x.data());
  CHECK(pad(counted({2, 3, 4}), {1, 0, 0, 0, 2, 3}).shape() == Shape{7, 3, 5});
  CHECK(list(pad(zeros<double>({0, 1}), {0, 0, 1, 0}, 4)) == Values{4});
  const D w = counted_leaf({2, 2});
  weighted(pad(w, {1, -1, 1, 0})).backward();  // rows: padded, [0 w00], [0 w10]
  CHECK(list(w.grad()) == Values{4, 0, 6, 0});
  CHECK_THROWS_AS(pad(x, {1}), ShapeError);
  CHECK_THROWS_WITH(pad(x, {1}),
                    Contains("pad: [1] around shape [2, 2]: give two numbers for each of at most 2 axes"));
  CHECK_THROWS_WITH(pad(x, {1, 1, 1, 1, 1, 1}), Contains("at most 2 axes"));
  CHECK_THROWS_WITH(pad(x, {-2, -1}), Contains("cuts more off axis 1 than its 2 elements"));
  CHECK_THROWS_WITH(pad(x, {std::int64_t{1} << 62, 0}), Contains("below 2^32"));
}

TEST_CASE("Indices change their shape as tensors do") {
  const Indices x{{1, 2, 3}, {4, 5, 6}};
  const Indices view = reshape(x, {3, -1});
  CHECK(equal(view, {{1, 2}, {3, 4}, {5, 6}}));
  CHECK(view.bytes() == x.bytes());
  CHECK(flatten(x).shape() == Shape{6});
  CHECK(squeeze(unsqueeze(x, 1)).shape() == Shape{2, 3});
  CHECK(squeeze(unsqueeze(x, -1), 2).bytes() == x.bytes());
  CHECK(equal(transpose(x, 0, 1), {{1, 4}, {2, 5}, {3, 6}}));
  CHECK(equal(permute(unsqueeze(x, 0), {2, 1, 0}), reshape(Indices{1, 4, 2, 5, 3, 6}, {3, 2, 1})));
  CHECK(equal(flip(x, {0, -1}), {{6, 5, 4}, {3, 2, 1}}));
  CHECK(equal(expand(Indices{{7}, {8}}, {2, 2, 3}),
              reshape(Indices{7, 7, 7, 8, 8, 8, 7, 7, 7, 8, 8, 8}, {2, 2, 3})));
  CHECK(expand(x, {-1, 3}).bytes() == x.bytes());
  CHECK(expand(Indices{{7}}, {0, 5}).shape() == Shape{0, 5});
  std::vector<std::int64_t> many(33 * 35), turned;
  for (std::size_t i = 0; i < many.size(); ++i)
    many[i] = (std::int64_t{1} << 62) + static_cast<std::int64_t>(i);
  for (std::size_t j = 0; j < 35; ++j)
    for (std::size_t i = 0; i < 33; ++i) turned.push_back(many[i * 35 + j]);
  CHECK(equal(transpose(Indices({33, 35}, many), 0, 1), Indices({35, 33}, turned)));
  CHECK_THROWS_WITH(reshape(x, {4}), Contains("reshape: [2, 3] to [4]: 6 elements and 4"));
  CHECK_THROWS_WITH(permute(x, {0, 0}), Contains("permute: axes [0, 0] of shape [2, 3]"));
  CHECK_THROWS_WITH(flatten(Indices(AnyTensor())), Contains("flatten: operand 0 is undefined"));
}
