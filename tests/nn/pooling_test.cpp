// Pooling: modules are the functions; errors.
#include <xgrad/nn/conv.hpp>
#include <xgrad/nn/pool.hpp>
#include <xgrad/nn/sequential.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

TEST_CASE("pooling modules are the functions") {
  Generator generator(1);
  const auto x = randn({2, 3, 6, 8}, generator);
  CHECK(same_bits(nn::MaxPool2d{2}(x), max_pool2d(x, 2)));
  CHECK(same_bits(nn::MaxPool2d{{3, 2}, {.stride = 2, .padding = 1}}(x),
                  max_pool2d(x, {3, 2}, {.stride = 2, .padding = 1})));
  CHECK(same_bits(nn::AvgPool2d{{2, 4}}(x), avg_pool2d(x, {2, 4})));
  CHECK(same_bits(nn::AdaptiveAvgPool2d{1}(x), adaptive_avg_pool2d(x, 1)));
  CHECK(same_bits(nn::Upsample{{.scale_factor = 2}}(x), interpolate(x, {.scale_factor = 2})));
  const auto line = randn({2, 3, 9}, generator);
  CHECK(same_bits(nn::MaxPool1d{3}(line), max_pool1d(line, 3)));
  CHECK(same_bits(nn::AvgPool1d{3}(line), avg_pool1d(line, 3)));
  const nn::Sequential net{nn::Conv2d<>{3, 4, 3}, nn::MaxPool2d{2}, nn::AdaptiveAvgPool2d{1}};
  CHECK(net(x).shape() == Shape{2, 4, 1, 1});
  CHECK(nn::parameters(net).size() == 2);
}

TEST_CASE("max_pool2d tells where the largest elements stand") {
  const auto [y, places] = max_pool2d_with_indices(Tensor<>{{{1, 5, 2, 2}, {3, 4, 2, 7}}}, 2);
  CHECK(list(y) == std::vector<float>{5, 7});
  CHECK(equal(places, Indices({1, 1, 2}, {1, 7})));
}

TEST_CASE("pooling refuses what does not fit") {
  const auto x = ones({2, 4, 5});
  CHECK_THROWS_WITH(max_pool2d(ones({4}), 2),
                    Contains("max_pool2d: x has shape [4]; it must have 4 axes, or 3"));
  CHECK_THROWS_WITH(max_pool2d(x, 6), Contains("a window of 6 does not fit into 4 with its padding"));
  CHECK_THROWS_WITH(max_pool2d(x, {0, 1}), Contains("max_pool2d: window is (0, 1); it must be at least 1"));
  CHECK_THROWS_WITH(max_pool2d(x, 2, {.stride = {2, 0}}), Contains("stride is (2, 0)"));
  CHECK_THROWS_WITH(max_pool2d(x, 2, {.padding = 2}),
                    Contains("padding is (2, 2); it is at most half of the window"));
  CHECK_THROWS_WITH(max_pool2d(x, 2, {.dilation = 0}), Contains("dilation is (0, 0)"));
  CHECK_THROWS_WITH(max_pool2d(Tensor<>(), 2), Contains("max_pool2d: operand 0 is undefined"));
  CHECK_THROWS_WITH(max_pool1d(x, 9), Contains("max_pool1d: x has shape [2, 4, 5]; a window of 9"));
  CHECK_THROWS_WITH(avg_pool2d(x, 2, {.divisor = 0}), Contains("avg_pool2d: divisor is 0"));
  CHECK_THROWS_WITH(avg_pool1d(ones({3}), 2), Contains("avg_pool1d: x has shape [3]"));
  CHECK_THROWS_WITH(adaptive_avg_pool2d(x, {0, 2}), Contains("adaptive_avg_pool2d: 0 × 2 results"));
  CHECK_THROWS_WITH(interpolate(x, {}), Contains("interpolate: give a size or a scale_factor, and not both"));
  CHECK_THROWS_WITH(interpolate(x, {.scale_factor = 0.1}), Contains("interpolate: 0 pixels of 5, on axis 2"));
  CHECK_THROWS_WITH(interpolate(ones({2, 2}), {.scale_factor = 2}),
                    Contains("it must be (batch, channels, length)"));
}

}  // namespace
