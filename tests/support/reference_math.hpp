// Elementary functions as references: those of MPFR, which are the same on every processor.
#pragma once

#include <mpfr.h>

#include <limits>

namespace xgrad::testing {

/// A number of MPFR that holds every long double, and no more digits.
class BigFloat {
 public:
  explicit BigFloat(long double x = 0) {
    mpfr_init2(value, std::numeric_limits<long double>::digits);
    mpfr_set_ld(value, x, MPFR_RNDN);
  }
  BigFloat(const BigFloat&) = delete;
  ~BigFloat() { mpfr_clear(value); }

  mpfr_t value;
};

/// A function of MPFR, correctly rounded: rounded<mpfr_exp>(x), rounded<mpfr_pow>(x, y). Its special values
/// are those of C. Between such calls long double may add, subtract, multiply, divide and take roots, for
/// IEEE 754 says to the last bit what comes of that; the C library's own functions of long double differ
/// between makers of processors.
template <auto function>
long double rounded(auto... x) {
  BigFloat result;
  function(result.value, BigFloat(x).value..., MPFR_RNDN);
  return mpfr_get_ld(result.value, MPFR_RNDN);
}

}  // namespace xgrad::testing
