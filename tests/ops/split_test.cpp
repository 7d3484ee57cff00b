// split, chunk and unbind: values, views, gradients that are written into one array, and errors.
#include <xgrad/ops/shape.hpp>

#include <algorithm>
#include <cmath>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;
using Values = std::vector<double>;

TEST_CASE("split, chunk and unbind take apart") {
  const D x = counted({5, 2});
  const auto shapes = [](const std::vector<D>& parts) {
    std::vector<std::string> list;
    for (const D& p : parts) list.push_back(to_string(p.shape()));
    return list;
  };
  using Shapes = std::vector<std::string>;
  CHECK(shapes(split(x, 2)) == Shapes{"[2, 2]", "[2, 2]", "[1, 2]"});
  CHECK(shapes(split(x, 9)) == Shapes{"[5, 2]"});
  CHECK(shapes(split(x, {1, 0, 4})) == Shapes{"[1, 2]", "[0, 2]", "[4, 2]"});
  CHECK(shapes(split(x, 1, -1)) == Shapes{"[5, 1]", "[5, 1]"});
  CHECK(shapes(split(zeros<double>({0}), 3)) == Shapes{"[0]"});
  CHECK(shapes(chunk(x, 3)) == Shapes{"[2, 2]", "[2, 2]", "[1, 2]"});
  CHECK(shapes(chunk(x, 4)) == Shapes{"[2, 2]", "[2, 2]", "[1, 2]"});
  CHECK(shapes(chunk(counted({6}), 3)) == Shapes{"[2]", "[2]", "[2]"});
  CHECK(shapes(chunk(zeros<double>({0}), 2)) == Shapes{"[0]", "[0]"});
  CHECK(shapes(unbind(x)) == Shapes{"[2]", "[2]", "[2]", "[2]", "[2]"});
  CHECK(shapes(unbind(x, 1)) == Shapes{"[5]", "[5]"});
  CHECK(unbind(zeros<double>({0, 2})).empty());
  CHECK(list(split(x, {1, 0, 4})[2]) == Values{2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(list(split(counted({2, 3}), {1, 2}, 1)[1]) == Values{1, 2, 4, 5});
  CHECK(list(unbind(x, 1)[1]) == Values{1, 3, 5, 7, 9});
  CHECK(list(unbind(counted({2, 2, 2}), 1)[1]) == Values{2, 3, 6, 7});
  // Views along the first axis, or after extents of 1.
  CHECK(split(x, 2)[1].data() == x.data() + 4);
  CHECK(unbind(x)[3].data() == x.data() + 6);
  CHECK(chunk(counted({1, 4}), 2, 1)[0].op_name() == "constant");
  const D row = counted({1, 1, 4});
  CHECK(split(row, 2, 2)[1].data() == row.data() + 2);
  CHECK(unbind(row, 2)[3].data() == row.data() + 3);
  CHECK(chunk(row, 2, -1)[1].data() == row.data() + 2);

  CHECK_THROWS_AS(split(x, {2, 2}), ShapeError);
  CHECK_THROWS_WITH(split(x, {2, 2}),
                    Contains("split: sizes [2, 2] along axis 0 of [5, 2]; they must add up to 5"));
  CHECK_THROWS_WITH(split(x, {6, -1}), Contains("none be negative"));
  CHECK_THROWS_WITH(split(x, std::vector<std::int64_t>{INT64_MAX, INT64_MAX}), Contains("must add up to 5"));
  CHECK_THROWS_WITH(split(x, std::vector<std::int64_t>{}), Contains("split: sizes []"));
  CHECK_THROWS_AS(split(x, 0), ValueError);
  CHECK_THROWS_WITH(split(x, 0), Contains("split: parts of 0 elements"));
  CHECK_THROWS_WITH(chunk(x, 0), Contains("chunk: 0 parts"));
  CHECK_THROWS_WITH(unbind(x, 2), Contains("unbind: axis 2 of shape [5, 2]"));
  CHECK_THROWS_WITH(unbind(scalar<double>(1)), Contains("unbind: axis 0 of a scalar"));
}

TEST_CASE("gradients of split and chunk, along every axis, with parts that are not used") {
  for (const std::int64_t axis : {0, 1, 2}) {
    const D x = counted_leaf({4, 4, 4});
    auto parts = split(x, {1, 2, 1}, axis);
    (weighted(parts[0]) + weighted(parts[2] * parts[2])).backward();
    const D first = counted(parts[0].shape()) + 1, last = counted(parts[2].shape()) + 1;
    const D expected = cat({first, zeros<double>(parts[1].shape()), 2.0 * last * parts[2].detach()}, axis);
    CHECK(list(x.grad()) == list(expected));
  }
}

TEST_CASE("the gradients of unbind's parts, where they lie in order, are the whole's as they are") {
  const D leaf_x = counted_leaf({4, 3});
  const D x = leaf_x * 1.0, y = stack(unbind(x));
  const double *of_x = nullptr, *of_y = nullptr;
  D(x).register_hook([&](const D& g) { return of_x = g.data(), D(); });
  D(y).register_hook([&](const D& g) { return of_y = g.data(), D(); });
  const D loss = weighted(y);
  loss.backward({.retain_graph = true});
  const Values expected = list(counted({4, 3}) + 1);
  CHECK(of_x == of_y);
  CHECK(list(leaf_x.grad()) == expected);
  const D first = leaf_x.grad();
  D(leaf_x).zero_grad();
  loss.backward();
  CHECK(list(leaf_x.grad()) == expected);
  CHECK(list(first) == expected);
  CHECK(first.data() != leaf_x.grad().data());
}

TEST_CASE("unbind with parts that are used not at all, twice, or against themselves") {
  const D x = (counted_leaf({5, 2}) + 1).detach().set_requires_grad();
  const auto parts = unbind(x);
  // part 0 unused; part 1 twice; part 2 with another partial derivative from each side; part 3 passed on as
  // it is
  const D loss = weighted(parts[1]) + weighted(parts[1] * 3) + weighted(parts[2] / parts[2]) +
                 weighted(pow(parts[4], parts[4])) + sum(parts[3]);
  loss.backward({.retain_graph = true});
  const auto p = parts[4].values();
  const auto slope = [](double v) { return std::pow(v, v) * (std::log(v) + 1); };
  const Values expected{0, 0, 4, 8, 0, 0, 1, 1, slope(p[0]), 2 * slope(p[1])};
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(x.grad().values()[i] == Approx(expected[i]).epsilon(1e-12).margin(1e-12));
  D(x).zero_grad();
  loss.backward();
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(x.grad().values()[i] == Approx(expected[i]).epsilon(1e-12).margin(1e-12));
}

TEST_CASE("gradients of unbind's parts that were asked for are not overwritten by a later pass") {
  const D x = counted_leaf({3, 2});
  const auto parts = unbind(x);
  const D first = weighted(parts[0] * 2) + weighted(parts[1] * parts[1]),
          second = weighted(parts[0] * 5) + weighted(parts[2] * 7);
  const auto before = grad(std::vector{first}, std::vector{parts[0], parts[1]}, {.retain_graph = true});
  const auto after = grad(std::vector{second}, std::vector{parts[0]}, {.retain_graph = true});
  CHECK(list(before[0]) == Values{2, 4});
  CHECK(list(before[1]) == Values{4, 12});
  CHECK(list(after[0]) == Values{5, 10});
  second.backward({.retain_graph = true});
  CHECK(list(x.grad()) == Values{5, 10, 0, 0, 7, 14});
  CHECK(list(before[0]) == Values{2, 4});
  CHECK(list(before[1]) == Values{4, 12});
  CHECK(list(after[0]) == Values{5, 10});
  // A part's gradient handed out together with the whole's stays as it is, too.
  const auto both = grad(std::vector{first}, std::vector{x, parts[0]}, {.retain_graph = true});
  const D sum = both[0] + both[0];
  CHECK(list(both[0]) == Values{2, 4, 4, 12, 0, 0});
  CHECK(list(both[1]) == Values{2, 4});
}

TEST_CASE("a hook that replaces the gradient of a part, and an input with another use") {
  const D x = counted_leaf({3, 2});
  const auto parts = unbind(x);
  std::vector<D> kept;
  D(parts[1]).register_hook([&](const D& g) { return kept.push_back(g), g * 10.0; });
  (weighted(parts[0] * 2) + weighted(parts[1] * 3) + sum(x)).backward();
  CHECK(list(x.grad()) == Values{3, 5, 31, 61, 1, 1});
  CHECK(list(kept.at(0)) == Values{3, 6});
}

TEST_CASE("more parts than a node takes") {
  const std::int64_t n = 70000;
  const Tensor<> x = arange(static_cast<double>(n)).set_requires_grad();
  const auto parts = unbind(x);
  REQUIRE(static_cast<std::int64_t>(parts.size()) == n);
  CHECK(parts.back().item() == static_cast<float>(n - 1));
  const Tensor<> whole = stack(parts);
  REQUIRE(whole.shape() == x.shape());
  CHECK(std::ranges::equal(whole.values(), x.values()));
  whole.backward(arange(static_cast<double>(n)));
  CHECK(std::ranges::equal(x.grad().values(), x.values()));
  const auto pieces = split(x, 1);
  REQUIRE(static_cast<std::int64_t>(pieces.size()) == n);
  CHECK(pieces[66000].item() == 66000);
  CHECK(std::ranges::equal(cat(pieces).values(), x.values()));
}
