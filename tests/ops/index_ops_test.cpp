// Reading and writing by index: values, gradients, where those are added, and errors.
#include <xgrad/ops/index.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/array.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;
using Values = std::vector<double>;

TEST_CASE("index_select takes slices in the order named, also again") {
  const D x = counted({3, 2});
  CHECK(list(index_select(x, 0, {2, 0, 2})) == Values{4, 5, 0, 1, 4, 5});
  CHECK(list(index_select(x, 1, {1})) == Values{1, 3, 5});
  CHECK(list(index_select(x, -1, std::vector<int>{1, 0})) == Values{1, 0, 3, 2, 5, 4});
  CHECK(list(index_select(counted({2, 3, 2}), 1, {2, 0})) == Values{4, 5, 0, 1, 10, 11, 6, 7});
  CHECK(index_select(x, 0, Indices{}).shape() == Shape{0, 2});
  CHECK(index_select(zeros<double>({0, 2}), 1, {0}).shape() == Shape{0, 1});

  const D w = counted_leaf({2, 3});
  weighted(index_select(w, 1, {2, 0, 2, 2})).backward();
  CHECK(list(w.grad()) == Values{2, 0, 1 + 3 + 4, 6, 0, 5 + 7 + 8});

  CHECK_THROWS_AS(index_select(x, 0, {0, 3}), ValueError);
  CHECK_THROWS_WITH(index_select(x, 0, {0, 3}),
                    Contains("index_select: index 3 at position 1 of [2] is not in [0, 3)"));
  CHECK_THROWS_WITH(index_select(x, 0, {-1}), Contains("index_select: index -1"));
  CHECK_THROWS_AS(index_select(x, 0, Indices{{0, 1}, {1, 0}}), ShapeError);
  CHECK_THROWS_WITH(index_select(x, 0, Indices{{0, 1}, {1, 0}}),
                    Contains("index_select: indices of shape [2, 2] into [3, 2]"));
  CHECK_THROWS_WITH(index_select(x, 2, {0}), Contains("index_select: axis 2 of shape [3, 2]"));
  CHECK_THROWS_WITH(index_select(D(), 0, {0}), Contains("index_select: operand 0 is undefined"));
}

TEST_CASE("embedding looks up rows") {
  const D w = counted_leaf({4, 2});
  const D y = embedding(w, Indices{{3, 0, 3}, {1, 1, 0}});
  CHECK(y.shape() == Shape{2, 3, 2});
  CHECK(list(y) == Values{6, 7, 0, 1, 6, 7, 2, 3, 2, 3, 0, 1});
  CHECK(embedding(w, Indices(Shape{}, {2})).shape() == Shape{2});
  CHECK(embedding(w, xt::xtensor<int, 2>{{0, 1}}).shape() == Shape{1, 2, 2});
  weighted(y).backward();
  CHECK(list(w.grad()) == Values{3 + 11, 4 + 12, 7 + 9, 8 + 10, 0, 0, 1 + 5, 2 + 6});
  // The same as rows of a product with one-hot rows.
  CHECK(embedding(w, {2, 2}).op_name() == "embedding");

  CHECK_THROWS_AS(embedding(w, {4}), ValueError);
  CHECK_THROWS_WITH(embedding(w, Indices{{0, 4}}),
                    Contains("embedding: index 4 at position 1 of [1, 2] is not in [0, 4)"));
  CHECK_THROWS_WITH(embedding(w, {-1}), Contains("embedding: index -1"));
  CHECK_THROWS_AS(embedding(D{1, 2}, {0}), ShapeError);
  CHECK_THROWS_WITH(embedding(D{1, 2}, {0}),
                    Contains("embedding: a weight of shape [2]; it must be (rows, features)"));
}

TEST_CASE("an embedding read at every time step gathers its gradient in one array") {
  const std::int64_t rows = 2000, features = 16, steps = 200;
  const Tensor<> w = zeros({rows, features}).set_requires_grad();
  Tensor<> total = zeros({1, features});
  for (std::int64_t t = 0; t < steps; ++t) total = total + embedding(w, {t % 7});
  reset_peak_bytes();
  const std::int64_t before = live_counts().bytes;
  total.backward(ones({1, features}));
  CHECK(live_counts().peak_bytes - before < 2 * rows * features * 4);
  CHECK(w.grad().values()[0] == 29);  // 200 = 7 · 28 + 4
  CHECK(w.grad().values()[static_cast<std::size_t>(6 * features)] == 28);
  CHECK(w.grad().values()[static_cast<std::size_t>(7 * features)] == 0);
}

