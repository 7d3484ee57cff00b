// Every op against the table: gradients, second gradients, float against double; that none lacks a row; and
// that a wrong vjp would be noticed.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <regex>
#include <set>
#include <sstream>

#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/loss.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include <xgrad/ops/softmax.hpp>
#include "catch.hpp"
#include "declared_functions.hpp"
#include "op_table.hpp"

using namespace xgrad;
using namespace xgrad::testing;

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> public_functions() {
  std::set<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(XGRAD_SOURCE_DIR) / "ops"))
    if (entry.path().extension() == ".hpp")
      for (const auto& name : declared_functions(read(entry.path()))) names.insert(name);
  // Operators are friends of Tensor, or beside the elementwise functions.
  const std::regex declaration(R"((?:friend Tensor|auto) (operator[^ (]+)\()");
  for (const std::string file : {"autograd/tape/tensor.hpp", "ops/elementwise.hpp"}) {
    const std::string text = read(std::filesystem::path(XGRAD_SOURCE_DIR) / file);
    for (std::sregex_iterator at(text.begin(), text.end(), declaration), end; at != end; ++at)
      names.insert((*at)[1]);
  }
  return names;
}

// `f` with another vjp: v(inputs, result, gradient) gives the gradients of the inputs.
template <Real T, class F, class V>
struct Replaced {
  static constexpr std::string_view name = "replaced";
  F f;
  V v;
  std::size_t inputs;
  Tensor<T> forward(Saver<T>& save, std::span<const Tensor<T>> x) const {
    const Tensor<T> y = f(Tensors<T>(x.begin(), x.end()));
    for (const auto& input : x) save(input);
    save(y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    Tensors<T> x;
    for (std::size_t i = 0; i < inputs; ++i) x.push_back(saved[i]);
    Gradients<T> gradients;
    for (auto& gradient : v(x, saved[inputs], g)) gradients.push_back(gradient);
    return gradients;
  }
};

template <class F, class V>
OpFunction with_vjp(F f, V v) {
  return op([=](const auto& x) {
    using T = Element<decltype(x)>;
    return apply(Replaced<T, F, V>{f, v, x.size()}, Location::current(), std::span<const Tensor<T>>(x));
  });
}

// Tells whether the row of that name passes with the right vjp and fails with each wrong one.
template <class F, class Right, class... Wrong>
void check_power(OpRow row, F f, Right right, Wrong... wrong) {
  INFO(row.name << ' ' << row.note);
  row.function = with_vjp(f, right);
  CHECK(check_row(row) == "");
  const auto fails = [&](OpFunction function) {
    row.function = std::move(function);
    return check_row(row).find("radient of tensor") != std::string::npos;
  };
  CHECK((fails(with_vjp(f, wrong)) && ...));
}

template <Real T>
Tensors<T> list(std::initializer_list<Tensor<T>> tensors) {
  return tensors;
}

// The identity, but for its gradient.
template <Real T>
struct Flip {
  static constexpr std::string_view name = "flip_gradient";
  Tensor<T> forward(const Tensor<T>& x) const { return x.clone(); }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {-g}; }
};

}  // namespace

// Each row, in double against central differences to 1e-6 of the array's largest entry: the gradient and the
// gradient of the gradient, by the inputs and by a random cotangent; with one tensor as several inputs; near
// kinks. Float against double. The same bits without recording.
TEST_CASE("every row of the table of ops holds") {
  for (const OpRow& row : op_table().rows()) {
    CHECK(check_row(row) == "");
    if (!row.no_second_order.empty())
      std::cout << row.name << ' ' << row.note << ": no gradient of the gradient: " << row.no_second_order
                << '\n';
  }
}

TEST_CASE("every row of the table of ops can be replayed, or says that it cannot") {
  std::set<std::string> refused;
  for (const OpRow& row : op_table().rows()) {
    std::string refusal;
    const std::string wrong = check_replay(row, refusal);
    INFO(row.name << ' ' << row.note << ": " << refusal);
    CHECK(wrong == "");
    if (refusal.empty()) continue;
    refused.insert(row.name);
    CHECK(refusal.find("inside the function of a Replay") != std::string::npos);
    std::cout << row.name << ' ' << row.note << ": " << refusal << '\n';
  }
  // The rows of argmax and argmin make tensors of the values; tests/replay_test.cpp replays the functions.
  CHECK(refused == std::set<std::string>{"argmax", "argmin", "cholesky", "ctc_loss", "det", "dropout", "eigh",
                                         "inv", "lstsq", "masked_select", "matrix_exp", "matrix_power",
                                         "pinv", "qr", "repeat_interleave", "slogdet", "solve",
                                         "solve_triangular", "svd"});
}

