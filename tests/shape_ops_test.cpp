// Reshaping, reordering, taking apart and putting together: values, views, where gradients lie, and errors.
#include <xgrad/ops/shape.hpp>

#include <set>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/structural.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;
using Values = std::vector<double>;

namespace {

// Element (i, j, …) of x.
double at(const D& x, const std::vector<std::int64_t>& index) {
  std::int64_t offset = 0;
  for (std::size_t a = 0; a < index.size(); ++a) offset = offset * x.shape()[a] + index[a];
  return x.values()[static_cast<std::size_t>(offset)];
}

// All indices of a shape, row-major.
std::vector<std::vector<std::int64_t>> places(const Shape& shape) {
  std::vector<std::vector<std::int64_t>> result;
  for (std::int64_t n = 0; n < shape.elements(); ++n) {
    std::vector<std::int64_t> index(shape.rank());
    std::int64_t rest = n;
    for (std::size_t a = shape.rank(); a-- > 0; rest /= shape[a]) index[a] = rest % shape[a];
    result.push_back(index);
  }
  return result;
}

}  // namespace

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

  const D w = leaf({2, 3});
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

  const D w = leaf({2, 1, 2});
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
  const D w = leaf({1, 3});
  weighted(expand(w, {2, -1})).backward();
  CHECK(list(w.grad()) == Values{5, 7, 9});
  CHECK_THROWS_AS(expand(x, {3}), ShapeError);
  CHECK_THROWS_WITH(expand(x, {3}), Contains("expand: [1, 3] to [3]: fewer axes"));
  CHECK_THROWS_WITH(expand(x, {2, 4}), Contains("axis 1 has 3, and only an extent of 1 can be repeated"));
  CHECK_THROWS_WITH(expand(x, {-1, 1, 3}), Contains("extent -1 of axis 0"));
}

TEST_CASE("permute and transpose move elements to the permuted places") {
  const D x = leaf({2, 3, 4, 5});
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
  const D w = leaf({2, 2});
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
  const D w = leaf({2, 2});
  weighted(pad(w, {1, -1, 1, 0})).backward();  // rows: padded, [0 w00], [0 w10]
  CHECK(list(w.grad()) == Values{4, 0, 6, 0});
  CHECK_THROWS_AS(pad(x, {1}), ShapeError);
  CHECK_THROWS_WITH(pad(x, {1}),
                    Contains("pad: [1] around shape [2, 2]: give two numbers for each of at most 2 axes"));
  CHECK_THROWS_WITH(pad(x, {1, 1, 1, 1, 1, 1}), Contains("at most 2 axes"));
  CHECK_THROWS_WITH(pad(x, {-2, -1}), Contains("cuts more off axis 1 than its 2 elements"));
  CHECK_THROWS_WITH(pad(x, {std::int64_t{1} << 62, 0}), Contains("below 2^32"));
}

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
    const D a = leaf({2, 3, 4}), b = leaf({2, 3, 4}), constant = counted({2, 3, 4});
    const D whole = cat({a, constant, b}, axis);
    weighted(whole).backward();
    const D g = counted(whole.shape()) + 1;
    CHECK(list(a.grad()) == list(narrow(g, axis, 0, a.size(axis))));
    CHECK(list(b.grad()) == list(narrow(g, axis, 2 * a.size(axis), a.size(axis))));
  }
  for (const std::int64_t axis : {0, 1, 2}) {
    const D a = leaf({2, 3}), constant = counted({2, 3});
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
  const D x = leaf({2, 3}), buffer = empty<double>({4, 2, 3});
  const auto steps = [&] {
    std::vector<D> list;
    for (std::int64_t t = 0; t < 4; ++t)
      list.push_back(twice.into(select(buffer, 0, t), Location::current(), x + static_cast<double>(t)));
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
  // Views along the first axis, or behind extents of 1.
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
    const D x = leaf({4, 4, 4});
    auto parts = split(x, {1, 2, 1}, axis);
    (weighted(parts[0]) + weighted(parts[2] * parts[2])).backward();
    const D first = counted(parts[0].shape()) + 1, last = counted(parts[2].shape()) + 1;
    const D expected = cat({first, zeros<double>(parts[1].shape()), 2.0 * last * parts[2].detach()}, axis);
    CHECK(list(x.grad()) == list(expected));
  }
}