TEST_CASE("embedding twice through the same graph, and its second derivative") {
  const D w = (counted_leaf({3, 2}) + 1).detach().set_requires_grad();
  const D y = weighted(square(embedding(w, {1, 1, 0})));
  y.backward({.retain_graph = true});
  const Values once = list(w.grad());
  CHECK(once == Values{2 * 5 * 1, 2 * 6 * 2, 2 * (1 + 3) * 3, 2 * (2 + 4) * 4, 0, 0});
  D(w).zero_grad();
  y.backward({.retain_graph = true});
  CHECK(list(w.grad()) == once);
  const auto [g] = grad(y, {w}, {.create_graph = true});
  CHECK(list(g) == once);
  const auto [h] = grad(weighted(g), {w});
  CHECK(list(h) == Values{1 * 10, 2 * 12, 3 * 8, 4 * 12, 0, 0});
}

TEST_CASE("gather reads an element for each index") {
  const D x{{1, 2}, {3, 4}};
  CHECK(list(gather(x, 1, Indices{{0, 0}, {1, 0}})) == Values{1, 1, 4, 3});  // the example of torch.gather
  CHECK(list(gather(x, 0, Indices{{1, 0}})) == Values{3, 2});
  CHECK(list(gather(x, 1, Indices(Shape{1, 5}, {0, 1, 0, 1, 1}))) == Values{1, 2, 1, 2, 2});
  const D y = counted({2, 3, 4});
  const Indices places(Shape{2, 1, 3}, {2, 0, 1, 1, 1, 2});
  CHECK(list(gather(y, 1, places)) == Values{8, 1, 6, 16, 17, 22});
  CHECK(list(gather(y, -1, Indices(Shape{1, 2, 1}, {3, 0}))) == Values{3, 4});
  CHECK(gather(y, 0, Indices(Shape{0, 3, 4}, {})).shape() == Shape{0, 3, 4});

  const D w = counted_leaf({2, 2});
  weighted(gather(w, 1, Indices{{0, 0}, {1, 0}})).backward();
  CHECK(list(w.grad()) == Values{1 + 2, 0, 4, 3});

  CHECK_THROWS_AS(gather(x, 1, Indices(Shape{1, 1}, {2})), ValueError);
  CHECK_THROWS_WITH(gather(x, 1, Indices(Shape{1, 1}, {2})),
                    Contains("gather: index 2 at position 0 of [1, 1] is not in [0, 2)"));
  CHECK_THROWS_AS(gather(x, 1, Indices{0}), ShapeError);
  CHECK_THROWS_WITH(gather(x, 1, Indices{0}),
                    Contains("gather: indices of shape [1] into [2, 2] along axis 1"));
  CHECK_THROWS_WITH(gather(x, 1, Indices(Shape{3, 1}, {0, 0, 0})), Contains("none but that one longer"));
  CHECK_THROWS_WITH(gather(x, 2, Indices(Shape{1, 1}, {0})), Contains("gather: axis 2 of shape [2, 2]"));
}

