// Elementary functions of SIMD registers: against MPFR in units in the last place, and special values.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <xgrad/autograd/kernels/simd_math.hpp>
#include "catch.hpp"
#include "reference_math.hpp"

namespace simd = xgrad::kernels::XGRAD_ARCH;
using Long = long double;
using xgrad::testing::rounded;

namespace {

template <class T>
using Loop = void (*)(const T*, T*);

/// A function of the header as a loop over one register's worth, with its reference, the range of interest
/// and the largest error allowed, in units in the last place.
struct Function {
  const char* name;
  Loop<float> single;
  Loop<double> twice;
  Long (*reference)(Long);
  double low, high, single_ulp, twice_ulp;

  // From a lambda, because a function forced inline has no address worth taking.
  template <class F>
  Function(const char* title, F, Long (*truth)(Long), double from, double to, double limit,
           double twice_limit)
      : name(title),
        single([](const float* x, float* result) { simd::store(result, F()(simd::load(x))); }),
        twice([](const double* x, double* result) { simd::store(result, F()(simd::load(x))); }),
        reference(truth),
        low(from),
        high(to),
        single_ulp(limit),
        twice_ulp(twice_limit) {}

  template <class T>
  T operator()(T x) const {
    T lane[simd::lanes<T>], result[simd::lanes<T>];
    std::fill(std::begin(lane), std::end(lane), x);
    apply(lane, result);
    for (const T& other : result) {
      if (std::isnan(result[0]))
        REQUIRE(std::isnan(other));
      else
        REQUIRE(other == result[0]);
    }
    return result[0];
  }

  void apply(const float* x, float* result) const { single(x, result); }
  void apply(const double* x, double* result) const { twice(x, result); }
};

Long sigmoid(Long x) {
  const Long e = rounded<mpfr_exp>(-std::abs(x));  // does not overflow
  return (x < 0 ? e : 1) / (1 + e);
}
Long rsqrt(Long x) { return 1 / std::sqrt(x); }
Long softplus(Long x) { return std::max<Long>(x, 0) + rounded<mpfr_log1p>(rounded<mpfr_exp>(-std::abs(x))); }

const std::vector<Function>& functions() {
  static const std::vector<Function> all{
      {"exp", [](auto x) { return simd::exp(x); }, rounded<mpfr_exp>, -20, 20, 1.6, 1.6},
      {"expm1", [](auto x) { return simd::expm1(x); }, rounded<mpfr_expm1>, -20, 20, 2, 2},
      {"log", [](auto x) { return simd::log(x); }, rounded<mpfr_log>, 0, 100, 1, 1},
      {"log1p", [](auto x) { return simd::log1p(x); }, rounded<mpfr_log1p>, -1, 100, 2, 2},
      {"tanh", [](auto x) { return simd::tanh(x); }, rounded<mpfr_tanh>, -5, 5, 3, 3},
      {"sigmoid", [](auto x) { return simd::sigmoid(x); }, sigmoid, -10, 10, 3, 3.5},
      {"softplus", [](auto x) { return simd::softplus(x); }, softplus, -10, 10, 4, 4},
      {"sin", [](auto x) { return simd::sin(x); }, rounded<mpfr_sin>, -10, 10, 2, 2},
      {"cos", [](auto x) { return simd::cos(x); }, rounded<mpfr_cos>, -10, 10, 2, 2},
      {"tan", [](auto x) { return simd::tan(x); }, rounded<mpfr_tan>, -10, 10, 4, 4},
      {"asin", [](auto x) { return simd::asin(x); }, rounded<mpfr_asin>, -1, 1, 3, 3},
      {"acos", [](auto x) { return simd::acos(x); }, rounded<mpfr_acos>, -1, 1, 2, 2},
      {"atan", [](auto x) { return simd::atan(x); }, rounded<mpfr_atan>, -10, 10, 3, 3},
      {"sinh", [](auto x) { return simd::sinh(x); }, rounded<mpfr_sinh>, -10, 10, 3, 3},
      {"cosh", [](auto x) { return simd::cosh(x); }, rounded<mpfr_cosh>, -10, 10, 2, 2},
      {"erf", [](auto x) { return simd::erf(x); }, rounded<mpfr_erf>, -5, 5, 3, 3},
      {"sqrt", [](auto x) { return simd::sqrt(x); }, rounded<mpfr_sqrt>, 0, 10, 0.51, 0.51},
      {"rsqrt", [](auto x) { return simd::rsqrt(x); }, rsqrt, 0, 10, 1.6, 1.6},
      {"abs", [](auto x) { return simd::abs(x); }, std::abs, -10, 10, 0, 0},
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
double ulp_error(T got, Long truth) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(truth) || std::isnan(got)) return std::isnan(truth) && std::isnan(got) ? 0.0 : INFINITY;
  const T rounded = static_cast<T>(truth);
  if (std::isinf(rounded) && got == rounded) return 0;
  const int exponent = rounded == 0 ? Limits::min_exponent - 1 : std::ilogb(rounded);
  const int least =
      std::max(std::isinf(rounded) ? Limits::max_exponent - 1 : exponent, Limits::min_exponent - 1);
  const Long value =
      std::isinf(got) ? std::copysign(std::ldexp(Long(1), Limits::max_exponent), Long(got)) : Long(got);
  return static_cast<double>(std::abs(value - truth) / std::ldexp(Long(1), least - Limits::digits + 1));
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
    const T multiple = static_cast<T>(k * 1.57079632679489661923L);
    x.insert(x.end(), {std::nextafter(multiple, T(-1e9)), multiple, std::nextafter(multiple, T(1e9))});
  }
  while (x.size() % simd::lanes<T> != 0) x.push_back(T(0.5));
  return x;
}

