// Kernels are called through their device's table, and through nothing else.
#include <xgrad/nn/init.hpp>
#include <xgrad/ops/loss.hpp>
#include <xgrad/optim/clip.hpp>
#include <xgrad/xgrad.hpp>

#include "catch.hpp"
#include "counting_device.hpp"
#include "op_table.hpp"

using namespace xgrad;
using namespace xgrad::testing;

namespace {

// What rows of the table of ops have no reason to do.
template <Real T>
void other_calls() {
  Tensor<T> x = randn<T>({8, 4}).set_requires_grad();
  nn::init::orthogonal(rand<T>({3, 5}));
  {
    const anomaly scope;
    sum(x * x).backward();
  }
  optim::clip_grad_norm<T>({x}, 1);
  one_hot<T>(Indices{1, 0}, 2);
  const Indices integers = stack({transpose(Indices{{1, 2}, {3, 4}}, 0, 1), Indices{{5, 6}, {7, 8}}}, 1);
  to_tensor<T>(to_indices(x) / 2);
  mean(integers == 3);
  const Tensor<T> h = zeros<T>({2, 3}).set_requires_grad(), zx = ones<T>({2, 9}), weight = ones<T>({9, 3});
  sum(gru_step(zx, h, weight)).backward();
}

}  // namespace

TEST_CASE("every kernel of the table is called by ops") {
  for (const OpRow& row : op_table().rows()) check_row(row);
  other_calls<float>();
  other_calls<double>();
  std::string idle;
  for (const KernelCount& kernel : kernel_counts())
    if (kernel.calls == 0) idle += kernel.name + ' ';
  CHECK(idle == "");
}

TEST_CASE("an op is a call of one kernel") {
  const auto calls = [](const std::string& name) {
    for (const KernelCount& kernel : kernel_counts())
      if (kernel.name == name) return kernel.calls;
    throw std::out_of_range(name);
  };
  const Tensor<> x = ones({3, 4});
  const std::int64_t before = calls("softmax<float>"), copies = calls("copy"), formulas = calls("formula");
  softmax(x);
  CHECK(calls("softmax<float>") == before + 1);
  CHECK(calls("copy") == copies);
  x.clone();
  x + x;
  CHECK(calls("formula") == formulas + 2);
}