TEST_CASE("scatter_add adds an element for each index") {
  const D source{{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}};
  // the examples of torch.Tensor.scatter_add_
  CHECK(list(scatter_add(zeros<double>({3, 5}), 0, Indices{{0, 1, 2, 0, 0}}, D(ones<double>({2, 5})))) ==
        Values{1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0});
  CHECK(list(scatter_add(zeros<double>({3, 5}), 0, Indices{{0, 1, 2, 0, 0}, {0, 1, 2, 2, 2}},
                         D(ones<double>({2, 5})))) == Values{2, 0, 0, 1, 1, 0, 2, 0, 0, 0, 0, 0, 2, 1, 1});
  CHECK(list(scatter_add(counted({2, 3}), 1, Indices{{2, 2}, {0, 1}}, source)) ==
        Values{0, 1, 2 + 1 + 2, 3 + 6, 4 + 7, 5});
  CHECK(list(scatter_add(counted({2, 1}), 1, Indices(Shape{2, 0}, {}), source)) == Values{0, 1});

  const D x = counted_leaf({2, 3}), s = counted_leaf({2, 5});
  weighted(scatter_add(x, 1, Indices{{2, 2}, {0, 1}}, s)).backward();
  CHECK(list(x.grad()) == Values{1, 2, 3, 4, 5, 6});
  CHECK(list(s.grad()) == Values{3, 3, 0, 0, 0, 4, 5, 0, 0, 0});
  CHECK(list(x) == list(counted({2, 3})));

  CHECK_THROWS_AS(scatter_add(x, 1, Indices(Shape{1, 1}, {3}), s), ValueError);
  CHECK_THROWS_WITH(scatter_add(x, 1, Indices(Shape{1, 1}, {3}), s), Contains("scatter_add: index 3"));
  CHECK_THROWS_WITH(scatter_add(x, 1, Indices{0}, s),
                    Contains("scatter_add: indices of shape [1] into [2, 3]"));
  CHECK_THROWS_WITH(scatter_add(x, 1, Indices{{0, 0, 0, 0, 0, 0}}, s),
                    Contains("scatter_add: indices of shape [1, 6] for a source of shape [2, 5]"));
  CHECK_THROWS_WITH(scatter_add(x, 1, Indices(Shape{1, 1}, {0}), D{1, 2}),
                    Contains("for a source of shape [2]"));
  CHECK_THROWS_WITH(scatter_add(x, 1, Indices(Shape{1, 1}, {0}), D()),
                    Contains("scatter_add: operand 1 is undefined"));
}

TEST_CASE("one_hot") {
  CHECK(list(one_hot<double>({1, 0, 2})) == Values{0, 1, 0, 1, 0, 0, 0, 0, 1});
  CHECK(one_hot<double>({1, 0}, 5).shape() == Shape{2, 5});
  CHECK(list(one_hot<double>(Indices{{0, 1}}, 2)) == Values{1, 0, 0, 1});
  CHECK(one_hot({0}).dtype() == DType::float32);
  CHECK(one_hot(Indices{}, 3).shape() == Shape{0, 3});
  CHECK(one_hot(Indices(Shape{}, {1}), 3).shape() == Shape{3});
  CHECK_FALSE(one_hot({0}).requires_grad());
  CHECK_THROWS_AS(one_hot({3}, 3), ValueError);
  CHECK_THROWS_WITH(one_hot({0, 3}, 3), Contains("one_hot: index 3 at position 1 of [2] is not in [0, 3)"));
  CHECK_THROWS_WITH(one_hot({-1}), Contains("one_hot: index -1"));
  CHECK_THROWS_AS(one_hot({3}, -5), ValueError);
  CHECK_THROWS_WITH(one_hot({3}, -5), Contains("one_hot: -5 classes; give 0 or more, or leave it out"));
  CHECK_THROWS_WITH(one_hot(Indices{}), Contains("one_hot: no indices, and no number of classes"));
}

TEST_CASE("masked_fill") {
  const D x = counted_leaf({2, 2});
  CHECK(list(masked_fill(x, x > 1, -7)) == Values{0, 1, -7, -7});
  CHECK(list(masked_fill(x, D{1, 0}, -7)) == Values{-7, 1, -7, 3});
  CHECK(list(masked_fill(x, scalar<double>(0), -7)) == list(x));
  weighted(masked_fill(x, D{0, 1}, -7)).backward();
  CHECK(list(x.grad()) == Values{1, 0, 3, 0});
  // What is masked may be anything.
  const D holes{1, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
  CHECK(list(masked_fill(holes, D{0, 1, 1}, 0)) == Values{1, 0, 0});
  CHECK_THROWS_AS(masked_fill(x, D{1, 0, 1}, 0), ShapeError);
  CHECK_THROWS_WITH(masked_fill(x, D{1, 0, 1}, 0),
                    Contains("masked_fill: a mask of shape [3] does not broadcast to [2, 2]"));
  CHECK_THROWS_WITH(masked_fill(D{1, 2}, x, 0),
                    Contains("masked_fill: a mask of shape [2, 2] does not broadcast to [2]"));
  CHECK_THROWS_WITH(masked_fill(x, D(), 0), Contains("masked_fill: operand 1 is undefined"));
}