const double inf = INFINITY, not_a_number = NAN;

template <class T>
T pow(T x, T y) {
  T result[simd::lanes<T>];
  simd::store(result, simd::pow(simd::Batch<T>(x), simd::Batch<T>(y)));
  return result[0];
}

template <class T>
T atan2(T y, T x) {
  T result[simd::lanes<T>];
  simd::store(result, simd::atan2(simd::Batch<T>(y), simd::Batch<T>(x)));
  return result[0];
}

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

TEMPLATE_TEST_CASE("elementary functions are accurate", "[simd]", float, double) {
  using T = TestType;
  for (const Function& f : functions()) {
    const std::vector<T> x = arguments<T>(f);
    std::vector<T> y(x.size());
    for (std::size_t i = 0; i < x.size(); i += simd::lanes<T>) f.apply(&x[i], &y[i]);
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

TEMPLATE_TEST_CASE("elementary functions at special values", "[simd]", float, double) {
  using T = TestType;
  using Limits = std::numeric_limits<T>;
  for (const Function& f : functions()) {
    for (const T x : {T(0), T(1), T(inf), T(not_a_number), T(1e-6), T(88), T(100), T(104), T(710),
                      Limits::max(), Limits::min(), Limits::denorm_min()}) {
      for (const T signed_x : {x, -x}) {
        const Long truth = f.reference(signed_x);
        const T got = f(signed_x);
        INFO(f.name << "(" << signed_x << ") = " << got << ", not " << static_cast<T>(truth));
        CHECK(ulp_error(got, truth) <= 4);
        if (static_cast<T>(truth) == 0) CHECK(std::signbit(got) == std::signbit(truth));
      }
    }
  }
}

TEMPLATE_TEST_CASE("values that users meet", "[simd]", float, double) {
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

TEMPLATE_TEST_CASE("one special lane leaves the others alone", "[simd]", float, double) {
  using T = TestType;
  for (const Function& f : functions()) {
    for (const T special :
         {T(0), T(-1), T(inf), T(not_a_number), T(1e9), std::numeric_limits<T>::denorm_min()}) {
      T x[simd::lanes<T>], y[simd::lanes<T>], plain[simd::lanes<T>];
      for (std::size_t i = 0; i < simd::lanes<T>; ++i) x[i] = T(1e-4) + T(0.05) * static_cast<T>(i);
      f.apply(x, plain);
      x[1] = special;
      f.apply(x, y);
      for (std::size_t i = 0; i < simd::lanes<T>; ++i) {
        INFO(f.name << "(" << x[i] << ") = " << y[i] << " beside " << special);
        CHECK(ulp_error(y[i], f.reference(x[i])) <= 4);
        if (i != 1) CHECK(y[i] == plain[i]);
      }
    }
  }
}

TEMPLATE_TEST_CASE("odd and even functions are exactly so", "[simd]", float, double) {
  using T = TestType;
  for (const char* name : {"tanh", "sin", "tan", "asin", "atan", "sinh", "erf"}) {
    for (T x = T(1e-3); x < 1; x *= T(1.37)) CHECK(function(name)(-x) == -function(name)(x));
  }
  for (const char* name : {"cos", "cosh"}) {
    for (T x = T(1e-3); x < 30; x *= T(1.37)) CHECK(function(name)(-x) == function(name)(x));
  }
}

TEMPLATE_TEST_CASE("bounded functions keep their bounds", "[simd]", float, double) {
  using T = TestType;
  for (T x = 0; x < 40; x += T(0.0137)) {
    for (const char* name : {"tanh", "sin", "cos", "erf", "sigmoid"}) {
      INFO(name << "(" << x << ")");
      CHECK(std::abs(function(name)(x)) <= 1);
    }
  }
}

TEMPLATE_TEST_CASE("pow and atan2 are accurate", "[simd]", float, double) {
  using T = TestType;
  Draws draw{std::mt19937_64(7)};
  const int most = sizeof(T) == 4 ? 120 : 1000;
  double pow_worst = 0, atan2_worst = 0;
  for (int i = 0; i < 60000; ++i) {
    // Half of them with a result anywhere between underflow and overflow, also for x close to 1.
    const T x = static_cast<T>(i % 4 == 0   ? draw.magnitude(-most, most)
                               : i % 4 == 1 ? 1 + draw.uniform(-0.4, 0.4) * draw.magnitude(-15, 0)
                                            : draw.uniform(0, 10));
    const T y =
        static_cast<T>(i % 4 < 2 ? draw.uniform(-most, most) / static_cast<double>(rounded<mpfr_log2>(x))
                                 : draw.uniform(-20, 20));
    pow_worst = std::max(pow_worst, ulp_error(pow(x, y), rounded<mpfr_pow>(x, y)));
    const T a = static_cast<T>(draw.uniform(-5, 5) * draw.magnitude(-8, 8)),
            b = i % 2 ? y : static_cast<T>(draw.uniform(-5, 5));
    atan2_worst = std::max(atan2_worst, ulp_error(atan2(a, b), rounded<mpfr_atan2>(a, b)));
  }
  CHECK(pow_worst <= (sizeof(T) == 4 ? 3 : 20));  // 20 ulp: 4e-15
  CHECK(atan2_worst <= 3);
}

TEMPLATE_TEST_CASE("pow and atan2 at their corners", "[simd]", float, double) {
  using T = TestType;
  for (const T x : corners<T>()) {
    for (const T y : corners<T>()) {
      const Long power = rounded<mpfr_pow>(x, y), angle = rounded<mpfr_atan2>(x, y);
      INFO("x = " << x << ", y = " << y);
      CHECK(ulp_error(pow(x, y), power) <= 20);
      CHECK(ulp_error(atan2(x, y), angle) <= 4);
      if (!std::isnan(power)) CHECK(std::signbit(pow(x, y)) == std::signbit(power));
      if (!std::isnan(angle)) CHECK(std::signbit(atan2(x, y)) == std::signbit(angle));
    }
  }
  CHECK(pow(T(0), T(0)) == 1);
  CHECK(pow(T(-2), T(3)) == -8);
  CHECK(pow(T(-2), T(-2)) == T(0.25));
  CHECK(std::isnan(pow(T(-2), T(0.5))));
  CHECK(pow(T(0), T(-1)) == T(inf));
}

TEMPLATE_TEST_CASE("min, max and sign carry NaN", "[simd]", float, double) {
  using T = TestType;
  using B = simd::Batch<T>;
  const auto first = [](const B& x) {
    T lane[simd::lanes<T>];
    simd::store(lane, x);
    return lane[0];
  };
  CHECK(first(simd::min(B(T(1)), B(T(2)))) == 1);
  CHECK(first(simd::max(B(T(1)), B(T(2)))) == 2);
  for (const T x : {T(1), T(-inf), T(inf), T(not_a_number)}) {
    CHECK(std::isnan(first(simd::min(B(x), B(T(not_a_number))))));
    CHECK(std::isnan(first(simd::min(B(T(not_a_number)), B(x)))));
    CHECK(std::isnan(first(simd::max(B(x), B(T(not_a_number))))));
    CHECK(std::isnan(first(simd::max(B(T(not_a_number)), B(x)))));
  }
  CHECK(first(simd::sign(B(T(-3)))) == -1);
  CHECK(first(simd::sign(B(T(0)))) == 0);
  CHECK(first(simd::sign(B(T(inf)))) == 1);
  CHECK(std::isnan(first(simd::sign(B(T(not_a_number))))));
}

TEMPLATE_TEST_CASE("functions are smooth enough for gradient checks", "[simd]", double) {
  // (f(x + h) - f(x - h)) / 2h shows any step where the reductions and the polynomials meet.
  const double h = 1e-5;
  for (const Function& f : functions()) {
    if (f.name == std::string("abs")) continue;
    for (double x = 0.011; x < 0.98; x += 0.00713) {
      const double difference = (f(x + h) - f(x - h)) / (2 * h);
      const Long truth = (f.reference(x + Long(h)) - f.reference(x - Long(h))) / (2 * Long(h));
      INFO(f.name << "'(" << x << ")");
      CHECK(std::abs(difference - static_cast<double>(truth)) <= 4e-10 * std::max(1.0, std::abs(f(x))));
    }
  }
}

TEMPLATE_TEST_CASE("a register's ends and sums", "[simd]", float, double) {
  using T = TestType;
  constexpr std::size_t n = simd::lanes<T>;
  T x[n];
  T sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] = static_cast<T>((i * 5) % n) - T(1);
  CHECK(simd::reduce_add(simd::load(x)) == sum);
  CHECK(simd::reduce_max(simd::load(x)) == static_cast<T>(n) - 2);
  CHECK(simd::reduce_min(simd::load(x)) == -1);
  for (std::size_t i = 0; i < n; ++i) {
    T bad[n];
    std::copy(x, x + n, bad);
    bad[i] = T(not_a_number);
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
