// The smallest program that uses xgrad: the gradient of x * x at 3.
#include <cstdio>
#include <xgrad/version.hpp>
#include <xgrad/xgrad.hpp>

#include "nn/module.hpp"
#include "ops/shape.hpp"
static_assert(users_ops_shape == 1 && users_nn_module == 2);

int main() {
  xgrad::Tensor<> x{3};
  x.set_requires_grad();
  (x * x).backward(xgrad::Tensor<>{1});
  const float slope = x.grad().values()[0];
  std::printf("xgrad %s: the slope of x * x at 3 is %g\n", xgrad::version, static_cast<double>(slope));
  return slope == 6 ? 0 : 1;
}