TEST_CASE("every public function of ops/ has a row, and every row a function") {
  const auto functions = public_functions();
  REQUIRE(functions.contains("tanh"));
  REQUIRE(functions.contains("operator+"));
  std::set<std::string> rows;
  for (const OpRow& row : op_table().rows()) rows.insert(row.name);
  std::set<std::string> exempt;
  for (const auto& [name, reason] : op_table().exemptions()) {
    CHECK_FALSE(reason.empty());
    exempt.insert(name);
  }
  std::vector<std::string> without_row, without_function;
  for (const auto& name : functions)
    if (!rows.contains(name) && !exempt.contains(name)) without_row.push_back(name);
  for (const auto& names : {rows, exempt})
    for (const auto& name : names)
      if (!functions.contains(name) && !name.starts_with("Tensor::")) without_function.push_back(name);
  CHECK(without_row == std::vector<std::string>{});
  CHECK(without_function == std::vector<std::string>{});
}

TEST_CASE("every row has a case with elements") {
  for (const OpRow& row : op_table().rows()) {
    INFO(row.name << ' ' << row.note);
    const auto full = [](const std::vector<Shape>& shapes) {
      return std::ranges::all_of(shapes, [](const Shape& s) { return s.elements() > 0; });
    };
    CHECK((std::ranges::any_of(row.cases, full) || !row.points.empty()));
  }
}

TEST_CASE("the scan of a header finds its public functions and nothing else") {
  const std::string header = R"(
    // int commented(int);
    #define MACRO(x) defined(x)
    namespace xgrad {
    namespace detail { int hidden(int); }
    namespace kernels { inline int loop(int x) { return inner(x); } }
    struct Options { int member(int); bool keep = false; };
    enum class Reduction { mean, sum };
    template <class X> concept Thing = requires(X x) { x.size(); };
    using Function = int (*)(int);
    inline constexpr auto object = formula("object", [](auto x) { return x; });
    template <detail::Elementwise X>
    constexpr auto one(const X& x, Location at = Location::current()) { return detail::elementwise<detail::Opcode::neg>(at, x); }
    template <class A, class B> requires detail::ElementwiseArguments<A, B>
    constexpr auto two(const A& a, const B& b, Options options = {}) { return a < b; }
    template <class A> requires(sizeof(A) > 2)
    Tensor<A> three(std::initializer_list<int> axes = {1, 2});
    std::vector<Tensor<float>> four(const Tensor<float>& x,
                                    int n);
    extern template Tensor<float> five(const Tensor<float>&);
    Tensor<float> operator+(const Options&, int);
    }
    int outside(int);
  )";
  CHECK(declared_functions(header) == std::vector<std::string>{"four", "one", "three", "two"});
}

TEST_CASE("a sign that is wrong in any gradient fails the op's row") {
  const std::set<std::string> flat = {
      "sign",       "operator>",  "operator>=", "operator<",   "operator<=", "operator==",  "operator!=",
      "argmax",     "argmin",     "one_hot",    "floor",       "ceil",       "trunc",       "round",
      "isnan",      "isinf",      "isfinite",   "logical_and", "logical_or", "logical_xor", "logical_not",
      "operator&&", "operator||", "operator!",  "any",         "all"};
  std::set<std::string> seen;
  for (OpRow row : op_table().rows()) {
    if (!seen.insert(row.name).second || flat.contains(row.name)) continue;
    const auto f = row.function;
    row.no_second_order = "the first is enough";
    row.function.twice = [f](Tensors<double> x) {
      for (auto& input : x)
        if (input.requires_grad()) input = apply(Flip<double>{}, Location::current(), input);
      return f.twice(x);
    };
    INFO(row.name << ' ' << row.note);
    CHECK(check_row(row).find("gradient of tensor 0") != std::string::npos);
  }
}

TEST_CASE("a vjp that is wrong in a term fails the op's row: elementwise") {
  check_power(
      op_table().row("tanh"), [](const auto& x) { return tanh(x[0]); },
      [](const auto&, const auto& y, const auto& g) { return list({g * (1 - y * y)}); },
      [](const auto&, const auto& y, const auto& g) { return list({g * (1 + y * y)}); },
      [](const auto&, const auto&, const auto& g) { return list({g}); });
  check_power(
      op_table().row("operator*"), [](const auto& x) { return x[0] * x[1]; },
      [](const auto& x, const auto&, const auto& g) {
        return list({g * x[1], g * x[0]});
      },
      [](const auto& x, const auto&, const auto& g) {
        return list({g * x[1], g * x[1]});
      },
      [](const auto& x, const auto&, const auto& g) { return list({g * x[1]}); });
  check_power(
      op_table().row("where"), [](const auto& x) { return where(x[0], x[1], x[2]); },
      [](const auto& x, const auto&, const auto& g) {
        return list({g * 0, where(x[0], g, 0), where(x[0], 0, g)});
      },
      [](const auto& x, const auto&, const auto& g) {
        return list({g * 0, where(x[0], g, 0), g});
      });
  // Right in the gradient, wrong in the gradient of the gradient: x stands there without its history.
  check_power(
      op_table().row("square"), [](const auto& x) { return square(x[0]); },
      [](const auto& x, const auto&, const auto& g) { return list({2 * x[0] * g}); },
      [](const auto& x, const auto&, const auto& g) { return list({2 * x[0].detach() * g}); });
}