TEST_CASE("the gradients of unbind's parts are written into one array") {
  const D leaf_x = leaf({4, 3});
  const D x = leaf_x * 1.0;
  const D w{1, 2, 3};
  std::vector<const double*> where(4);
  const double* whole = nullptr;
  D(x).register_hook([&](const D& g) { return whole = g.data(), D(); });
  const auto parts = unbind(x);
  D loss = zeros<double>({});
  for (std::size_t t = 0; t < 4; ++t) {
    D(parts[t]).register_hook([&where, t](const D& g) { return where[t] = g.data(), D(); });
    loss = loss + weighted(parts[t] * w);
  }
  loss.backward({.retain_graph = true});
  const Values expected{1, 4, 9, 1, 4, 9, 1, 4, 9, 1, 4, 9};
  CHECK(list(leaf_x.grad()) == expected);
  for (std::size_t t = 0; t < 4; ++t) CHECK(where[t] == whole + 3 * t);
  // The array was given away with the first pass: a second one writes another.
  const D first = leaf_x.grad();
  D(leaf_x).zero_grad();
  loss.backward();
  CHECK(list(leaf_x.grad()) == expected);
  CHECK(list(first) == expected);
  CHECK(first.data() != leaf_x.grad().data());
}

TEST_CASE("unbind with parts that are used not at all, twice, or against themselves") {
  const D x = (leaf({5, 2}) + 1).detach().set_requires_grad();
  const auto parts = unbind(x);
  // part 0 unused; part 1 twice; part 2 with another partial derivative from each side; part 3 passed on as
  // it is
  const D loss = weighted(parts[1]) + weighted(parts[1] * 3) + weighted(parts[2] / parts[2]) +
                 weighted(pow(parts[4], parts[4])) + D(sum_to(parts[3], Shape{}));
  std::vector<const double*> where(5);
  for (const std::size_t t : {1u, 2u, 4u})
    D(parts[t]).register_hook([&where, t](const D& g) { return where[t] = g.data(), D(); });
  loss.backward({.retain_graph = true});
  CHECK(where[2] == where[1] + 2);
  CHECK(where[4] == where[1] + 6);
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
  const D x = leaf({3, 2});
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
  const D x = leaf({3, 2});
  const auto parts = unbind(x);
  std::vector<D> kept;
  D(parts[1]).register_hook([&](const D& g) { return kept.push_back(g), g * 10.0; });
  (weighted(parts[0] * 2) + weighted(parts[1] * 3) + D(sum_to(x, Shape{}))).backward();
  CHECK(list(x.grad()) == Values{3, 5, 31, 61, 1, 1});
  CHECK(list(kept.at(0)) == Values{3, 6});
}

TEST_CASE("gradients of gradients through split, unbind, select, slice, cat and stack") {
  const D x = (leaf({3, 2}) + 1).detach().set_requires_grad();
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
  const D x = leaf({4, 3});
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
    // Along a last axis behind others, and along a first before others.
    const auto n = static_cast<std::int64_t>(c.expected.size());
    const D behind = slice(counted({2, c.extent}), {Slice{}, c.slice}),
            before = slice(counted({c.extent, 2}), {c.slice});
    REQUIRE(behind.shape() == Shape{2, n});
    REQUIRE(before.shape() == Shape{n, 2});
    for (std::int64_t k = 0; k < n; ++k) {
      const double i = c.expected[static_cast<std::size_t>(k)];
      CHECK(at(behind, {1, k}) == static_cast<double>(c.extent) + i);
      CHECK(at(before, {k, 1}) == 2 * i + 1);
    }
  }
}

TEST_CASE("slices of several axes, their views, gradients and errors") {
  const D x = leaf({4, 5, 3});
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
  const D w = leaf({5});
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

TEST_CASE("a view follows in-place writes to its source, and backward notices") {
  D x = leaf({2, 3});
  const D row = select(x, 0, 1), y = square(row);
  x.mutable_values()[4] = 40;
  CHECK(row.values()[1] == 40);
  CHECK_THROWS_WITH(weighted(y).backward(), Contains("was changed in place"));
}
