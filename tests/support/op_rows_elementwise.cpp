// Rows of the table of ops: elementwise functions and operators.
#include <cmath>

#include <xgrad/ops/activation.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

const std::vector<std::vector<Shape>> one_input = {{{2, 3}}, {{33}}, {{3, 0, 2}}, {{1, 1}}, {{}}};

// Every way to broadcast two operands: rows, columns, both at once, scalars, inner axes, nothing at all.
const std::vector<std::vector<Shape>> two_inputs = {
    {{2, 3}, {2, 3}},    {{2, 3}, {3}}, {{2, 3}, {2, 1}}, {{3, 1}, {1, 4}},
    {{2, 3}, {}},        {{}, {2, 2}},  {{1}, {5}},       {{2, 1, 3}, {4, 1}},
    {{2, 3, 2}, {3, 1}}, {{0, 3}, {3}}, {{0}, {1}},       {{2, 0}, {2, 1}}};

template <class F>
void add_unary(OpTable& table, const std::string& name, F f, Domain domain = {}) {
  table.add({.name = name,
             .function = op([f](const auto& x) { return f(x[0]); }),
             .cases = one_input,
             .domains = {domain}});
}

template <class F>
void add_binary(OpTable& table, const std::string& name, F f, Domain a = {}, Domain b = {},
                std::vector<std::vector<std::vector<double>>> points = {}) {
  table.add({.name = name,
             .function = op([f](const auto& x) { return f(x[0], x[1]); }),
             .cases = two_inputs,
             .domains = {a, b},
             .points = std::move(points)});
  // A number on either side.
  const Shape shape{2, 3};
  table.add({.name = name,
             .note = "with a number on the right",
             .function = op([f](const auto& x) { return f(x[0], 1.72); }),
             .cases = {{shape}},
             .domains = {a}});
  table.add({.name = name,
             .note = "with a number on the left",
             .function = op([f](const auto& x) { return f(1.72, x[0]); }),
             .cases = {{shape}},
             .domains = {b}});
}

// Operands without ties: of one operand multiples of 0.1, of the other those and a half.
void to_tenths(const Shape&, std::span<double> values) {
  for (double& v : values) v = std::round(v * 10) / 10;
}
void between_tenths(const Shape&, std::span<double> values) {
  for (double& v : values) v = (std::floor(v * 10) + 0.5) / 10;
}
const Domain tenths{.adjust = to_tenths}, halves{.adjust = between_tenths};

// Pairs 0.001 to either side of a tie, and well away from one.
const std::vector<std::vector<std::vector<double>>> near_ties = {
    {{0.5, 0.5, -1, 2, 1.75}, {0.501, 0.499, 1, -2, 1.5}}};

