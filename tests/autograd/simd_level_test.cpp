// The choice of an instruction set by name.
#include <xgrad/autograd/kernels/simd_level.hpp>

#include <xgrad/autograd/core/error.hpp>
#include "catch.hpp"

using namespace xgrad::kernels;

TEST_CASE("An instruction set is chosen by its name") {
  const SimdLevel widest = choose_simd_level("");
  CHECK(choose_simd_level(simd_level_name(widest)) == widest);
  CHECK(simd_level() <= widest);
#if defined(__x86_64__)
  CHECK(choose_simd_level("sse2") == SimdLevel::sse2);
  CHECK(std::string(simd_level_name(SimdLevel::sse2)) == "sse2");
#endif
}

TEST_CASE("An unknown instruction set is an error that lists the choices") {
  using Catch::Matchers::Contains;
  CHECK_THROWS_AS(choose_simd_level("mmx"), xgrad::ValueError);
  CHECK_THROWS_WITH(choose_simd_level("mmx"), Contains("XGRAD_SIMD") && Contains("\"mmx\"") &&
                                                  Contains(simd_level_name(choose_simd_level(""))));
  CHECK_THROWS_AS(choose_simd_level("AVX2"), xgrad::ValueError);
}
