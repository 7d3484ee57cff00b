// narrow, select and slice: values, views, gradients that add up in one array, and errors.
#include <xgrad/ops/shape.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;
using Values = std::vector<double>;

TEST_CASE("narrow and select") {
  const D x = counted({4, 3});
  CHECK(list(narrow(x, 0, 1, 2)) == Values{3, 4, 5, 6, 7, 8});
  CHECK(list(narrow(x, 1, 1, 2)) == Values{1, 2, 4, 5, 7, 8, 10, 11});
  CHECK(list(narrow(x, 0, -1, 1)) == Values{9, 10, 11});
  CHECK(narrow(x, 0, 4, 0).shape() == Shape{0, 3});
  CHECK(narrow(x, 0, 1, 2).data() == x.data() + 3);
  CHECK(list(select(x, 0, 2)) == Values{6, 7, 8});
  CHECK(list(select(x, 1, -1)) == Values{2, 5, 8, 11});
  CHECK(select(x, 0, -1).data() == x.data() + 9);
  CHECK(select(counted({3}), 0, 1).rank() == 0);
  CHECK(select(counted({1, 3, 2}), 1, 1).shape() == Shape{1, 2});
  CHECK_THROWS_AS(narrow(x, 0, 3, 2), ValueError);
  CHECK_THROWS_WITH(narrow(x, 0, 3, 2), Contains("narrow: 2 elements from 3 on along axis 0 of [4, 3], which "
                                                 "has 4; start and length must lie within"));
  CHECK_THROWS_WITH(narrow(x, 0, -5, 1), Contains("from -5 on"));
  CHECK_THROWS_WITH(narrow(x, 0, 0, -1), Contains("-1 elements"));
  CHECK_THROWS_WITH(narrow(x, 0, INT64_MAX, INT64_MAX), Contains("narrow: "));
  CHECK_THROWS_WITH(narrow(x, 2, 0, 1), Contains("narrow: axis 2 of shape [4, 3]"));
  CHECK_THROWS_AS(select(x, 0, 4), ValueError);
  CHECK_THROWS_WITH(select(x, 0, 4),
                    Contains("select: index 4 along axis 0 of [4, 3]; give one from -4 to 3"));
  CHECK_THROWS_WITH(select(x, 0, -5), Contains("select: index -5"));
  CHECK_THROWS_WITH(select(x, -3, 0), Contains("select: axis -3"));
}

TEST_CASE("gradients of selects and narrows add up in one array") {
  const D x = counted_leaf({4, 3});
  D loss = zeros<double>({});
  for (std::int64_t t = 0; t < 4; ++t) loss = loss + weighted(select(x, 0, t) * static_cast<double>(t));
  loss = loss + weighted(narrow(x, 0, 1, 2)) + weighted(select(x, 1, 2)) + weighted(narrow(x, 1, 0, 2));
  loss.backward({.retain_graph = true});
  const Values expected{0 + 1,     0 + 2,     0 + 1,     1 + 1 + 3, 2 + 2 + 4, 3 + 3 + 2,
                        2 + 4 + 5, 4 + 5 + 6, 6 + 6 + 3, 3 + 7,     6 + 8,     9 + 4};
  CHECK(list(x.grad()) == expected);
  D(x).zero_grad();
  loss.backward();
  CHECK(list(x.grad()) == expected);
}

TEST_CASE("a select in a time loop costs no more than the step in backward") {
  // The gradient of a whole is made once, however many slices there are: 256 times as many steps must not
  // take 256 times as much for each. Counted in bytes written: no allocation of the whole's size but the
  // first.
  const std::int64_t steps = 512, width = 64;
  const Tensor<> x = zeros({steps, width}).set_requires_grad();
  Tensor<> loss = zeros({width});
  for (std::int64_t t = 0; t < steps; ++t) loss = loss + select(x, 0, t) * 2.0f;
  reset_peak_bytes();
  const std::int64_t before = live_counts().bytes;
  loss.backward(ones({width}));
  CHECK(live_counts().peak_bytes - before < 3 * steps * width * 4);
  CHECK(x.grad().values()[777] == 2);
}

