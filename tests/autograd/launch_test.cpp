// launch(): what kernels get for arrays, and for undefined ones.
#include <xgrad/autograd/array/launch.hpp>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;

TEST_CASE("launch: an undefined array is null, however it is declared", "[launch]") {
  const Tensor<> none, x{1, 2};
  int nulls = 0;
  int* const count = &nulls;
  const auto launch_all = [&] {
    launch(
        [count](const float* a, float* b, float* c, const float* d) { *count += !a + !b + !c + (d[1] == 2); },
        reads(none), writes(none), changes(none), reads(x));
    launch([count](const std::byte* a, std::byte* b, std::byte* c) { *count += !a + !b + !c; },
           reads_bytes(none), writes_bytes(none), changes_bytes(none));
  };
  launch_all();
  CHECK(nulls == 7);
  Replay again(launch_all);
  CHECK(nulls == 14);
  again();
  CHECK(nulls == 21);
}

TEST_CASE("launch: what is changed has another version", "[launch]") {
  const Tensor<> x{1, 2};
  const auto before = x.version();
  launch([](float* to) { to[0] = 5; }, writes(x));
  CHECK(x.version() == before);
  launch([](float* to) { to[1] = 6; }, changes(x));
  CHECK(x.version() == before + 1);
  CHECK(list(x) == std::vector<float>{5, 6});
}

}  // namespace
