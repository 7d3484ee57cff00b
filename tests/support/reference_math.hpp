// Numbers of MPFR as references: the same on every processor, and with far more digits than double has.
#pragma once

#include <mpfr.h>

#include <concepts>

namespace xgrad::testing {

class BigFloat;

/// A function of MPFR: rounded<mpfr_exp>(x), rounded<mpfr_pow>(x, y). Its special values are those of C.
template <auto function, std::convertible_to<BigFloat>... X>
BigFloat rounded(const X&... x);

/// A floating-point number of 128 bits.
class BigFloat {
 public:
  BigFloat(double x = 0) {
    mpfr_init2(value_, 128);
    mpfr_set_d(value_, x, MPFR_RNDN);
  }
  BigFloat(const BigFloat& other) : BigFloat() { *this = other; }
  BigFloat& operator=(const BigFloat& other) {
    mpfr_set(value_, other.value_, MPFR_RNDN);
    return *this;
  }
  ~BigFloat() { mpfr_clear(value_); }

  explicit operator double() const { return mpfr_get_d(value_, MPFR_RNDN); }
  explicit operator float() const { return mpfr_get_flt(value_, MPFR_RNDN); }

  BigFloat operator-() const { return rounded<mpfr_mul>(*this, -1.0); }
  friend BigFloat operator+(const BigFloat& a, const BigFloat& b) { return rounded<mpfr_add>(a, b); }
  friend BigFloat operator-(const BigFloat& a, const BigFloat& b) { return rounded<mpfr_sub>(a, b); }
  friend BigFloat operator*(const BigFloat& a, const BigFloat& b) { return rounded<mpfr_mul>(a, b); }
  friend BigFloat operator/(const BigFloat& a, const BigFloat& b) { return rounded<mpfr_div>(a, b); }

 private:
  template <auto function, std::convertible_to<BigFloat>... X>
  friend BigFloat rounded(const X&... x);

  mpfr_t value_;
};

template <auto function, std::convertible_to<BigFloat>... X>
BigFloat rounded(const X&... x) {
  BigFloat result;
  function(result.value_, static_cast<const BigFloat&>(x).value_..., MPFR_RNDN);
  return result;
}

}  // namespace xgrad::testing
