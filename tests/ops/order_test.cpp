// Order, places, parts of matrices, repeats, draws: bad input, and what gradients and PyTorch's numbers do
// not show.
#include <xgrad/ops/order.hpp>

#include <cmath>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/integer.hpp>
#include <xgrad/ops/matrix.hpp>
#include <xgrad/ops/random.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::StartsWith;

TEST_CASE("order refuses what is not there") {
  const Tensor<> x = zeros({2, 3}), none = zeros({2, 0});
  CHECK_THROWS_WITH(max(none, 1),
                    StartsWith("max: axis 1 of [2, 0] has too few elements; there must be at least 1"));
  CHECK_THROWS_WITH(median(none, 1), StartsWith("median: axis 1 of [2, 0] has too few"));
  CHECK_THROWS_WITH(topk(x, 4), StartsWith("topk: k = 4 for axis 1 of [2, 3]; give 0 to 3"));
  CHECK_THROWS_WITH(kthvalue(x, 0), StartsWith("kthvalue: k = 0 for axis 1 of [2, 3]; give 1 to 3"));
  CHECK_THROWS_AS(sort(x, 2), ShapeError);
}

TEST_CASE("unique finds the values of integers too") {
  const auto [values, inverse, counts] = unique(Indices{{3, 1}, {1, -2}});
  CHECK(equal(values, Indices{-2, 1, 3}));
  CHECK(equal(inverse, Indices{{2, 1}, {1, 0}}));
  CHECK(equal(counts, Indices{1, 2, 1}));
  CHECK(unique(Tensor<>{NAN, 1, NAN}).values.elements() == 2);
}

TEST_CASE("a Replay sorts anew in every run, and scatters anew") {
  Tensor<> x{3, 1, 2};
  Indices places{0};
  Tensor<> sorted, scattered;
  Indices order;
  Replay replay([&] {
    const auto y = sort(x);
    sorted = y.values;
    order = y.indices;
    scattered = scatter(x, 0, places, 9);
  });
  x.assign(Tensor<>{5, 6, 4});
  places.assign(Indices{2});
  replay();
  CHECK(list(sorted) == std::vector<float>{4, 5, 6});
  CHECK(equal(order, Indices{2, 0, 1}));
  CHECK(list(scattered) == std::vector<float>{5, 6, 9});
}

TEST_CASE("places, parts and repeats refuse what does not fit") {
  const Tensor<> x = zeros({2, 3}), v = zeros({3});
  CHECK_THROWS_WITH(scatter(x, 0, Indices{{2, 0, 0}}, 1),
                    StartsWith("scatter: index 2 at position 0 of [1, 3]"));
  CHECK_THROWS_WITH(scatter(x, 0, Indices{{0, 1}}, v),
                    StartsWith("scatter: indices of shape [1, 2] for a source of"));
  CHECK_THROWS_WITH(index_add(x, 1, {0}, v),
                    StartsWith("index_add: indices of shape [1] and a source of shape [3]"));
  CHECK_THROWS_WITH(index(x, {}), StartsWith("index: indices for 0 axes of [2, 3]; give one to 2"));
  CHECK_THROWS_WITH(index(x, {{0}, {3}}), StartsWith("index: index 3 at position 0 of [1] is not in [0, 3)"));
  CHECK_THROWS_WITH(index_put(x, {{0}}, zeros({2})),
                    StartsWith("index_put: values of shape [2] do not broadcast to [1, 3]"));
  CHECK_THROWS_WITH(take_along_dim(x, {0}, 0),
                    StartsWith("take_along_dim: indices of shape [1] into [2, 3]"));
  CHECK_THROWS_WITH(tril(v), StartsWith("tril: shape [3] is of no matrix"));
  CHECK_THROWS_WITH(diagonal(x, 0, 1, -1), StartsWith("diagonal: axis 1 of [2, 3] is named twice"));
  CHECK_THROWS_WITH(diag(zeros({1, 1, 1})), StartsWith("diag: shape [1, 1, 1]; give a vector or a matrix"));
  CHECK_THROWS_WITH(trace(v), StartsWith("trace: shape [3]; give a matrix"));
  CHECK_THROWS_WITH(roll(x, {1}, {0, 1}), StartsWith("roll: 1 shifts along 2 axes; give one for each"));
  CHECK_THROWS_WITH(roll(x, {1, 1}, {0, -2}), StartsWith("roll: axis 0 of [2, 3] is named twice"));
  CHECK_THROWS_WITH(repeat(x, {2}),
                    StartsWith("repeat: 1 numbers for [2, 3]; give one for each axis, or use tile"));
  CHECK_THROWS_WITH(tile(x, {-1}), StartsWith("tile: -1 times; give 0 or more"));
  CHECK_THROWS_WITH(repeat_interleave(x, {1, 2}, 1),
                    StartsWith("repeat_interleave: numbers of shape [2] for axis 1"));
  CHECK_THROWS_WITH(unfold(x, 1, 4, 1),
                    StartsWith("unfold: windows of 4, 1 apart, along axis 1 of [2, 3]; give 0 to 3"));
  CHECK(equal(repeat(Indices{1, 2}, {2, 2}), Indices{{1, 2, 1, 2}, {1, 2, 1, 2}}));
  CHECK(equal(repeat_interleave(Indices{1, 2}, 2, 0), Indices{1, 1, 2, 2}));
  CHECK(equal(roll(Indices{1, 2, 3}, {4}, {0}), Indices{3, 1, 2}));
  CHECK(nonzero(Tensor<>(scalar(2))).shape() == Shape{1, 0});
}

TEST_CASE("draws have the frequencies they are asked for, and the same seed the same draws") {
  Generator generator(7), again(7);
  const Tensor<> p = full({10000}, 0.3);
  const Tensor<> drawn = bernoulli(p, generator);
  CHECK(std::abs(mean(drawn).item() - 0.3f) < 0.02f);
  CHECK(list(drawn) == list(bernoulli(p, again)));
  const Indices many = multinomial(Tensor<>{1, 0, 3}, 10000, true, generator);
  CHECK(std::abs(mean(many == 2).item() - 0.75f) < 0.02f);
  CHECK(sum(many == 1).item() == 0);
  const Indices pairs = multinomial(Tensor<>{{1, 2, 3}, {0, 1, 1}}, 2, false, generator);
  CHECK(pairs.shape() == Shape{2, 2});
  CHECK(pairs[0][0].item() != pairs[0][1].item());
  CHECK(equal(unique(pairs[1]).values, Indices{1, 2}));
  const Indices order = randperm(50, generator);
  CHECK(equal(unique(order).values, to_indices(arange(50))));
  CHECK_FALSE(equal(order, to_indices(arange(50))));
  CHECK(randperm(0).elements() == 0);
  CHECK_THROWS_WITH(bernoulli(Tensor<>{0.5, 1.5}),
                    StartsWith("bernoulli: 1.5 at position 1 of [2] is no probability"));
  CHECK_THROWS_WITH(multinomial(Tensor<>{1, -1}, 1), StartsWith("multinomial: a weight of -1 in row 0"));
  CHECK_THROWS_WITH(
      multinomial(Tensor<>{1, 0}, 2),
      StartsWith("multinomial: 2 draws without replacement from row 0, in which 1 weights are not 0"));
  CHECK_THROWS_WITH(randperm(-1), StartsWith("randperm: -1 integers"));
}
