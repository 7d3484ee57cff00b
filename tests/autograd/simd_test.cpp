// Registers: loading and storing a part of one, and what all of its lanes come to.
#include <xgrad/autograd/kernels/simd.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include "catch.hpp"

namespace simd = xgrad::kernels::XGRAD_ARCH;

TEMPLATE_TEST_CASE("a register's ends and sums", "[simd]", float, double) {
  using T = TestType;
  constexpr std::size_t n = simd::lanes<T>;
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  T x[n];
  T sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] = static_cast<T>((i * 5) % n) - T(1);
  CHECK(simd::reduce_add(simd::load(x)) == sum);
  CHECK(simd::reduce_max(simd::load(x)) == static_cast<T>(n) - 2);
  CHECK(simd::reduce_min(simd::load(x)) == -1);
  for (std::size_t i = 0; i < n; ++i) {
    T bad[n];
    std::copy(x, x + n, bad);
    bad[i] = not_a_number;
    CHECK(std::isnan(simd::reduce_max(simd::load(bad))));
    CHECK(std::isnan(simd::reduce_min(simd::load(bad))));
  }
  for (std::size_t count = 0; count <= n; ++count) {
    T full[n], part[n];
    simd::store(full, simd::load_partial(x, count, T(7)));
    std::fill(part, part + n, T(9));
    simd::store_partial(part, simd::load(x), count);
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(full[i] == (i < count ? x[i] : T(7)));
      CHECK(part[i] == (i < count ? x[i] : T(9)));
    }
  }
}