void add_functions(OpTable& table) {
  add_unary(table, "neg", [](const auto& x) { return neg(x); });
  add_unary(table, "abs", [](const auto& x) { return abs(x); }, {.kinks = {0}});
  add_unary(table, "sign", [](const auto& x) { return sign(x); }, {.kinks = {0}});
  add_unary(table, "square", [](const auto& x) { return square(x); });
  add_unary(table, "sqrt", [](const auto& x) { return sqrt(x); }, {.low = 0.1, .high = 4});
  add_unary(table, "rsqrt", [](const auto& x) { return rsqrt(x); }, {.low = 0.2, .high = 4});
  add_unary(table, "reciprocal", [](const auto& x) { return reciprocal(x); }, {.low = -3, .high = -0.3});
  add_unary(table, "exp", [](const auto& x) { return exp(x); });
  add_unary(table, "expm1", [](const auto& x) { return expm1(x); });
  add_unary(table, "log", [](const auto& x) { return log(x); }, {.low = 0.2, .high = 4});
  add_unary(table, "log1p", [](const auto& x) { return log1p(x); }, {.low = -0.7, .high = 3});
  add_unary(table, "sin", [](const auto& x) { return sin(x); }, {.low = -7, .high = 7});
  add_unary(table, "cos", [](const auto& x) { return cos(x); }, {.low = -7, .high = 7});
  add_unary(table, "tan", [](const auto& x) { return tan(x); }, {.low = -1.1, .high = 1.1});
  add_unary(table, "asin", [](const auto& x) { return asin(x); }, {.low = -0.8, .high = 0.8});
  add_unary(table, "acos", [](const auto& x) { return acos(x); }, {.low = -0.8, .high = 0.8});
  add_unary(table, "atan", [](const auto& x) { return atan(x); }, {.low = -4, .high = 4});
  add_unary(table, "sinh", [](const auto& x) { return sinh(x); });
  add_unary(table, "cosh", [](const auto& x) { return cosh(x); });
  add_unary(table, "tanh", [](const auto& x) { return tanh(x); }, {.low = -4, .high = 4});
  add_unary(table, "sigmoid", [](const auto& x) { return sigmoid(x); }, {.low = -4, .high = 4});
  add_unary(table, "softplus", [](const auto& x) { return softplus(x); }, {.low = -8, .high = 8});
  add_unary(table, "erf", [](const auto& x) { return erf(x); });
  add_unary(table, "erfc", [](const auto& x) { return erfc(x); });
  add_unary(table, "entr", [](const auto& x) { return entr(x); }, {.low = 0.2, .high = 3});
  add_unary(table, "relu", [](const auto& x) { return relu(x); }, {.kinks = {0}});
  add_unary(table, "leaky_relu", [](const auto& x) { return leaky_relu(x, 0.1); }, {.kinks = {0}});
  add_unary(table, "elu", [](const auto& x) { return elu(x, 1.5); }, {.kinks = {0}});
  add_unary(table, "gelu", [](const auto& x) { return gelu(x); }, {.low = -4, .high = 4});
  add_unary(table, "gelu_tanh", [](const auto& x) { return gelu_tanh(x); }, {.low = -4, .high = 4});
  add_unary(table, "silu", [](const auto& x) { return silu(x); }, {.low = -6, .high = 6});
  add_unary(table, "clamp", [](const auto& x) { return clamp(x, -0.5, 1); }, {.kinks = {-0.5, 1}});

  add_binary(table, "pow", [](const auto& a, const auto& b) { return pow(a, b); }, {.low = 0.3, .high = 3});
  add_binary(table, "xlogy", [](const auto& a, const auto& b) { return xlogy(a, b); },
             {.low = 0.3, .high = 3}, {.low = 0.4, .high = 3});
  add_binary(table, "atan2", [](const auto& a, const auto& b) { return atan2(a, b); }, {.low = 0.3},
             {.low = 0.4});
  add_binary(
      table, "maximum", [](const auto& a, const auto& b) { return maximum(a, b); }, tenths, halves,
      near_ties);
  add_binary(
      table, "minimum", [](const auto& a, const auto& b) { return minimum(a, b); }, tenths, halves,
      near_ties);

  const Domain condition{.constant = true, .adjust = [](const Shape&, std::span<double> values) {
                           for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 3 == 0;
                         }};
  table.add({.name = "where",
             .function = op([](const auto& x) { return where(x[0], x[1], x[2]); }),
             .cases = {{{2, 3}, {2, 3}, {2, 3}},
                       {{2, 1}, {3}, {2, 3}},
                       {{3}, {}, {2, 1}},
                       {{0, 2}, {2}, {1, 1}},
                       {{4}, {4}, {}}},
             .domains = {condition, {}}});
  table.add({.name = "where",
             .note = "on a comparison, one tensor as all inputs",
             .function = op([](const auto& x) { return where(x[0] > 0, x[0], x[0] * x[0]); }),
             .cases = {{{2, 5}}},
             .domains = {{.kinks = {0}}}});
  table.add({.name = "where",
             .note = "of numbers",
             .function = op([](const auto& x) { return where(x[0] > x[1], x[1], 3.0); }),
             .cases = {{{3, 1}, {4}}},
             .domains = {{.low = 0, .high = 1}, {.low = 0.3, .high = 0.4}}});
}

