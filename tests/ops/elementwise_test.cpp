// Elementary functions on tensors: against MPFR in units in the last place, and special values.
#include <xgrad/ops/elementwise.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/ops/activation.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"
#include "reference_math.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;

namespace {

constexpr std::int64_t width = 16;  // so many elements fill a register of every instruction set

/// A generic lambda for tensors, in both element types.
struct Op {
  template <class F>
  Op(F f) : single(f), twice(f) {}
  Tensor<float> (*single)(const Tensor<float>&);
  Tensor<double> (*twice)(const Tensor<double>&);
};

/// A function with its reference, the range of interest, and the largest error allowed, in units in the last
/// place.
struct Function {
  const char* name;
  Op op;
  BigFloat (*reference)(const BigFloat&);
  double low, high, single_ulp, twice_ulp;

  Tensor<float> operator()(const Tensor<float>& x) const { return op.single(x); }
  Tensor<double> operator()(const Tensor<double>& x) const { return op.twice(x); }

  template <Real T>
  T operator()(T x) const {
    const std::vector<T> y = list((*this)(full<T>({width}, x)));
    for (const T other : y) REQUIRE((other == y[0] || (std::isnan(other) && std::isnan(y[0]))));
    return y[0];
  }
};

BigFloat abs(const BigFloat& x) { return rounded<mpfr_max>(x, -x); }
int mpfr_lngamma_size(mpfr_t y, const mpfr_t x, mpfr_rnd_t rounding) {
  int sign;
  return mpfr_lgamma(y, &sign, x, rounding);
}
BigFloat sigmoid(const BigFloat& x) { return 1 / (1 + rounded<mpfr_exp>(-x)); }
BigFloat rsqrt(const BigFloat& x) { return 1 / rounded<mpfr_sqrt>(x); }
BigFloat softplus(const BigFloat& x) {
  return rounded<mpfr_max>(x, 0.0) +
         rounded<mpfr_log1p>(rounded<mpfr_exp>(-abs(x)));  // exp does not overflow
}

const std::vector<Function>& functions() {
  static const std::vector<Function> all{
      {"exp", [](const auto& x) { return exp(x); }, rounded<mpfr_exp>, -20, 20, 1.6, 1.6},
      {"expm1", [](const auto& x) { return expm1(x); }, rounded<mpfr_expm1>, -20, 20, 2, 2},
      {"log", [](const auto& x) { return log(x); }, rounded<mpfr_log>, 0, 100, 1, 1},
      {"log1p", [](const auto& x) { return log1p(x); }, rounded<mpfr_log1p>, -1, 100, 2, 2},
      {"tanh", [](const auto& x) { return tanh(x); }, rounded<mpfr_tanh>, -5, 5, 3, 3},
      {"sigmoid", [](const auto& x) { return sigmoid(x); }, sigmoid, -10, 10, 3, 3.5},
      {"softplus", [](const auto& x) { return softplus(x); }, softplus, -10, 10, 4, 4},
      {"sin", [](const auto& x) { return sin(x); }, rounded<mpfr_sin>, -10, 10, 2, 2},
      {"cos", [](const auto& x) { return cos(x); }, rounded<mpfr_cos>, -10, 10, 2, 2},
      {"tan", [](const auto& x) { return tan(x); }, rounded<mpfr_tan>, -10, 10, 4, 4},
      {"asin", [](const auto& x) { return asin(x); }, rounded<mpfr_asin>, -1, 1, 3, 3},
      {"acos", [](const auto& x) { return acos(x); }, rounded<mpfr_acos>, -1, 1, 2, 2},
      {"atan", [](const auto& x) { return atan(x); }, rounded<mpfr_atan>, -10, 10, 3, 3},
      {"sinh", [](const auto& x) { return sinh(x); }, rounded<mpfr_sinh>, -10, 10, 3, 3},
      {"cosh", [](const auto& x) { return cosh(x); }, rounded<mpfr_cosh>, -10, 10, 2, 2},
      {"erf", [](const auto& x) { return erf(x); }, rounded<mpfr_erf>, -5, 5, 3, 3},
      {"erfc", [](const auto& x) { return erfc(x); }, rounded<mpfr_erfc>, -3, 10, 5, 5},
      {"sqrt", [](const auto& x) { return sqrt(x); }, rounded<mpfr_sqrt>, 0, 10, 0.51, 0.51},
      {"rsqrt", [](const auto& x) { return rsqrt(x); }, rsqrt, 0, 10, 1.6, 1.6},
      {"abs", [](const auto& x) { return abs(x); }, abs, -10, 10, 0, 0},
  };
  return all;
}

const Function& function(const std::string& name) {
  for (const Function& f : functions()) {
    if (f.name == name) return f;
  }
  throw std::runtime_error("no function " + name);
}

/// The distance of `got` from the true value in units in the last place of the latter; infinite where one is
/// NaN and the other is not, or one infinite and the other far from the largest number.
template <class T>
double ulp_error(T got, const BigFloat& truth) {
  using Limits = std::numeric_limits<T>;
  const T rounded = static_cast<T>(truth);
  if (std::isnan(rounded) || std::isnan(got)) return std::isnan(rounded) && std::isnan(got) ? 0.0 : INFINITY;
  if (std::isinf(rounded) && got == rounded) return 0;
  const int exponent = rounded == 0 ? Limits::min_exponent - 1 : std::ilogb(rounded);
  const int least =
      std::max(std::isinf(rounded) ? Limits::max_exponent - 1 : exponent, Limits::min_exponent - 1);
  const BigFloat value =
      std::isinf(got) ? 2 * BigFloat(std::copysign(std::ldexp(T(1), Limits::max_exponent - 1), got)) : got;
  return std::abs(static_cast<double>((value - truth) / std::ldexp(T(1), least - Limits::digits + 1)));
}

template <Real T>
Tensor<T> vector_of(const std::vector<T>& x) {
  return from_values<T>({static_cast<std::int64_t>(x.size())}, std::span<const T>(x));
}

/// Random arguments, the same on every processor.
struct Draws {
  std::mt19937_64 bits;
  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(bits() >> 11) * 0x1p-53);
  }
  /// From 2^low up to 2^high, equally often between each power of two and the next.
  double magnitude(int low, int high) {
    const auto power = low + static_cast<int>(bits() % static_cast<std::uint64_t>(high - low));
    return std::ldexp(uniform(1, 2), power);
  }
};

