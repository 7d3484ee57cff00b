// Ops of one's own as structs: what they save and return, and mistakes in their vjp.
#include <xgrad/autograd/tape/op.hpp>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"
#include "struct_ops.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

using Vector = std::vector<double>;

TEST_CASE("struct op: returns what it was given, gives too few or wrong gradients", "[op]") {
  auto x = leaf({1, 2});
  const auto y = pass(x);
  CHECK(y.op_name() == "pass");
  CHECK(x.is_leaf());
  y.backward(ones<double>({2}));
  CHECK(list(x.grad()) == Vector{1, 1});
  CHECK_THROWS_WITH(pass(Tensor<double>()), StartsWith("pass: operand 0 is undefined"));
}

// The product of its inputs, both of which it keeps.
template <Real T>
struct KeepsBoth {
  static constexpr std::string_view name = "keeps_both";
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x, const Tensor<T>& y) const {
    save(x), save(y);
    return x * y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const { return {g * saved[1], g * saved[0]}; }
};

TEST_CASE("grad: a saved input comes back with its own history, not that of its detached copy", "[op]") {
  const auto x = leaf({3});
  const auto second = [&](const Tensor<double>& a, const Tensor<double>& b) {
    const auto y = apply(KeepsBoth<double>{}, Location::current(), a, b);
    const auto first = grad(y, x, {.create_graph = true});
    CHECK(first.item() == (a.requires_grad() && b.requires_grad() ? 6 : 3));
    return first.requires_grad() ? grad(first, x, {.allow_unused = true}) : Tensor<double>();
  };
  CHECK(second(x, x).item() == 2);
  CHECK_FALSE(second(x, x.detach()).defined());
  CHECK_FALSE(second(x.detach(), x).defined());
}

// x * x, with a vjp that is a loop.
template <Real T>
struct SquareByLoops {
  static constexpr std::string_view name = "square_by_loops";
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    save(x);
    Tensor<T> y = empty_like(x);
    for (std::size_t i = 0; i < x.values().size(); ++i) y.mutable_values()[i] = x.values()[i] * x.values()[i];
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> x = saved[0];
    Tensor<T> result = empty_like(x);
    for (std::size_t i = 0; i < x.values().size(); ++i)
      result.mutable_values()[i] = 2 * x.values()[i] * g.values()[i];
    return {result};
  }
};

// Its argument reversed: linear, so that only the gradient is read.
template <Real T>
struct ReversedByLoops {
  static constexpr std::string_view name = "reversed_by_loops";
  Tensor<T> forward(const Tensor<T>& x) const {
    Tensor<T> y = empty_like(x);
    std::ranges::reverse_copy(x.values(), y.mutable_values().begin());
    return y;
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {forward(g)}; }
};

TEST_CASE("struct op: a vjp that is a loop has first derivatives, and says that it has no second", "[op]") {
  const auto squared = [](const Tensor<double>& x) {
    return apply(SquareByLoops<double>{}, Location::current(), x);
  };
  auto x = leaf({0, 3});
  sum(squared(x)).backward();
  CHECK(list(x.grad()) == Vector{0, 6});
  CHECK_THROWS_AS(grad(sum(squared(x)), x, {.create_graph = true}), GraphError);
  CHECK_THROWS_WITH(grad(sum(squared(x)), x, {.create_graph = true}),
                    Contains("backward of 'square_by_loops' under create_graph") &&
                        Contains("for input 0 that was not recorded") && Contains("op_test.cpp"));
  const auto reversed = [](const Tensor<double>& y) {
    return apply(ReversedByLoops<double>{}, Location::current(), y);
  };
  CHECK(list(grad(sum(reversed(x)), x, {.create_graph = true})) ==
        Vector{1, 1});  // of which there is nothing more
  CHECK_THROWS_WITH(grad(sum(square(reversed(x))), x, {.create_graph = true}), Contains("reversed_by_loops"));
}

template <Real T>
struct WrongShape {
  static constexpr std::string_view name = "wrong_shape";
  Tensor<T> forward(const Tensor<T>& x, const Tensor<T>&) const { return x.clone(); }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>&) const { return {ones<T>({5}), Gradient<T>()}; }
};

template <Real T>
struct Broadcasts {
  static constexpr std::string_view name = "broadcasts";
  Tensor<T> forward(const Tensor<T>& x, const Tensor<T>& row) const { return x + row; }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    CHECK_FALSE(saved.needs(0));
    CHECK(saved.shape(1) == Shape{2});
    return {Gradient<T>(), g};
  }
};

// What is left out, and more than there is.
template <Real T>
struct Careless {
  static constexpr std::string_view name = "careless";
  int mistake;
  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    save(Tensor<T>()), save(x);
    return x * 2;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    if (mistake == 1) return {g, g};
    if (mistake == 2) return {g * saved[5]};
    if (mistake == 3 && saved.needs(9)) return {g};
    if (mistake == 4) return {ones<T>(saved.shape(9))};
    CHECK_FALSE(saved[0].defined());
    CHECK(saved[1].defined());
    return {g * 2};
  }
};

