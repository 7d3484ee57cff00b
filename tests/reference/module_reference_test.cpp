// Modules load PyTorch's state dicts by name, and give its results, gradients and buffers.
#include "module_reference.hpp"
#include <xgrad/nn/conv.hpp>
#include <xgrad/nn/norm.hpp>
#include "catch.hpp"

namespace xgrad::testing {

TEST_CASE("normalising modules give PyTorch's numbers") {
  const ModuleReference reference;
  CHECK(reference.check("LayerNorm", nn::LayerNorm<double>({2, 3})) == "");
  CHECK(reference.check("LayerNorm without bias", nn::LayerNorm<double>({5}, {.bias = false})) == "");
  CHECK(reference.check("RMSNorm", nn::RMSNorm<double>({5})) == "");
  CHECK(reference.check("GroupNorm", nn::GroupNorm<double>(2, 4)) == "");
  CHECK(reference.check("BatchNorm1d", nn::BatchNorm1d<double>(3)) == "");
  CHECK(reference.check("BatchNorm1d cumulative", nn::BatchNorm1d<double>(3, {.momentum = {}})) == "");
  CHECK(reference.check("BatchNorm2d", nn::BatchNorm2d<double>(3, {.momentum = 0.3})) == "");
  nn::BatchNorm2d<double> fixed(3), bare(3, {.track_running_stats = false});
  nn::eval(fixed), nn::eval(bare);
  CHECK(reference.check("BatchNorm2d evaluation", fixed) == "");
  CHECK(reference.check("BatchNorm2d without statistics", bare) == "");
}

TEST_CASE("convolving modules give PyTorch's numbers") {
  const ModuleReference reference;
  CHECK(reference.check("Conv1d", nn::Conv1d<double>(2, 3, 3, {.stride = 2, .padding = 1})) == "");
  CHECK(reference.check("Conv2d", nn::Conv2d<double>(4, 6, {3, 2},
                                                     {.padding = "same", .dilation = 2, .groups = 2})) == "");
  const ConvTransposeOptions up{.stride = 2, .padding = 1, .output_padding = 1, .groups = 2};
  CHECK(reference.check("ConvTranspose2d", nn::ConvTranspose2d<double>(4, 6, 3, up, false)) == "");
}

}  // namespace xgrad::testing
