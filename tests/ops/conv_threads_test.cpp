// Threads share the channels of a convolution, to the same bits.
#include <thread>

#include <xgrad/ops/conv.hpp>
#include <xgrad/ops/threads.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;

namespace {

// A result and its gradients.
std::vector<Tensor<>> step(const ConvOptions& options) {
  Generator generator(1);
  const auto x = randn({2, 12, 30, 31}, generator).set_requires_grad();
  const auto w = randn({20, 12 / options.groups, 3, 3}, generator).set_requires_grad();
  const auto y = conv2d(x, w, {}, options);
  auto [dx, dw] = grad(sum(y * y), {x, w});
  return {y, dx, dw};
}

}  // namespace

TEST_CASE("threads share the channels of a convolution, to the same bits") {
  REQUIRE(std::thread::hardware_concurrency() > 0);
  for (const ConvOptions& options : {ConvOptions{.padding = 1}, ConvOptions{.stride = 2, .groups = 2}}) {
    const auto alone = step(options);
    set_threads(3);
    const auto together = step(options);
    set_threads(1);
    CHECK(same_bits(alone, together));
  }
}