TEST_CASE("slice is NumPy's") {
  struct Case {
    std::int64_t extent;
    Slice slice;
    Values expected;
  };
  const std::vector<Case> cases{
      // what Python gives for list(range(extent))[start:stop:step]
      {5, {{}, {}, 1}, {0, 1, 2, 3, 4}},
      {5, {1, 4, 1}, {1, 2, 3}},
      {5, {-3, {}, 1}, {2, 3, 4}},
      {5, {{}, -1, 1}, {0, 1, 2, 3}},
      {5, {{}, {}, -1}, {4, 3, 2, 1, 0}},
      {5, {4, 1, -1}, {4, 3, 2}},
      {5, {{}, {}, 2}, {0, 2, 4}},
      {5, {1, {}, 2}, {1, 3}},
      {5, {-1, -6, -2}, {4, 2, 0}},
      {5, {10, {}, 1}, {}},
      {5, {{}, 10, 3}, {0, 3}},
      {5, {-10, 3, 1}, {0, 1, 2}},
      {5, {3, -10, -1}, {3, 2, 1, 0}},
      {5, {2, 2, 1}, {}},
      {5, {4, 2, 1}, {}},
      {5, {1, 4, -1}, {}},
      {5, {10, -10, -3}, {4, 1}},
      {5, {-10, 10, 4}, {0, 4}},
      {5, {0, {}, -1}, {0}},
      {5, {-5, -1, 2}, {0, 2}},
      {5, {{}, 0, -1}, {4, 3, 2, 1}},
      {5, {5, {}, -2}, {4, 2, 0}},
      {5, {{}, {}, INT64_MAX}, {0}},
      {5, {{}, {}, INT64_MIN}, {4}},
      {5, {INT64_MIN, INT64_MAX, 1}, {0, 1, 2, 3, 4}},
      {1, {{}, {}, -1}, {0}},
      {1, {{}, -1, 1}, {}},
      {1, {-1, -6, -2}, {0}},
      {0, {{}, {}, 1}, {}},
      {0, {{}, {}, -1}, {}},
      {0, {-1, -6, -2}, {}},
  };
  for (const Case& c : cases) {
    const D row = counted({c.extent});
    CHECK(list(slice(row, {c.slice})) == c.expected);
    // Along a last axis after others, and along a first before others.
    const auto n = static_cast<std::int64_t>(c.expected.size());
    const D after_others = slice(counted({2, c.extent}), {Slice{}, c.slice}),
            before = slice(counted({c.extent, 2}), {c.slice});
    REQUIRE(after_others.shape() == Shape{2, n});
    REQUIRE(before.shape() == Shape{n, 2});
    for (std::int64_t k = 0; k < n; ++k) {
      const double i = c.expected[static_cast<std::size_t>(k)];
      CHECK(at(after_others, {1, k}) == static_cast<double>(c.extent) + i);
      CHECK(at(before, {k, 1}) == 2 * i + 1);
    }
  }
}