/// Arguments over the range of interest, over all magnitudes, where results overflow or underflow, and beside
/// multiples of pi/2.
template <class T>
std::vector<T> arguments(const Function& f) {
  constexpr bool single = sizeof(T) == 4;
  Draws draw{std::mt19937_64(20240607)};
  std::vector<T> x;
  for (int i = 0; i < 20000; ++i) {
    x.push_back(static_cast<T>(draw.uniform(f.low, f.high)));
    x.push_back(static_cast<T>(draw.uniform(-1, 1)));
    x.push_back(static_cast<T>(draw.uniform(single ? -110 : -760, single ? 110 : 760)));
    const int sign = i % 2 ? 1 : -1;
    x.push_back(static_cast<T>(sign * draw.magnitude(single ? -149 : -1074, single ? 127 : 1023)));
    x.push_back(static_cast<T>(sign * draw.magnitude(-30, 7)));
  }
  for (int k = -2000; k <= 2000; ++k) {
    const T multiple = static_cast<T>(k * rounded<mpfr_const_pi>() / 2);
    x.insert(x.end(), {std::nextafter(multiple, T(-1e9)), multiple, std::nextafter(multiple, T(1e9))});
  }
  return x;
}

const double inf = INFINITY, not_a_number = NAN;

/// Values at which a function of two arguments has its special cases.
template <class T>
std::vector<T> corners() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> all;
  for (const T x :
       {T(0), T(1), T(2), T(3), T(0.5), T(2.5), T(1e6), T(1e-30), std::nextafter(T(1), T(0)),
        std::nextafter(T(1), T(2)), T(16777215), T(16777216), T(8388607.5), T(9007199254740991.0),
        T(4503599627370495.5), Limits::infinity(), Limits::max(), Limits::min(), Limits::denorm_min()}) {
    all.push_back(x);
    all.push_back(-x);
  }
  all.push_back(Limits::quiet_NaN());
  return all;
}

}  // namespace

TEMPLATE_TEST_CASE("elementary functions are accurate", "", float, double) {
  using T = TestType;
  for (const Function& f : functions()) {
    const std::vector<T> x = arguments<T>(f);
    const std::vector<T> y = list(f(vector_of(x)));
    double worst = 0;
    T at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = ulp_error(y[i], f.reference(x[i]));
      if (error > worst) worst = error, at = x[i];
    }
    INFO(f.name << "(" << at << "): " << worst << " ulp");
    CHECK(worst <= (sizeof(T) == 4 ? f.single_ulp : f.twice_ulp));
  }
}

