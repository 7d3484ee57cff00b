// Rows of the table of ops: attention.
#include <xgrad/ops/attention.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

namespace {

// 0 and 1, and a first query that sees nothing.
template <Real T>
Tensor<T> some_mask(const Shape& shape) {
  std::vector<T> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = i >= static_cast<std::size_t>(shape.back()) && i * 5 % 7 > 1 ? T(1) : T(0);
  return from_values<T>(shape, values);
}

}  // namespace

void add_attention_rows(OpTable& table) {
  const auto add = [&](const std::string& note, auto function, std::vector<std::vector<Shape>> cases,
                       std::vector<Domain> domains = {{}}) {
    table.add({.name = "scaled_dot_product_attention",
               .note = note,
               .function = op(function),
               .cases = std::move(cases),
               .domains = std::move(domains)});
  };
  add("plain", [](const auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2]); },
      {{{3, 2}, {3, 2}, {3, 2}},
       {{2, 2, 3}, {2, 4, 3}, {2, 4, 2}},
       {{1, 2, 2, 3}, {1, 2, 3, 3}, {1, 2, 3, 1}},
       {{0, 2}, {3, 2}, {3, 2}},
       {{2, 0, 2}, {2, 3, 2}, {2, 3, 1}}});
  add("causal, scaled",
      [](const auto& x) {
        return scaled_dot_product_attention(x[0], x[1], x[2], {.is_causal = true, .scale = 0.5});
      },
      {{{4, 2}, {4, 2}, {4, 2}}, {{2, 4, 2}, {2, 3, 2}, {2, 3, 1}}, {{2, 3}, {5, 3}, {5, 2}}});
  add("masked",
      [](const auto& x) {
        using T = Element<decltype(x)>;
        return scaled_dot_product_attention(x[0], x[1], x[2],
                                            {.attn_mask = some_mask<T>({x[0].size(-2), x[1].size(-2)})});
      },
      {{{2, 3, 2}, {2, 4, 2}, {2, 4, 2}}});
  add("masked, by batch",
      [](const auto& x) {
        using T = Element<decltype(x)>;
        return scaled_dot_product_attention(x[0], x[1], x[2],
                                            {.attn_mask = some_mask<T>({x[0].size(0), 1, x[1].size(-2)})});
      },
      {{{2, 3, 2}, {2, 4, 2}, {2, 4, 2}}});
  add("a bias with a gradient",
      [](const auto& x) {
        return scaled_dot_product_attention(x[0], x[1], x[2], {.attn_bias = x[3], .is_causal = true});
      },
      {{{2, 3, 2}, {2, 3, 2}, {2, 3, 2}, {3, 3}}, {{2, 3, 2}, {2, 3, 2}, {2, 3, 2}, {2, 1, 3}}});
  add("a constant bias",
      [](const auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2], {.attn_bias = x[3]}); },
      {{{2, 3, 2}, {2, 3, 2}, {2, 3, 2}, {3, 3}}}, {{}, {}, {}, {.constant = true}});
  // Several blocks of queries.
  table.add({.name = "scaled_dot_product_attention",
             .note = "large",
             .function = op([](const auto& x) {
               return scaled_dot_product_attention(x[0], x[1], x[1], {.is_causal = true});
             }),
             .cases = {{{40, 2}, {1500, 2}}},
             .same_input = false,
             .no_second_order = "there are too many elements"});
}

}  // namespace xgrad::testing