void add_more_functions(OpTable& table) {
  add_unary(table, "log2", [](const auto& x) { return log2(x); }, {.low = 0.2, .high = 4});
  add_unary(table, "log10", [](const auto& x) { return log10(x); }, {.low = 0.2, .high = 4});
  add_unary(table, "exp2", [](const auto& x) { return exp2(x); });
  add_unary(table, "asinh", [](const auto& x) { return asinh(x); }, {.low = -4, .high = 4});
  add_unary(table, "acosh", [](const auto& x) { return acosh(x); }, {.low = 1.3, .high = 4});
  add_unary(table, "atanh", [](const auto& x) { return atanh(x); }, {.low = -0.8, .high = 0.8});
  add_unary(table, "erfinv", [](const auto& x) { return erfinv(x); }, {.low = -0.8, .high = 0.8});
  add_unary(table, "lgamma", [](const auto& x) { return lgamma(x); }, {.low = 0.4, .high = 4});
  add_unary(table, "digamma", [](const auto& x) { return digamma(x); }, {.low = -0.8, .high = -0.2});
  add_unary(table, "polygamma", [](const auto& x) { return polygamma(2, x); }, {.low = 0.5, .high = 4});
  const std::vector<double> whole{-2, -1, 0, 1, 2};
  add_unary(table, "floor", [](const auto& x) { return floor(x); }, {.kinks = whole});
  add_unary(table, "ceil", [](const auto& x) { return ceil(x); }, {.kinks = whole});
  add_unary(table, "trunc", [](const auto& x) { return trunc(x); }, {.kinks = whole});
  add_unary(table, "round", [](const auto& x) { return round(x); }, {.kinks = {-1.5, -0.5, 0.5, 1.5}});
  add_unary(table, "isnan", [](const auto& x) { return isnan(x); });
  add_unary(table, "isinf", [](const auto& x) { return isinf(1 / where(x > 0, 0, x)); }, {.kinks = {0}});
  add_unary(table, "isfinite", [](const auto& x) { return isfinite(1 / where(x > 0, 0, x)); },
            {.kinks = {0}});
  add_binary(table, "logaddexp", [](const auto& a, const auto& b) { return logaddexp(a, b); });
  add_binary(table, "hypot", [](const auto& a, const auto& b) { return hypot(a, b); }, {.low = 0.3},
             {.low = 0.3});
  add_binary(table, "fmod", [](const auto& a, const auto& b) { return fmod(a, b); },
             {.low = 3.7, .high = 4.3}, {.low = -1.8, .high = -1.5});
  add_binary(table, "remainder", [](const auto& a, const auto& b) { return remainder(a, b); },
             {.low = 3.7, .high = 4.3}, {.low = -1.8, .high = -1.5});
  table.add({.name = "clamp",
             .note = "by tensors",
             .function = op([](const auto& x) { return clamp(x[0], x[1], x[2]); }),
             .cases = {{{2, 9}, {9}, {2, 1}}, {{0, 3}, {3}, {}}},
             .domains = {{.adjust = to_tenths},
                         {.low = -1.5, .high = -0.5, .adjust = between_tenths},
                         {.low = 0.5, .high = 1.5, .adjust = between_tenths}},
             .same_input = false});
  add_binary(
      table, "clamp_min", [](const auto& a, const auto& b) { return clamp_min(a, b); }, tenths, halves);
  add_binary(
      table, "clamp_max", [](const auto& a, const auto& b) { return clamp_max(a, b); }, tenths, halves);
}

void add_logic(OpTable& table) {
  const auto masks = [&]<class F>(const std::string& name, F f) {
    add_binary(table, name, [f](const auto& a, const auto& b) { return f(a > 0.5, b); }, {.kinks = {0.5}},
               {.constant = true});
  };
  masks("logical_and", [](const auto& a, const auto& b) { return logical_and(a, b); });
  masks("logical_or", [](const auto& a, const auto& b) { return logical_or(a, b); });
  masks("logical_xor", [](const auto& a, const auto& b) { return logical_xor(a, b); });
  masks("operator&&", [](const auto& a, const auto& b) { return a && b; });
  masks("operator||", [](const auto& a, const auto& b) { return a || b; });
  add_unary(table, "logical_not", [](const auto& x) { return logical_not(x > 0); }, {.kinks = {0}});
  add_unary(table, "operator!", [](const auto& x) { return !(x > 0); }, {.kinks = {0}});
}

