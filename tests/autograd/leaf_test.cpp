// Leaves: changed in place by hand, and found by the elements that they stand for.
#include <vector>

#include <xgrad/xgrad.hpp>

#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

TEST_CASE("leaf: the update written by hand trains", "[leaf]") {
  auto w = Tensor<double>{4, -2}.set_requires_grad();
  const std::vector<Tensor<double>> parameters{w};
  for (int step = 0; step < 60; ++step) {
    for (auto p : parameters) p.zero_grad();
    sum(square(w - 1)).backward();
    const no_grad scope;
    for (auto p : parameters) p -= 0.25 * p.grad();  // through a copy of the handle
  }
  CHECK(sum(square(w - 1)).item() < 1e-20);
  CHECK(w.requires_grad());
}

TEST_CASE("leaf: every compound assignment changes it in place under no_grad", "[leaf]") {
  auto w = Tensor<double>{1, 2}.set_requires_grad();
  auto copy = w;
  const double* const data = w.data();
  {
    const no_grad scope;
    copy += 1;
    copy *= Tensor<double>{2, 3};
    copy -= 4;
    copy /= 2;
    copy *= copy;
  }
  CHECK(list(w) == std::vector<double>{0, 6.25});
  CHECK(w.data() == data);
  CHECK(copy.node() == w.node());
}

TEST_CASE("leaf: a graph that saved it refuses to go backward after a change", "[leaf]") {
  auto w = Tensor<double>{1, 2}.set_requires_grad();
  const auto loss = sum(w * w);
  {
    const no_grad scope;
    w += 1;
  }
  CHECK_THROWS_WITH(loss.backward(), Contains("was changed in place after the op saved it"));
}

TEST_CASE("leaf: a compound assignment that would have to be recorded says what to write", "[leaf]") {
  auto w = Tensor<double>{1, 2}.set_requires_grad();
  const auto loss = sum(w * w);
  CHECK_THROWS_WITH(w -= 1, Contains("sub: a compound assignment writes over a leaf, of shape [2]") &&
                                Contains("leaf_test.cpp") && Contains("no_grad scope;") &&
                                Contains("assign()"));
  CHECK_THROWS_WITH(w /= w, Contains("div: a compound assignment"));
  CHECK(list(w) == std::vector<double>{1, 2});
  CHECK_NOTHROW(loss.backward());  // nothing was changed

  auto frozen = Tensor<double>{1, 2}.set_requires_grad().set_requires_grad(false);
  auto handle = frozen;
  handle += 1;  // nothing to record
  CHECK(list(frozen) == std::vector<double>{2, 3});
  CHECK_THROWS_AS(handle *= w, GraphError);
}

TEST_CASE("leaf: a compound assignment of another shape changes nothing", "[leaf]") {
  auto w = ones<double>({2}).set_requires_grad();
  const auto loss = sum(w * w);
  {
    const no_grad scope;
    CHECK_THROWS_AS(w += ones<double>({3}), ShapeError);
    CHECK_THROWS_WITH(w += ones<double>({3, 2}), Contains("[3, 2]") && Contains("[2]"));
  }
  CHECK(list(w) == std::vector<double>{1, 1});
  CHECK_NOTHROW(loss.backward());
}

TEST_CASE("leaf: a replayed update changes it in every run", "[leaf]") {
  auto w = Tensor<double>{8}.set_requires_grad();
  Replay step([&] {
    w.zero_grad();
    const auto loss = sum(square(w));
    loss.backward();
    const no_grad scope;
    w -= 0.25 * w.grad();
    return loss.detach();
  });
  CHECK(w.item() == 4);  // the function ran once
  CHECK(step().item() == 16);
  CHECK(step().item() == 4);
  CHECK(step().item() == 1);
  CHECK(w.item() == 0.5);
}

TEST_CASE("leaf: handles to the same elements are one leaf, whenever each became one", "[leaf]") {
  Tensor<double> a{3}, b = a;
  a.set_requires_grad();
  b.set_requires_grad();
  CHECK(a.node() == b.node());
  sum(a * b + a + b).backward();
  CHECK(a.grad().item() == 8);
  CHECK(b.grad().item() == 8);
  b.set_requires_grad(false);
  CHECK_FALSE(a.requires_grad());
}

TEST_CASE("leaf: parts of one storage are leaves of their own", "[leaf]") {
  const Tensor<double> whole{1, 2, 3, 4};
  auto first = narrow(whole, 0, 0, 2).set_requires_grad(), last = narrow(whole, 0, 2, 2).set_requires_grad();
  auto again = narrow(whole, 0, 2, 2).set_requires_grad();
  auto other_shape = reshape(narrow(whole, 0, 2, 2), {2, 1}).set_requires_grad();
  CHECK(first.node() != last.node());
  CHECK(again.node() == last.node());
  CHECK(other_shape.node() != last.node());
  CHECK_FALSE(whole.requires_grad());
}

TEST_CASE("leaf: one that no handle holds any more is not found again, and does not pile up", "[leaf]") {
  const Tensor<double> data = ones<double>({64});
  const auto live = [] { return live_counts().nodes; };
  const auto before = live();
  for (std::int64_t i = 0; i < 64; ++i) {
    auto window = narrow(data, 0, i, 1).set_requires_grad();
    CHECK_FALSE(window.grad().defined());
    sum(window * 3).backward();
    CHECK(window.grad().item() == 3);
  }
  CHECK(live() <= before + 1);
  auto again = narrow(data, 0, 63, 1).set_requires_grad();
  CHECK_FALSE(again.grad().defined());
}

TEST_CASE("leaf: its own elements as its gradient end with it", "[leaf]") {
  const LiveCounts before = live_counts();
  {
    auto w = ones<double>({8}).set_requires_grad();
    w.set_grad(w.detach());
    CHECK(list(w.grad()) == list(w));
  }
  CHECK(live_counts().nodes == before.nodes);
  CHECK(live_counts().bytes == before.bytes);
}
