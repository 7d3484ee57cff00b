// cat and stack: values, one buffer where the parts lie in one, where gradients lie, and errors.
#include <xgrad/ops/shape.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;
using Values = std::vector<double>;

TEST_CASE("cat joins along an axis") {
  const D a{{1, 2}, {3, 4}}, b{{5, 6}};
  CHECK(list(cat({a, b})) == Values{1, 2, 3, 4, 5, 6});
  CHECK(list(cat({a, reshape(D{7, 8}, {2, 1})}, 1)) == Values{1, 2, 7, 3, 4, 8});
  CHECK(list(cat({a, reshape(D{7, 8}, {2, 1}), a}, -1)) == Values{1, 2, 7, 1, 2, 3, 4, 8, 3, 4});
  CHECK(list(cat(std::vector<D>{a})) == list(a));
  CHECK(cat({zeros<double>({0, 2}), a}).shape() == Shape{2, 2});
  CHECK(cat({zeros<double>({2, 0}), zeros<double>({2, 0})}, 1).shape() == Shape{2, 0});
  const D x = counted({2, 3, 4}), y = counted({2, 2, 4}) * 100;
  const D z = cat({x, y}, 1);
  for (const auto& i : places(z.shape()))
    REQUIRE(at(z, i) == (i[1] < 3 ? at(x, i) : at(y, {i[0], i[1] - 3, i[2]})));

  CHECK_THROWS_AS(cat({a, D{{1, 2, 3}}}), ShapeError);
  CHECK_THROWS_WITH(
      cat({a, D{{1, 2, 3}}}),
      Contains("cat: tensor 1 has shape [1, 3] and tensor 0 [2, 2]; they may differ along axis 0 only"));
  CHECK_THROWS_WITH(
      cat({a, D{1, 2}}),
      Contains("cat: tensor 1 has shape [2] and tensor 0 [2, 2]; they must have equally many axes"));
  CHECK_THROWS_WITH(cat({a, b}, 2), Contains("cat: axis 2 of shape [2, 2]"));
  CHECK_THROWS_WITH(cat({scalar<double>(1)}), Contains("cat: axis 0 of a scalar"));
  CHECK_THROWS_AS(cat(std::vector<D>{}), ValueError);
  CHECK_THROWS_WITH(cat(std::vector<D>{}), Contains("cat: no tensors"));
  CHECK_THROWS_WITH(cat({a, D()}), Contains("cat: operand 1 is undefined"));
}

TEST_CASE("stack joins along a new axis") {
  const D a{1, 2, 3}, b{4, 5, 6};
  CHECK(stack({a, b}).shape() == Shape{2, 3});
  CHECK(list(stack({a, b})) == Values{1, 2, 3, 4, 5, 6});
  CHECK(list(stack({a, b}, 1)) == Values{1, 4, 2, 5, 3, 6});
  CHECK(list(stack({a, b}, -1)) == Values{1, 4, 2, 5, 3, 6});
  CHECK(stack({counted({2, 3}), counted({2, 3})}, 1).shape() == Shape{2, 2, 3});
  CHECK(list(stack({scalar<double>(1), scalar<double>(2)})) == Values{1, 2});
  CHECK_THROWS_AS(stack({a, D{1, 2}}), ShapeError);
  CHECK_THROWS_WITH(stack({a, D{1, 2}}),
                    Contains("stack: tensor 1 has shape [2] and tensor 0 [3]; all must have one shape"));
  CHECK_THROWS_WITH(stack({a, b}, 2),
                    Contains("stack: no place 2 for a new axis of shape [3]; places run from -2 to 1"));
  CHECK_THROWS_WITH(stack(std::vector<D>{}), Contains("stack: no tensors"));
}

TEST_CASE("gradients of cat and stack reach each part, along every axis") {
  for (const std::int64_t axis : {0, 1, 2}) {
    const D a = counted_leaf({2, 3, 4}), b = counted_leaf({2, 3, 4}), constant = counted({2, 3, 4});
    const D whole = cat({a, constant, b}, axis);
    weighted(whole).backward();
    const D g = counted(whole.shape()) + 1;
    CHECK(list(a.grad()) == list(narrow(g, axis, 0, a.size(axis))));
    CHECK(list(b.grad()) == list(narrow(g, axis, 2 * a.size(axis), a.size(axis))));
  }
  for (const std::int64_t axis : {0, 1, 2}) {
    const D a = counted_leaf({2, 3}), constant = counted({2, 3});
    const D whole = stack({a, constant, a}, axis);
    weighted(whole).backward();
    const D g = counted(whole.shape()) + 1;
    CHECK(list(a.grad()) == list(select(g, axis, 0) + select(g, axis, 2)));
  }
}

