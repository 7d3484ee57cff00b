// Attention gives PyTorch's numbers.
#include <xgrad/ops/attention.hpp>
#include <xgrad/ops/integer.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

TEST_CASE("attention gives PyTorch's numbers") {
  ReferenceTable t("attention.safetensors");
  t.add("plain", [](const auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2]); });
  t.add("causal", [](const auto& x) {
    return scaled_dot_product_attention(x[0], x[1], x[2], {.is_causal = true, .scale = 0.3});
  });
  t.add("bool mask", [](const auto& x) {
    return scaled_dot_product_attention(x[0], x[1], x[2], {.attn_mask = to_tensor<double>(x.indices[0])});
  });
  t.add("bias",
        [](const auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2], {.attn_bias = x[3]}); });
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