TEST_CASE("a vjp that is wrong in a term fails the op's row: reductions") {
  check_power(
      op_table().row("mean"), [](const auto& x) { return mean(x[0]); },
      [](const auto& x, const auto&, const auto& g) {
        return list({ones_like(x[0]) * (g / x[0].elements())});
      },
      [](const auto& x, const auto&, const auto& g) { return list({ones_like(x[0]) * g}); });
  check_power(
      op_table().row("var"), [](const auto& x) { return var(x[0], {}, {.correction = 0}); },
      [](const auto& x, const auto&, const auto& g) {
        return list({(x[0] - mean(x[0])) * (2 * g / x[0].elements())});
      },
      [](const auto& x, const auto&, const auto& g) { return list({x[0] * (2 * g / x[0].elements())}); });
  check_power(
      op_table().row("amax"), [](const auto& x) { return amax(x[0]); },
      [](const auto& x, const auto& y, const auto& g) { return list({where(x[0] == y, g, 0)}); },
      [](const auto& x, const auto& y, const auto& g) { return list({where(x[0] >= y - 0.3, g, 0)}); });
  OpRow prod_row = op_table().row("prod");
  check_power(
      prod_row, [](const auto& x) { return prod(x[0]); },
      [](const auto& x, const auto& y, const auto& g) { return list({g * y / x[0]}); },
      [](const auto& x, const auto& y, const auto& g) { return list({g * y + x[0] * 0}); });
  check_power(
      op_table().row("softmax"), [](const auto& x) { return softmax(x[0], -1); },
      [](const auto&, const auto& y, const auto& g) { return list({y * (g - sum(g * y, -1, true))}); },
      [](const auto&, const auto& y, const auto& g) { return list({y * g}); },
      [](const auto&, const auto& y, const auto& g) { return list({y * (g - sum(y, -1, true))}); });
  check_power(
      op_table().row("cumsum"), [](const auto& x) { return cumsum(x[0], 0); },
      [](const auto&, const auto&, const auto& g) { return list({flip(cumsum(flip(g, {0}), 0), {0})}); },
      [](const auto&, const auto&, const auto& g) { return list({cumsum(g, 0)}); });
}

TEST_CASE("a vjp that is wrong in a term fails the op's row: products, indices, losses") {
  OpRow product = op_table().row("matmul");
  product.cases = {{{2, 3}, {3, 4}}, {{3, 3}, {3, 3}}};
  check_power(
      product, [](const auto& x) { return matmul(x[0], x[1]); },
      [](const auto& x, const auto&, const auto& g) {
        return list({matmul(g, transpose(x[1], 0, 1)), matmul(transpose(x[0], 0, 1), g)});
      },
      [](const auto& x, const auto&, const auto& g) {
        return list({matmul(g, transpose(x[1], 0, 1)), -matmul(transpose(x[0], 0, 1), g)});
      },
      [](const auto& x, const auto&, const auto& g) { return list({matmul(g, transpose(x[1], 0, 1))}); });

  OpRow rows = op_table().row("embedding");
  rows.cases = {{{4, 3}}};
  const auto twice_the_same = [] { return Indices{1, 3, 1}; };
  check_power(
      rows, [=](const auto& x) { return embedding(x[0], twice_the_same()); },
      [=](const auto& x, const auto&, const auto& g) {
        return list({matmul(transpose(one_hot<Element<decltype(x)>>(twice_the_same(), 4), 0, 1), g)});
      },
      [=](const auto& x, const auto&, const auto& g) {  // the first of two equal rows is lost
        auto places = one_hot<Element<decltype(x)>>(twice_the_same(), 4);
        places.mutable_values()[1] = 0;
        return list({matmul(transpose(places, 0, 1), g)});
      });

  OpRow loss = op_table().row("cross_entropy");
  loss.cases = {{{3, 4}}};
  const auto targets = [] { return Indices{2, 0, 3}; };
  check_power(
      loss, [=](const auto& x) { return cross_entropy(x[0], targets()); },
      [=](const auto& x, const auto&, const auto& g) {
        return list({(softmax(x[0], -1) - one_hot<Element<decltype(x)>>(targets(), 4)) * (g / 3)});
      },
      [=](const auto& x, const auto&, const auto& g) { return list({softmax(x[0], -1) * (g / 3)}); },
      [=](const auto& x, const auto&, const auto& g) {
        return list({(softmax(x[0], -1) - one_hot<Element<decltype(x)>>(targets(), 4)) * g});
      });
}