TEMPLATE_TEST_CASE("elementary functions at special values", "", float, double) {
  using T = TestType;
  using Limits = std::numeric_limits<T>;
  for (const Function& f : functions()) {
    for (const T x : {T(0), T(1), T(inf), T(not_a_number), T(1e-6), T(88), T(100), T(104), T(710),
                      Limits::max(), Limits::min(), Limits::denorm_min()}) {
      for (const T signed_x : {x, -x}) {
        const BigFloat truth = f.reference(signed_x);
        const T got = f(signed_x);
        INFO(f.name << "(" << signed_x << ") = " << got << ", not " << static_cast<T>(truth));
        CHECK(ulp_error(got, truth) <= 4);
        if (static_cast<T>(truth) == 0) CHECK(std::signbit(got) == std::signbit(static_cast<T>(truth)));
      }
    }
  }
}

TEMPLATE_TEST_CASE("values that users meet", "", float, double) {
  using T = TestType;
  constexpr bool single = sizeof(T) == 4;
  CHECK(function("exp")(T(0)) == 1);
  if (single) CHECK(function("exp")(T(-104)) == 0);
  CHECK(function("exp")(T(single ? -88 : -745)) > 0);
  CHECK(function("exp")(T(single ? 88.72 : 709.78)) < T(inf));
  CHECK(function("exp")(T(single ? 88.73 : 709.79)) == T(inf));
  CHECK(function("log")(T(0)) == -T(inf));
  CHECK(function("log")(T(-0.0)) == -T(inf));
  CHECK(std::isnan(function("log")(T(-1))));
  CHECK(function("log1p")(T(-1)) == -T(inf));
  CHECK(function("sigmoid")(T(0)) == T(0.5));
  CHECK(function("sigmoid")(T(100)) == 1);
  CHECK(function("sigmoid")(T(-100)) > 0);
  CHECK(function("softplus")(T(100)) == 100);
  CHECK(function("softplus")(T(-100)) > 0);
  CHECK(ulp_error(function("tanh")(T(1e-6)), rounded<mpfr_tanh>(T(1e-6))) <= 3);
  CHECK(function("tanh")(T(50)) == 1);
  CHECK(function("tanh")(T(-inf)) == -1);
  CHECK(function("erf")(T(10)) == 1);
}

TEMPLATE_TEST_CASE("one special element leaves the others alone", "", float, double) {
  using T = TestType;
  for (const Function& f : functions()) {
    for (const T special :
         {T(0), T(-1), T(inf), T(not_a_number), T(1e9), std::numeric_limits<T>::denorm_min()}) {
      std::vector<T> x;
      for (std::int64_t i = 0; i < width; ++i) x.push_back(T(1e-4) + T(0.05) * static_cast<T>(i));
      const std::vector<T> plain = list(f(vector_of(x)));
      x[1] = special;
      const std::vector<T> y = list(f(vector_of(x)));
      for (std::size_t i = 0; i < x.size(); ++i) {
        INFO(f.name << "(" << x[i] << ") = " << y[i] << " beside " << special);
        CHECK(ulp_error(y[i], f.reference(x[i])) <= 4);
        if (i != 1) CHECK(y[i] == plain[i]);
      }
    }
  }
}

TEMPLATE_TEST_CASE("odd and even functions are exactly so", "", float, double) {
  using T = TestType;
  for (const char* name : {"tanh", "sin", "tan", "asin", "atan", "sinh", "erf"}) {
    for (T x = T(1e-3); x < 1; x *= T(1.37)) CHECK(function(name)(-x) == -function(name)(x));
  }
  for (const char* name : {"cos", "cosh"}) {
    for (T x = T(1e-3); x < 30; x *= T(1.37)) CHECK(function(name)(-x) == function(name)(x));
  }
}

TEMPLATE_TEST_CASE("bounded functions keep their bounds", "", float, double) {
  using T = TestType;
  for (T x = 0; x < 40; x += T(0.0137)) {
    for (const char* name : {"tanh", "sin", "cos", "erf", "sigmoid"}) {
      INFO(name << "(" << x << ")");
      CHECK(std::abs(function(name)(x)) <= 1);
    }
  }
}

