// Graphs as text: ops, shapes, attributes, names, module paths and time steps.
#include <xgrad/autograd/tape/graph.hpp>

#include <xgrad/autograd/core/scope.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "small_stack.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

template <Real T>
struct Halves {
  static constexpr std::string_view name = "halves";
  std::string attributes() const { return "axis=\"0\""; }
  std::vector<Tensor<T>> forward(const Tensor<T>& x) const { return {x * 0.5, x * 0.5}; }
  Gradients<T> vjp(const Saved<T>&, std::span<const Tensor<T>> g) const { return {g[0] * 0.5 + g[1] * 0.5}; }
};

TEST_CASE("graph: the whole text of a small one", "[graph]") {
  auto w = ones<double>({3, 4}).set_requires_grad(), b = ones<double>({4}).set_requires_grad();
  Tensor<double> h = ones<double>({3, 4});
  {
    const named_scope model("model");
    for (int t = 0; t < 2; ++t) {
      const named_scope step("rnn", t);
      h = h * w;
    }
  }
  CHECK(to_dot(h + b, {{"rnn.weight", w}, {"rnn.cell.bias", b}}) == R"(digraph xgrad {
  rankdir=BT;
  node [shape=box, style=rounded, fontname=monospace];
  n0 [label="rnn.weight\n[3, 4]", style=filled];
  n1 [label="rnn.cell.bias\n[4]", style=filled];
  n2 [label="mul\n[3, 4]\nmodel.rnn, step 0"];
  n0 -> n2;
  n3 [label="mul\n[3, 4]\nmodel.rnn, step 1"];
  n2 -> n3;
  n0 -> n3;
  n4 [label="add\n[3, 4]\nrnn.cell"];
  n3 -> n4;
  n1 -> n4;
  out0 [label="output", shape=plaintext];
  n4 -> out0;
}
)");
}

TEST_CASE("graph: attributes, several outputs, unnamed leaves, what needs escaping", "[graph]") {
  auto x = ones<double>({2}).set_requires_grad();
  const auto parts = apply(Halves<double>{}, Location::current(), x);
  const std::string text =
      to_dot(parts[0] + parts[1] * x, {{"odd \"name\"\\", parts[0]}});  // no leaf: not used
  CHECK_THAT(text, Contains(R"([label="halves axis=\"0\"\n[2], [2]"])"));
  CHECK_THAT(text, Contains(R"([label="leaf\n[2]", style=filled])"));
  CHECK_THAT(text, Contains(R"([label="0"])") && Contains(R"([label="1"])"));
  CHECK_THAT(to_dot(x * 1, {{"odd \"name\"\\", x}}), Contains(R"(label="odd \"name\"\\\n[2]")"));
}

TEST_CASE("graph: the path that the names of an op's operands share", "[graph]") {
  auto a = ones<double>({1}).set_requires_grad(), b = ones<double>({1}).set_requires_grad();
  CHECK_THAT(to_dot(a * b, {{"net.fc.weight", a}, {"net.fc.bias", b}}), Contains(R"(mul\n[1]\nnet.fc")"));
  CHECK_THAT(to_dot(a * b, {{"net.fc.weight", a}, {"net.out.bias", b}}), Contains(R"(mul\n[1]\nnet")"));
  CHECK_THAT(to_dot(a * b, {{"fcx.weight", a}, {"fc.bias", b}}), Contains(R"(mul\n[1]"])"));
  CHECK_THAT(to_dot(a * b, {{"weight", a}, {"fc.bias", b}}), Contains(R"(mul\n[1]\nfc")"));
  const std::vector<std::pair<std::string, Tensor<double>>> named{
      {"m.w", a}};  // as named_parameters has them
  CHECK_THAT(to_dot(a * b, named), Contains(R"(mul\n[1]\nm")"));
}

TEST_CASE("graph: of several outputs, and of nothing", "[graph]") {
  auto x = ones<double>({1}).set_requires_grad();
  const std::vector<AnyTensor> outputs{x * 2, x * 3, ones<double>({1})};
  const std::string text = to_dot(outputs);
  CHECK(count(text, "label=\"leaf") == 1);
  CHECK(count(text, "label=\"mul") == 2);
  CHECK(count(text, "shape=plaintext") == 2);
  CHECK(count(to_dot(ones<double>({1})), "->") == 0);
  CHECK(count_nodes(ones<double>({1})) == 0);
  CHECK(count_nodes(x) == 1);
  CHECK(count_nodes(x * x + x) == 3);
}

TEST_CASE("graph: a deep one needs no deep stack", "[graph]") {
  std::size_t arrows = 0;
  testing::on_small_stack([&] {
    Tensor<double> y = ones<double>({1}).set_requires_grad();
    for (int i = 0; i < 20000; ++i) y = y * 1.0;
    arrows = count(to_dot(y), "->");
  });
  CHECK(arrows == 20001);
}

}  // namespace