TEST_CASE("the gradients of a stack are parts of one array, not copies") {
  const D w = scalar<double>(2).set_requires_grad();
  std::vector<D> steps;
  std::vector<const double*> where(3);
  for (std::size_t t = 0; t < 3; ++t) {
    steps.push_back(w * counted({4}));
    steps[t].register_hook([&where, t](const D& g) { return where[t] = g.data(), D(); });
  }
  weighted(stack(steps)).backward();
  CHECK(where[1] == where[0] + 4);
  CHECK(where[2] == where[0] + 8);
  CHECK(w.grad().item() == Approx(0 * 15 + 1 * 18 + 2 * 21 + 3 * 24));
}

TEST_CASE("stack and cat of results that lie in one buffer are that buffer") {
  constexpr auto twice = formula("twice", [](auto x) { return x * 2; });
  const D x = counted_leaf({2, 3}), buffer = empty<double>({4, 2, 3});
  const auto steps = [&] {
    std::vector<D> list;
    for (std::int64_t t = 0; t < 4; ++t)
      list.push_back(twice.into(select(buffer, 0, t), x + static_cast<double>(t)));
    return list;
  };
  const auto pieces = steps();
  const D sequence = stack(pieces);
  CHECK(sequence.data() == buffer.data());
  CHECK(sequence.shape() == buffer.shape());
  CHECK(cat(pieces).data() == buffer.data());
  CHECK(cat(pieces).shape() == Shape{8, 3});
  CHECK(stack(std::vector<D>{pieces[1], pieces[2]}).data() == buffer.data() + 6);
  // Any other order, or axis, is a copy.
  CHECK(stack(std::vector<D>{pieces[1], pieces[0]}).data() != buffer.data() + 6);
  CHECK(stack(std::vector<D>{pieces[0], pieces[2]}).data() != buffer.data());
  CHECK(stack(pieces, 1).data() != buffer.data());
  weighted(sequence).backward();
  CHECK(list(x.grad()) == Values{2 * (1 + 7 + 13 + 19), 2 * (2 + 8 + 14 + 20), 2 * (3 + 9 + 15 + 21),
                                 2 * (4 + 10 + 16 + 22), 2 * (5 + 11 + 17 + 23), 2 * (6 + 12 + 18 + 24)});
  // A result that can be written to shares nothing.
  const no_grad scope;
  const auto plain = steps();
  D copy = stack(plain);
  CHECK(copy.data() != buffer.data());
  copy.mutable_values()[0] = -1;
  CHECK(plain[0].values()[0] != -1);
}

TEST_CASE("Indices are joined and taken apart as tensors are") {
  const Indices a{{1, 2}, {3, 4}}, b{{5, 6}};
  CHECK(equal(cat({a, b}), {{1, 2}, {3, 4}, {5, 6}}));
  CHECK(equal(cat({a, transpose(b, 0, 1)}, -1), {{1, 2, 5}, {3, 4, 6}}));
  CHECK(equal(stack({a[0], a[1], b[0]}, 1), {{1, 3, 5}, {2, 4, 6}}));
  CHECK(stack(unbind(a)).bytes() != a.bytes());
  CHECK(equal(stack(unbind(a, 1)), transpose(a, 0, 1)));
  CHECK(equal(cat(split(a, {1, 1})), a));
  CHECK(equal(cat(chunk(a, 2, 1), 1), a));
  CHECK(split(a, 1)[1].bytes() == a.bytes() + 2 * 8);
  CHECK_THROWS_WITH(cat({a, Indices{1}}), Contains("cat: tensor 1 has shape [1] and tensor 0 [2, 2]"));
  CHECK_THROWS_WITH(cat(std::vector<Indices>{}), Contains("cat: no tensors"));
}
