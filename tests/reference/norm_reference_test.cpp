// Normalisation gives PyTorch's numbers.
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/norm.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

TEST_CASE("normalisation gives PyTorch's numbers") {
  ReferenceTable t("norm.safetensors");
  const auto input = [](const ReferenceInputs& x, std::size_t i) {
    return i < x.size() ? x[i] : Tensor<double>();
  };
  t.add("layer_norm", [=](const auto& x) { return layer_norm(x[0], {5}, input(x, 1), input(x, 2)); });
  t.add("rms_norm", [=](const auto& x) { return rms_norm(x[0], {5}, input(x, 1)); });
  t.add("layer_norm axes", [](const auto& x) { return layer_norm(x[0], {2, 3}, x[1], x[2], 1e-2); });
  t.add("group_norm", [](const auto& x) { return group_norm(x[0], 2, x[1], x[2]); });
  t.add("batch_norm training",
        [](const auto& x) { return batch_norm(x[0], {}, {}, x[1], x[2], {.training = true}); });
  t.add("batch_norm evaluation",
        [](const auto& x) { return batch_norm(x[0], x[3].detach(), exp(x[3].detach()), x[1], x[2]); });
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
