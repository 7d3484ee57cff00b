// Threads that multiply with one parameter share its packed forms.
#include <array>
#include <thread>
#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/matmul.hpp>
#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using xgrad::testing::same_bits;

namespace {

struct Trained {
  Tensor<> y, gx, gw;
};

// Six steps with one weight, as a recurrent net multiplies, and the gradients.
Trained many_products(const Tensor<>& weight) {
  Generator random(14);
  auto x = randn({32, weight.shape()[1]}, random).set_requires_grad();
  Tensor<> total = linear(x, weight);
  for (int t = 1; t < 6; ++t) total = total + linear(x * (1.0 / t), weight);
  auto [gx, gw] = grad(total, {x, weight}, {.grad_outputs = {randn(total.shape(), random)}});
  return {total, gx, gw};
}

}  // namespace

TEST_CASE("threads share a parameter and its packed forms, to the same bits") {
  set_packing(true);
  Generator random(13);
  const auto values = randn({96, 96}, random);
  auto weight = values.clone().set_requires_grad();
  for (int round = 0; round < 20; ++round) {
    const auto alone = many_products(weight.clone().detach().set_requires_grad());
    std::array<Trained, 4> results;
    std::vector<std::thread> threads;
    for (auto& result : results) threads.emplace_back([&] { result = many_products(weight); });
    for (auto& thread : threads) thread.join();
    for (const auto& result : results) {
      CHECK(same_bits(result.y, alone.y));
      CHECK(same_bits(result.gx, alone.gx));
      CHECK(same_bits(result.gw, alone.gw));
    }
    for (float& w : weight.mutable_values()) w += 0.01f;              // all forms are stale now
    if (round % 5 == 4) weight = values.clone().set_requires_grad();  // or not there yet
  }
}