TEST_CASE("struct op: mistakes in its vjp are errors that name it, and an undefined tensor can be saved",
          "[op]") {
  auto x = leaf({1, 2});
  const auto pass_back = [&](int mistake) {
    apply(Careless<double>{mistake}, Location::current(), x).backward(ones<double>({2}));
  };
  CHECK_THROWS_WITH(
      pass_back(1),
      Contains(
          "backward of 'careless': its vjp gave 2 gradients, and the op has 1 input; return one for each"));
  CHECK_THROWS_WITH(pass_back(2),
                    Contains("backward of 'careless': its vjp asks for saved tensor 5, and forward saved 2"));
  CHECK_THROWS_WITH(pass_back(3), Contains("backward of 'careless': needs(9) of an op with 1 input"));
  CHECK_THROWS_WITH(pass_back(4), Contains("backward of 'careless': shape(9) of an op with 1 input"));
  for (int mistake = 1; mistake <= 4; ++mistake) CHECK_THROWS_AS(pass_back(mistake), GraphError);
  CHECK_FALSE(x.grad().defined());
  pass_back(0);
  CHECK(list(x.grad()) == Vector{2, 2});
  const auto y = apply(Careless<double>{0}, Location::current(), x);
  CHECK(list(grad(y, x, {.grad_outputs = {ones<double>({2})}, .create_graph = true})) == Vector{2, 2});
}

TEST_CASE("struct op: the engine sums a broadcast gradient, and names a shape that fits no input", "[op]") {
  auto row = leaf({1, 2});
  const auto here = Location::current();
  apply(Broadcasts<double>{}, here, zeros<double>({3, 2}), row).backward(ones<double>({3, 2}));
  CHECK(list(row.grad()) == Vector{3, 3});
  CHECK_THROWS_WITH(
      apply(WrongShape<double>{}, here, row, row).backward(ones<double>({2})),
      Contains("wrong_shape: its vjp gave a gradient of shape [5] for input 0, which has shape [2]"));
}

template <Real T>
struct Split {  // x -> 2x, 3x
  static constexpr std::string_view name = "split";
  std::vector<Tensor<T>> forward(const Tensor<T>& x) const { return {x * 2, x * 3}; }
  Gradients<T> vjp(const Saved<T>& saved, std::span<const Tensor<T>> g) const {
    Tensor<T> sum = zeros<T>(saved.shape(0));
    if (g[0].defined()) sum = sum + g[0] * 2;
    if (g[1].defined()) sum = sum + g[1] * 3;
    return {sum};
  }
};

template <Real T>
struct SumOfList {
  static constexpr std::string_view name = "sum_of_list";
  std::int64_t count;
  Tensor<T> forward(std::span<const Tensor<T>> list) const {
    Tensor<T> sum = list[0].clone();
    for (const auto& x : list.subspan(1)) sum = sum + x;
    return sum;
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    Gradients<T> result;
    for (std::int64_t i = 0; i < count; ++i) result.push_back(Gradient<T>(g));
    return result;
  }
};

TEST_CASE("struct op: several outputs, of which some are used", "[op]") {
  auto x = leaf({1, 2});
  const auto here = Location::current();
  const auto parts = apply(Split<double>{}, here, x);
  (parts[1] * 10).backward(ones<double>({2}), {.retain_graph = true});
  CHECK(list(x.grad()) == Vector{30, 30});
  x.zero_grad();
  (parts[0] + parts[1]).backward(ones<double>({2}), {.retain_graph = true});
  CHECK(list(x.grad()) == Vector{5, 5});
  const auto g = grad(std::vector{parts[0] * 1}, std::vector{parts[1], x},
                      {.grad_outputs = {ones<double>({2})}, .allow_unused = true});
  CHECK_FALSE(g[0].defined());
  CHECK(list(g[1]) == Vector{2, 2});
}

template <Real T>
struct Unpack {  // x of n elements -> n scalars
  static constexpr std::string_view name = "unpack";
  std::vector<Tensor<T>> forward(const Tensor<T>& x) const {
    std::vector<Tensor<T>> parts;
    for (std::int64_t i = 0; i < x.elements(); ++i) parts.push_back(Tensor<T>(x.part({}, i)));
    return parts;
  }
  Gradients<T> vjp(const Saved<T>& saved, std::span<const Tensor<T>> g) const {
    Tensor<T> sum = zeros<T>(saved.shape(0));
    auto values = sum.mutable_values();
    for (std::size_t i = 0; i < g.size(); ++i)
      if (g[i].defined()) values[i] = g[i].item();
    return {sum};
  }
};

TEST_CASE("struct op: very many inputs and outputs", "[op]") {
  const std::int64_t many = 70000;  // more than 16 bits count
  auto x = zeros<double>({many}).set_requires_grad();
  const auto parts = apply(Unpack<double>{}, Location::current(), x);
  const SumOfList<double> op{.count = many};
  const auto sum = apply(op, Location::current(), std::span<const Tensor<double>>(parts)) + parts.back() * 2;
  const auto [last] = grad(sum, {parts.back()}, {.retain_graph = true});
  CHECK(last.item() == 3);
  sum.backward();
  CHECK(x.grad().values().front() == 1);
  CHECK(x.grad().values()[4464] == 1);
  CHECK(x.grad().values().back() == 3);
}

}  // namespace