void add_activations(OpTable& table) {
  add_unary(table, "logsigmoid", [](const auto& x) { return logsigmoid(x); }, {.low = -8, .high = 8});
  add_unary(table, "hardtanh", [](const auto& x) { return hardtanh(x); }, {.kinks = {-1, 1}});
  add_unary(table, "relu6", [](const auto& x) { return relu6(x); }, {.low = -2, .high = 8, .kinks = {0, 6}});
  add_unary(table, "hardsigmoid", [](const auto& x) { return hardsigmoid(x); },
            {.low = -5, .high = 5, .kinks = {-3, 3}});
  add_unary(table, "hardswish", [](const auto& x) { return hardswish(x); },
            {.low = -5, .high = 5, .kinks = {-3, 3}});
  add_unary(table, "selu", [](const auto& x) { return selu(x); }, {.kinks = {0}});
  add_unary(table, "celu", [](const auto& x) { return celu(x, 1.5); }, {.kinks = {0}});
  add_unary(table, "mish", [](const auto& x) { return mish(x); }, {.low = -4, .high = 4});
  add_unary(table, "softsign", [](const auto& x) { return softsign(x); }, {.kinks = {0}});
  add_unary(table, "tanhshrink", [](const auto& x) { return tanhshrink(x); }, {.low = 0.5, .high = 3});
  add_unary(table, "hardshrink", [](const auto& x) { return hardshrink(x); }, {.kinks = {-0.5, 0.5}});
  add_unary(table, "softshrink", [](const auto& x) { return softshrink(x); }, {.kinks = {-0.5, 0.5}});
  add_unary(table, "threshold", [](const auto& x) { return threshold(x, 0.1, 20); }, {.kinks = {0.1}});
  table.add({.name = "glu",
             .function = op([](const auto& x) { return glu(x[0]); }),
             .cases = {{{3, 4}}, {{2}}, {{0, 2}}, {{3, 0}}}});
  table.add({.name = "glu",
             .note = "along the first axis",
             .function = op([](const auto& x) { return glu(x[0], 0); }),
             .cases = {{{4, 3}}}});
  table.add({.name = "prelu",
             .function = op([](const auto& x) { return prelu(x[0], x[1]); }),
             .cases = {{{2, 3}, {3}}, {{2, 3, 2}, {3}}, {{4}, {1}}, {{2, 3}, {}}, {{0, 3}, {3}}},
             .domains = {{.kinks = {0}}, {}},
             .same_input = false});
}

void add_operators(OpTable& table) {
  const Domain divisor{.low = 0.4, .high = 3};
  add_binary(table, "operator+", [](const auto& a, const auto& b) { return a + b; });
  add_binary(table, "operator-", [](const auto& a, const auto& b) { return a - b; });
  add_binary(table, "operator*", [](const auto& a, const auto& b) { return a * b; });
  add_binary(
      table, "operator/", [](const auto& a, const auto& b) { return a / b; }, divisor, divisor);
  add_unary(table, "operator-", [](const auto& x) { return -x; });
  add_binary(
      table, "operator>", [](const auto& a, const auto& b) { return a > b; }, tenths, halves, near_ties);
  add_binary(
      table, "operator>=", [](const auto& a, const auto& b) { return a >= b; }, tenths, halves, near_ties);
  add_binary(
      table, "operator<", [](const auto& a, const auto& b) { return a < b; }, tenths, halves, near_ties);
  add_binary(
      table, "operator<=", [](const auto& a, const auto& b) { return a <= b; }, tenths, halves, near_ties);
  add_binary(
      table, "operator==", [](const auto& a, const auto& b) { return a == b; }, tenths, halves, near_ties);
  add_binary(
      table, "operator!=", [](const auto& a, const auto& b) { return a != b; }, tenths, halves, near_ties);
  table.add({.name = "operator*",
             .note = "whose operands die",
             .function = op([](const auto& x) { return (x[0] + 1) * (x[1] - 2) * 3; }),
             .cases = {{{2, 3}, {2, 3}}, {{2, 3}, {3}}}});
  table.add({.name = "operator/",
             .note = "by itself, sharing a subexpression",
             .function = op([](const auto& x) {
               const auto y = x[0] * x[1];
               return y / (y + 4);
             }),
             .cases = {{{2, 3}, {2, 3}}, {{3}, {2, 1}}},
             .domains = {{.low = 0.5, .high = 2}}});
}

void add_members(OpTable& table) {
  add_unary(table, "Tensor::clone", [](const auto& x) { return x.clone(); });
  table.add({.name = "Tensor::to",
             .function = op([](const auto& x) {
               using T = Element<decltype(x)>;
               return x[0].template to<double>().template to<T>();
             }),
             .cases = one_input});
}

}  // namespace

void add_elementwise_rows(OpTable& table) {
  add_functions(table);
  add_more_functions(table);
  add_logic(table);
  add_activations(table);
  add_operators(table);
  add_members(table);
}

}  // namespace xgrad::testing
