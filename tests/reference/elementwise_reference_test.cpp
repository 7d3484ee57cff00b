// Elementwise functions and activations give PyTorch's numbers.
#include <xgrad/ops/activation.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/integer.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

namespace {

void add_functions(ReferenceTable& t) {
  t.add("log2", [](const auto& x) { return log2(x[0]); });
  t.add("log10", [](const auto& x) { return log10(x[0]); });
  t.add("exp2", [](const auto& x) { return exp2(x[0]); });
  t.add("asinh", [](const auto& x) { return asinh(x[0]); });
  t.add("acosh", [](const auto& x) { return acosh(x[0]); });
  t.add("atanh", [](const auto& x) { return atanh(x[0]); });
  t.add("erfinv", [](const auto& x) { return erfinv(x[0]); },
        {.different = {"2: PyTorch has nine digits near 1, where 1 - erf(y) cancels"}});
  t.add("lgamma", [](const auto& x) { return lgamma(x[0]); });
  t.add("digamma", [](const auto& x) { return digamma(x[0]); });
  t.add("polygamma 1", [](const auto& x) { return polygamma(1, x[0]); },
        {.different = {"3: at -1, a pole, it is infinite; PyTorch has a large number"}});
  t.add("polygamma 2", [](const auto& x) { return polygamma(2, x[0]); });
  t.add("polygamma 3", [](const auto& x) { return polygamma(3, x[0]); });
  t.add("floor", [](const auto& x) { return floor(x[0]); });
  t.add("ceil", [](const auto& x) { return ceil(x[0]); });
  t.add("trunc", [](const auto& x) { return trunc(x[0]); });
  t.add("round", [](const auto& x) { return round(x[0]); });
  t.add("logaddexp", [](const auto& x) { return logaddexp(x[0], x[1]); },
        {.different = {"2 second: 0 where one exceeds the other by 1000; PyTorch has infinity / infinity"}});
  t.add("hypot", [](const auto& x) { return hypot(x[0], x[1]); },
        {.different = {"2 second: PyTorch loses digits where one is 0"}});
  t.add("fmod", [](const auto& x) { return fmod(x[0], x[1]); },
        {.different = {"2 second: at NaN it is NaN"}});
  t.add("remainder", [](const auto& x) { return remainder(x[0], x[1]); },
        {.different = {"2 second: at NaN it is NaN"}});
  t.add("clamp_min", [](const auto& x) { return clamp_min(x[0], x[1]); },
        {.different = {"2: a limit that is NaN gets the gradient of the NaN that it makes"}});
  t.add("clamp_max", [](const auto& x) { return clamp_max(x[0], x[1]); },
        {.different = {"2: a limit that is NaN gets the gradient of the NaN that it makes"}});
  t.add("clamp", [](const auto& x) { return clamp(x[0], x[1], x[2]); });
  t.add("clamp by numbers", [](const auto& x) { return clamp(x[0], -0.5, 1); });
}

// PyTorch's conditions are integers in the file.
void add_conditions(ReferenceTable& t) {
  t.add("isnan", [](const auto& x) { return to_indices(isnan(x[0])); });
  t.add("isinf", [](const auto& x) { return to_indices(isinf(x[0])); });
  t.add("isfinite", [](const auto& x) { return to_indices(isfinite(x[0])); });
  t.add("logical_and", [](const auto& x) { return to_indices(logical_and(x[0], x[1])); });
  t.add("logical_or", [](const auto& x) { return to_indices(logical_or(x[0], x[1])); });
  t.add("logical_xor", [](const auto& x) { return to_indices(logical_xor(x[0], x[1])); });
  t.add("logical_not", [](const auto& x) { return to_indices(logical_not(x[0])); });
}

void add_activations(ReferenceTable& t) {
  t.add("logsigmoid", [](const auto& x) { return logsigmoid(x[0]); });
  t.add("hardtanh", [](const auto& x) { return hardtanh(x[0]); });
  t.add("hardtanh -2, 0.5", [](const auto& x) { return hardtanh(x[0], -2, 0.5); });
  t.add("relu6", [](const auto& x) { return relu6(x[0]); });
  t.add("hardsigmoid", [](const auto& x) { return hardsigmoid(x[0]); },

        {.limit = 1e-7, .different = {"2: the gradient passes NaN"}});  // PyTorch's 1/6 is a float
  t.add("hardswish", [](const auto& x) { return hardswish(x[0]); },
        {.different = {"2: 0 at -infinity, where PyTorch has infinity times 0"}});
  t.add("selu", [](const auto& x) { return selu(x[0]); },
        {.different = {"2: the gradient at NaN is NaN, and derivatives at 0 are those of the left side, of "
                       "every order"}});
  t.add("celu 1.5", [](const auto& x) { return celu(x[0], 1.5); },
        {.different = {"2: the gradient at NaN is NaN, and derivatives at 0 are those of the left side, of "
                       "every order"}});
  t.add("mish", [](const auto& x) { return mish(x[0]); });
  t.add("softsign", [](const auto& x) { return softsign(x[0]); });
  t.add("tanhshrink", [](const auto& x) { return tanhshrink(x[0]); });
  t.add("hardshrink", [](const auto& x) { return hardshrink(x[0]); });
  t.add("softshrink", [](const auto& x) { return softshrink(x[0]); });
  t.add("threshold 0.5, 20", [](const auto& x) { return threshold(x[0], 0.5, 20); });
  t.add("glu", [](const auto& x) { return glu(x[0]); });
  t.add("glu axis 0", [](const auto& x) { return glu(x[0], 0); });
  t.add("prelu", [](const auto& x) { return prelu(x[0], x[1]); },
        {.different = {"1 second: derivatives at 0 are those of the left side, of every order"}});
}

}  // namespace

TEST_CASE("elementwise functions and activations give PyTorch's numbers") {
  ReferenceTable t("elementwise.safetensors");
  add_functions(t);
  add_conditions(t);
  add_activations(t);
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