TEMPLATE_TEST_CASE("pow and atan2 are accurate", "", float, double) {
  using T = TestType;
  Draws draw{std::mt19937_64(7)};
  const int most = sizeof(T) == 4 ? 120 : 1000;
  std::vector<T> x, y, a, b;
  for (int i = 0; i < 60000; ++i) {
    // Half of them with a result anywhere between underflow and overflow, also for x close to 1.
    x.push_back(static_cast<T>(i % 4 == 0   ? draw.magnitude(-most, most)
                               : i % 4 == 1 ? 1 + draw.uniform(-0.4, 0.4) * draw.magnitude(-15, 0)
                                            : draw.uniform(0, 10)));
    const auto log = static_cast<double>(rounded<mpfr_log2>(x.back()));
    y.push_back(static_cast<T>(i % 4 < 2 ? draw.uniform(-most, most) / log : draw.uniform(-20, 20)));
    a.push_back(static_cast<T>(draw.uniform(-5, 5) * draw.magnitude(-8, 8)));
    b.push_back(i % 2 ? y.back() : static_cast<T>(draw.uniform(-5, 5)));
  }
  const std::vector<T> powers = list(pow(vector_of(x), vector_of(y))),
                       angles = list(atan2(vector_of(a), vector_of(b)));
  double pow_worst = 0, atan2_worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    pow_worst = std::max(pow_worst, ulp_error(powers[i], rounded<mpfr_pow>(x[i], y[i])));
    atan2_worst = std::max(atan2_worst, ulp_error(angles[i], rounded<mpfr_atan2>(a[i], b[i])));
  }
  CHECK(pow_worst <= (sizeof(T) == 4 ? 3 : 20));  // 20 ulp: 4e-15
  CHECK(atan2_worst <= 3);
}

TEMPLATE_TEST_CASE("pow and atan2 at their corners", "", float, double) {
  using T = TestType;
  for (const T x : corners<T>()) {
    for (const T y : corners<T>()) {
      const T power = pow(Tensor<T>{x}, Tensor<T>{y}).item(),
              angle = atan2(Tensor<T>{x}, Tensor<T>{y}).item();
      const BigFloat power_truth = rounded<mpfr_pow>(x, y), angle_truth = rounded<mpfr_atan2>(x, y);
      const T true_power = static_cast<T>(power_truth), true_angle = static_cast<T>(angle_truth);
      INFO("x = " << x << ", y = " << y);
      CHECK(ulp_error(power, power_truth) <= 20);
      CHECK(ulp_error(angle, angle_truth) <= 4);
      if (!std::isnan(true_power)) CHECK(std::signbit(power) == std::signbit(true_power));
      if (!std::isnan(true_angle)) CHECK(std::signbit(angle) == std::signbit(true_angle));
    }
  }
  const auto power = [](double x, double y) { return pow(Tensor<T>{x}, Tensor<T>{y}).item(); };
  CHECK(power(0, 0) == 1);
  CHECK(power(-2, 3) == -8);
  CHECK(power(-2, -2) == T(0.25));
  CHECK(std::isnan(power(-2, 0.5)));
  CHECK(power(0, -1) == T(inf));
}

TEMPLATE_TEST_CASE("minimum, maximum and sign carry NaN", "", float, double) {
  using V = Tensor<TestType>;
  const V nan{not_a_number};
  CHECK(minimum(V{1}, V{2}).item() == 1);
  CHECK(maximum(V{1}, V{2}).item() == 2);
  for (const V& x : {V{1}, V{-inf}, V{inf}, nan}) {
    CHECK(std::isnan(minimum(x, nan).item()));
    CHECK(std::isnan(minimum(nan, x).item()));
    CHECK(std::isnan(maximum(x, nan).item()));
    CHECK(std::isnan(maximum(nan, x).item()));
  }
  CHECK(sign(V{-3}).item() == -1);
  CHECK(sign(V{0}).item() == 0);
  CHECK(sign(V{inf}).item() == 1);
  CHECK(std::isnan(sign(nan).item()));
}

TEMPLATE_TEST_CASE("functions are smooth enough for gradient checks", "", double) {
  // (f(x + h) - f(x - h)) / 2h shows any step where the reductions and the polynomials meet.
  const double h = 1e-5;
  for (const Function& f : functions()) {
    if (f.name == std::string("abs")) continue;
    for (double x = 0.011; x < 0.98; x += 0.00713) {
      const double difference = (f(x + h) - f(x - h)) / (2 * h);
      const BigFloat above = x + BigFloat(h), below = x - BigFloat(h);
      const BigFloat truth = (f.reference(above) - f.reference(below)) / (2 * h);
      INFO(f.name << "'(" << x << ")");
      CHECK(std::abs(difference - static_cast<double>(truth)) <= 4e-10 * std::max(1.0, std::abs(f(x))));
    }
  }
}