TEST_CASE("slices of several axes, their views, gradients and errors") {
  const D x = counted_leaf({4, 5, 3});
  const D y = slice(x, {{1, {}, 2}, {{}, {}, -2}, {-2}});
  REQUIRE(y.shape() == Shape{2, 3, 2});
  for (const auto& i : places(y.shape())) CHECK(at(y, i) == at(x, {1 + 2 * i[0], 4 - 2 * i[1], 1 + i[2]}));
  weighted(y).backward({.retain_graph = true});
  D expected = zeros<double>({4, 5, 3});
  const auto out = expected.mutable_values();
  for (const auto& i : places(y.shape()))
    out[static_cast<std::size_t>(((1 + 2 * i[0]) * 5 + 4 - 2 * i[1]) * 3 + 1 + i[2])] =
        at(counted(y.shape()), i) + 1;
  CHECK(list(x.grad()) == list(expected));
  // Overlapping slices add up.
  const D w = counted_leaf({5});
  (weighted(slice(w, {{{}, {}, 2}})) + weighted(slice(w, {{{}, {}, -1}})) + weighted(slice(w, {{1, 3}})))
      .backward();
  CHECK(list(w.grad()) == Values{1 + 5, 4 + 1, 2 + 3 + 2, 2, 3 + 1});
  // Slices of nothing, also before the beginning.
  D(w).zero_grad();
  (weighted(slice(w, {{-9, {}, -1}})) + weighted(slice(w, {{9, {}, 2}})) +
   weighted(slice(reshape(w, {1, 5}), {{}, {3, 3}})))
      .backward();
  CHECK(list(w.grad()) == Values(5, 0));

  CHECK(slice(x, {{1, 3}}).data() == x.data() + 15);
  CHECK(slice(x, {}).data() == x.data());
  CHECK(slice(x, {{}, {0, 5}, {-3, 10}}).data() == x.data());
  CHECK(slice(x, {{.step = 3}}).shape() == Shape{2, 5, 3});
  CHECK_THROWS_AS(slice(x, {{.step = 0}}), ValueError);
  CHECK_THROWS_WITH(slice(x, {{}, {.step = 0}}), Contains("slice: a step of 0 along axis 1"));
  CHECK_THROWS_AS(slice(x, {{}, {}, {}, {}}), ShapeError);
  CHECK_THROWS_WITH(slice(x, {{}, {}, {}, {}}),
                    Contains("slice: 4 slices of shape [4, 5, 3], which has 3 axes"));
}

TEST_CASE("gradients of gradients through split, unbind, select, slice, cat and stack") {
  const D x = (counted_leaf({3, 2}) + 1).detach().set_requires_grad();
  const auto parts = unbind(x);
  // sum of squares of rows 0 and 2, each weighted; the Hessian is diagonal
  const D loss = weighted(square(parts[0])) + weighted(square(select(x, 0, 2))) +
                 weighted(square(split(x, 1, 1)[1])) +
                 weighted(square(cat({narrow(x, 0, 1, 1), stack({parts[0]})})));
  const auto [g] = grad(loss, {x}, {.create_graph = true});
  const auto v = x.values();
  CHECK(list(g) == Values{2 * v[0] * (1 + 3), 2 * v[1] * (2 + 1 + 4), 2 * v[2] * 1, 2 * v[3] * (2 + 2),
                          2 * v[4] * 1, 2 * v[5] * (2 + 3)});
  const auto [h] = grad(weighted(g), {x});
  CHECK(list(h) == Values{1 * 8, 2 * 14, 3 * 2, 4 * 8, 5 * 2, 6 * 10});
}

TEST_CASE("a view follows in-place writes to its source, and backward notices") {
  D x = counted_leaf({2, 3});
  const D row = select(x, 0, 1), y = square(row);
  x.mutable_values()[4] = 40;
  CHECK(row.values()[1] == 40);
  CHECK_THROWS_WITH(weighted(y).backward(), Contains("was changed in place"));
}

TEST_CASE("Indices are sliced as tensors are") {
  const Indices x{{1, 2, 3}, {4, 5, 6}};
  CHECK(equal(narrow(x, 1, 1, 2), {{2, 3}, {5, 6}}));
  CHECK(select(x, 0, -1).bytes() == x.bytes() + 3 * 8);
  CHECK(equal(select(x, 1, -1), {3, 6}));
  CHECK(equal(slice(x, {{}, {.step = -2}}), {{3, 1}, {6, 4}}));
  CHECK(narrow(x, 0, 2, 0).shape() == Shape{0, 3});
  Indices part = slice(x, {{1, 2}});  // a view
  part.assign({{7, 8, 9}});
  CHECK(equal(x, {{1, 2, 3}, {7, 8, 9}}));
  CHECK_THROWS_WITH(select(x, 0, 2), Contains("select: index 2 along axis 0 of [2, 3]"));
}
