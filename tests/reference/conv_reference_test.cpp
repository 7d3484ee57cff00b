// Convolutions give PyTorch's numbers.
#include <xgrad/ops/conv.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

TEST_CASE("convolutions give PyTorch's numbers") {
  ReferenceTable t("conv.safetensors");
  const auto bias = [](const ReferenceInputs& x) { return x.size() > 2 ? x[2] : Tensor<double>(); };
  const auto add = [&](const std::string& row, const ConvOptions& options, ReferenceOptions different = {}) {
    t.add(
        row, [=](const auto& x) { return conv2d(x[0], x[1], bias(x), options); }, different);
  };
  add("conv2d", {});
  add("conv2d padding", {.padding = {1, 2}},
      {.different = {
           "2: an infinite weight meets the zeros around the gradient, as it meets those around the image"}});
  add("conv2d same", {.padding = "same"});
  add("conv2d stride", {.stride = {2, 3}, .padding = 1});
  add("conv2d dilation", {.stride = 2, .padding = 2, .dilation = {2, 3}});
  add("conv2d groups", {.groups = 2});
  t.add("conv1d", [=](const auto& x) { return conv1d(x[0], x[1], bias(x)); });
  t.add("conv1d options", [=](const auto& x) {
    return conv1d(x[0], x[1], bias(x), {.stride = 2, .padding = 2, .dilation = 2, .groups = 2});
  });
  t.add("conv1d same", [=](const auto& x) { return conv1d(x[0], x[1], {}, {.padding = "same"}); });
  t.add("conv_transpose2d", [=](const auto& x) { return conv_transpose2d(x[0], x[1], bias(x)); });
  t.add("conv_transpose2d options", [=](const auto& x) {
    return conv_transpose2d(
        x[0], x[1], bias(x),
        {.stride = {2, 3}, .padding = 1, .output_padding = {1, 2}, .dilation = {1, 2}, .groups = 2});
  });
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