TEST_CASE("logarithms, powers of 2 and hyperbolic inverses, against MPFR") {
  const auto close = [](double got, const BigFloat& truth) {
    return std::abs(static_cast<double>((got - truth) / truth)) < 1e-15;
  };
  for (int power = -60; power <= 60; ++power) {
    const double x = std::ldexp(1.3723, power);
    const Tensor<double> at{x}, above{1 + x}, below{1 / (1 + x)};
    INFO(x);
    CHECK(close(log2(at).item(), rounded<mpfr_log2>(x)));
    CHECK(close(log10(at).item(), rounded<mpfr_log10>(x)));
    CHECK(close(exp2(below).item(), rounded<mpfr_exp2>(below.item())));
    CHECK(close(asinh(at).item(), rounded<mpfr_asinh>(x)));
    CHECK(close(asinh(-at).item(), rounded<mpfr_asinh>(-x)));
    if (above.item() > 1) CHECK(close(acosh(above).item(), rounded<mpfr_acosh>(above.item())));
    if (below.item() < 1) CHECK(close(atanh(-below).item(), rounded<mpfr_atanh>(-below.item())));
  }
}

TEST_CASE("special functions of one number, against MPFR") {
  for (double x = -20.37; x < 40; x += 0.1717) {
    INFO(x);
    const Tensor<double> at{x};
    const auto psi = static_cast<double>(rounded<mpfr_digamma>(x)),
               log_gamma = static_cast<double>(rounded<mpfr_lngamma_size>(x));
    CHECK(std::abs(lgamma(at).item() - log_gamma) < 1e-14 * std::max(1.0, std::abs(log_gamma)));
    CHECK(std::abs(digamma(at).item() - psi) < 2e-14 * std::max(1.0, std::abs(psi)));
  }
  for (double y = -5.5; y < 5.6; y += 0.1717) {
    const Tensor<double> x = erf(Tensor<double>{y});
    const BigFloat back = rounded<mpfr_erf>(erfinv(x).item());
    INFO(y);
    CHECK(std::abs(static_cast<double>(back - x.item())) <= 1.2e-16);
  }
  CHECK(list(erfinv(Tensor<double>{-1, 1, 0})) == std::vector<double>{-INFINITY, INFINITY, 0});
  CHECK(std::isnan(polygamma(0.5, Tensor<double>{1}).item()));
}

TEST_CASE("logic on masks and in formulas") {
  const Tensor<> a{0, 1, 0, 1}, b{0, 0, 1, 1};
  CHECK(list(a && b) == std::vector<float>{0, 0, 0, 1});
  CHECK(list(a || !b) == std::vector<float>{1, 1, 0, 1});
  CHECK(list(a > 0 && 1) == std::vector<float>{0, 1, 0, 1});
  constexpr auto inside =
      formula("inside", [](auto x) { return where((x > 0 && !(x > 2)) || x == 5, x * x, 0); });
  const auto x = Tensor<double>{-1, 1, 3, 5}.set_requires_grad();
  CHECK(list(inside(x)) == std::vector<double>{0, 1, 0, 25});
  CHECK(list(grad(sum(inside(x)), x)) == std::vector<double>{0, 2, 0, 10});
}

TEST_CASE("limits of activations that make no sense are refused") {
  const Tensor<> x{1, 2, 3};
  CHECK_THROWS_WITH(hardtanh(x, 1, -1), "hardtanh: limits 1 and -1; give the smaller one first");
  CHECK_THROWS_WITH(celu(x, 0), "celu: alpha is 0, by which x is divided; give another one, or use relu");
  CHECK_THROWS_WITH(softshrink(x, -1), "softshrink: lambd is -1; give 0 or more");
  CHECK_THROWS_WITH(glu(x),
                    Catch::Matchers::StartsWith("glu: axis 0 of [3] has no halves; its extent must be even"));
  CHECK_THROWS_WITH(prelu(x, Tensor<>{1, 2}),
                    Catch::Matchers::StartsWith(
                        "prelu: a weight of shape [2] for [3]; give one number, or one for each of axis 1"));
  CHECK_THROWS_WITH(clamp_min(x, NAN), "clamp: limits nan and inf; give numbers, infinity for none");
}
