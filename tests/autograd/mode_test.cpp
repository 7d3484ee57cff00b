// no_grad, enable_grad and detach.
#include <xgrad/autograd/tape/mode.hpp>

#include <thread>

#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;

using Vector = std::vector<double>;

TEST_CASE("modes: no_grad, enable_grad, detach", "[mode]") {
  auto x = leaf({2});
  {
    const no_grad off;
    CHECK_FALSE((x * 2).requires_grad());
    {
      const enable_grad on;
      CHECK((x * 2).requires_grad());
    }
    CHECK_FALSE(is_recording());
  }
  CHECK(is_recording());
  const auto y = x.detach() * x;
  y.backward();
  CHECK(list(x.grad()) == Vector{2});
  try {
    const no_grad off;
    throw 1;
  } catch (int) {
  }
  CHECK(is_recording());
  bool elsewhere = false;
  const no_grad off;
  std::thread([&] { elsewhere = is_recording(); }).join();  // modes belong to their thread
  CHECK(elsewhere);
}

TEST_CASE("modes: backward inside no_grad works, and records for create_graph", "[mode]") {
  auto x = leaf({3});
  const auto y = x * x * x;
  const no_grad off;
  CHECK(list(grad(y, {x}, {.retain_graph = true})[0]) == Vector{27});
  const auto [g] = grad(y, {x}, {.create_graph = true});
  CHECK(list(grad(g, {x})[0]) == Vector{18});
}

}  // namespace
