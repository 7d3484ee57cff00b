// Pooling and resizing give PyTorch's numbers.
#include <xgrad/ops/pool.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

TEST_CASE("pooling and resizing give PyTorch's numbers") {
  ReferenceTable t("pool.safetensors");
  const auto largest = [&](const std::string& row, Size2 window, const MaxPoolOptions& options) {
    t.add(row, [=](const auto& x) {
      auto [y, places] = max_pool2d_with_indices(x[0], window, options);
      return ReferenceResult(Tensors<double>{y}, {places});
    });
  };
  largest("max_pool2d", 2, {});
  largest("max_pool2d options", {3, 2}, {.stride = {2, 1}, .padding = {1, 0}, .dilation = {1, 2}});
  largest("max_pool2d ceil", 2, {.stride = 2, .padding = 1, .ceil_mode = true});
  t.add("max_pool1d", [](const auto& x) { return max_pool1d(x[0], 3, {.stride = 2, .padding = 1}); });
  const auto means = [&](const std::string& row, Size2 window, const AvgPoolOptions& options) {
    t.add(row, [=](const auto& x) { return avg_pool2d(x[0], window, options); });
  };
  means("avg_pool2d", 2, {});
  means("avg_pool2d ceil", 3, {.stride = 2, .padding = 1, .ceil_mode = true});
  means("avg_pool2d not counted", {2, 3},
        {.stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false});
  means("avg_pool2d divisor", 2, {.divisor = 3});
  t.add("avg_pool1d", [](const auto& x) { return avg_pool1d(x[0], 3, {.stride = 2, .padding = 1}); });
  t.add("adaptive_avg_pool2d", [](const auto& x) { return adaptive_avg_pool2d(x[0], {2, 4}); });
  const auto resized = [&](const std::string& row, const InterpolateOptions& options) {
    t.add(row, [=](const auto& x) { return interpolate(x[0], options); });
  };
  resized("nearest size", {.size = {7, 4}});
  t.add("nearest factor",
        [](const auto& x) { return interpolate(x[0], {.scale_factor = x[0].rank() == 4 ? 2.5 : 0.5}); });
  resized("bilinear size", {.size = {7, 4}, .mode = Interpolation::bilinear});
  resized("bilinear factor", {.scale_factor = 1.7, .mode = Interpolation::bilinear});
  resized("bilinear corners", {.size = {7, 1}, .mode = Interpolation::bilinear, .align_corners = true});
  resized("linear", {.scale_factor = 3, .mode = Interpolation::bilinear});
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
