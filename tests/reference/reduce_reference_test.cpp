// Reductions and softmax give PyTorch's numbers.
#include <limits>

#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/softmax.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

TEST_CASE("reductions and softmax give PyTorch's numbers") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  ReferenceTable t("reduce.safetensors");
  t.add("sum axis 1", [](const auto& x) { return sum(x[0], 1); });
  t.add("mean axis 1", [](const auto& x) { return mean(x[0], 1); });
  t.add("amax axis 1", [](const auto& x) { return amax(x[0], 1); });
  t.add("amin axis 1", [](const auto& x) { return amin(x[0], 1); });
  t.add("logsumexp axis 1", [](const auto& x) { return logsumexp(x[0], 1); });
  t.add("sum axes 0, 2, kept", [](const auto& x) { return sum(x[0], {0, 2}, true); });
  t.add("mean axes 0, 2, kept", [](const auto& x) { return mean(x[0], {0, 2}, true); });
  t.add("amax axes 0, 2, kept", [](const auto& x) { return amax(x[0], {0, 2}, true); });
  t.add("amin axes 0, 2, kept", [](const auto& x) { return amin(x[0], {0, 2}, true); });
  t.add("logsumexp axes 0, 2, kept", [](const auto& x) { return logsumexp(x[0], {0, 2}, true); });
  t.add("prod axis 1", [](const auto& x) { return prod(x[0], 1); });
  t.add("prod", [](const auto& x) { return prod(x[0]); },
        {.different = {
             "0 second: the product of the others is exact, where PyTorch divides and loses digits"}});
  t.add("var axis 1", [](const auto& x) { return var(x[0], 1); });
  t.add("var axes 0, 2, correction 0, kept", [](const auto& x) {
    return var(x[0], {0, 2}, {.correction = 0, .keepdims = true});
  });
  t.add("stddev", [](const auto& x) { return stddev(x[0]); });
  t.add("norm 1 axis 0", [](const auto& x) { return norm(x[0], 1, 0); },
        {.different = {"1: sign(NaN) is NaN here and 0 in PyTorch"}});
  t.add("norm 2 axis 0", [](const auto& x) { return norm(x[0], 2, 0); });
  t.add("norm inf axis 0", [](const auto& x) { return norm(x[0], infinity, 0); },
        {.different = {"1: of a NaN the whole gradient is NaN, as for amax"}});
  t.add("cumsum axis 1", [](const auto& x) { return cumsum(x[0], 1); });
  t.add("softmax axis 1", [](const auto& x) { return softmax(x[0], 1); });
  t.add("log_softmax axis 1", [](const auto& x) { return log_softmax(x[0], 1); });
  t.add("argmax axis 1", [](const auto& x) { return argmax(x[0], 1); });
  t.add("argmin axis 1", [](const auto& x) { return argmin(x[0], 1); });
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
