// Graphs a million nodes deep: built, differentiated and destroyed without recursion and in linear time.
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/graph.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "small_stack.hpp"

namespace {

using namespace xgrad;

template <Real T>
struct Halve {
  static constexpr std::string_view name = "halve";
  Tensor<T> forward(const Tensor<T>& x) const { return x * 0.5; }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {g * 0.5}; }
};

// y = x + 1 + 1 …, with struct ops, formulas and fan-out mixed in.
Tensor<double> chain(const Tensor<double>& x, std::int64_t length) {
  Tensor<double> y = x;
  for (std::int64_t i = 0; i < length; ++i) {
    switch (i % 4) {
      case 0: y = y + 1.0; break;
      case 1: y = y + y; break;
      case 2: y = apply(Halve<double>{}, Location::current(), y); break;
      default: y = maximum(y, -1e9);
    }
  }
  return y;
}

// Everything that walks a graph, over one of `length` nodes. Returns whether all came out right.
bool exercise(std::int64_t length) {
  const auto before = live_counts().nodes;
  bool right = true;
  {
    auto x = Tensor<double>{1, 2}.set_requires_grad();
    auto y = chain(x, length);
    right &= y.values()[0] == 1 + static_cast<double>((length + 3) / 4);
    right &= live_counts().nodes == before + length + 1;
    const auto [g] = grad(y, {x}, {.grad_outputs = {ones<double>({2})}, .retain_graph = true});
    right &= g.values()[0] == 1;
    y.backward(Tensor<double>{1, 3}, {.retain_graph = true});
    right &= x.grad().values()[1] == 3;
    right &= count_nodes(y) == length + 1;
    y.backward(Tensor<double>{1, 3});
    right &= x.grad().values()[1] == 6;
  }
  return right && live_counts().nodes == before;
}

TEST_CASE("deep graph: a million nodes in one chain", "[deep]") { CHECK(exercise(1'000'000)); }

TEST_CASE("deep graph: let go of without backward, by the last handle or by an exception", "[deep]") {
  const auto before = live_counts().nodes;
  { const auto y = chain(ones<double>({1}).set_requires_grad(), 1'000'000); }
  CHECK(live_counts().nodes == before);
  try {
    const auto y = chain(ones<double>({1}).set_requires_grad(), 100'000);
    throw 1;
  } catch (int) {
  }
  CHECK(live_counts().nodes == before);
}

TEST_CASE("deep graph: the recorded gradient of a long chain", "[deep]") {
  const auto before = live_counts().nodes;
  {
    auto x = full<double>({1}, 1.0).set_requires_grad();
    Tensor<double> y = x;
    for (int i = 0; i < 100'000; ++i) y = y * x;  // x^100001
    const auto [g] = grad(y, {x}, {.create_graph = true});
    CHECK(g.item() == 100'001);
    const auto [h] = grad(g, {x});
    CHECK(h.item() == Approx(100'001. * 100'000.));
  }
  CHECK(live_counts().nodes == before);
}

TEST_CASE("deep graph: on a thread with a stack of 64 KiB", "[deep]") {
  bool done = false;
  testing::on_small_stack([&] { done = exercise(20'000); });
  CHECK(done);
}

// y = x, counting how often backward comes by.
struct Counted {
  static constexpr std::string_view name = "counted";
  int* visits;
  Tensor<double> forward(const Tensor<double>& x) const { return x.clone(); }
  Gradients<double> vjp(const Saved<double>&, const Tensor<double>& g) const {
    ++*visits;
    return {g};
  }
};

TEST_CASE("deep graph: the cost is linear in the number of nodes, also with shared sub-graphs", "[deep]") {
  const int length = 20'000;  // of a ladder, which has 2^length ways down
  int visits = 0;
  const auto before = live_counts().nodes;
  auto x = ones<double>({1}).set_requires_grad();
  Tensor<double> a = x, b = x * 1.0;
  for (int i = 0; i < length; ++i) {
    const Tensor<double> next = apply(Counted{&visits}, Location::current(), (a + b) * 0.5);
    a = std::exchange(b, next);
  }
  CHECK(live_counts().nodes - before == 3 * length + 2);
  const auto [g] = grad(b, {x}, {.retain_graph = true});
  CHECK(g.item() == Approx(1));
  CHECK(visits == length);
  b.backward();
  CHECK(visits == 2 * length);
}

}  // namespace
