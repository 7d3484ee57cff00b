// Elementary functions of SIMD registers, accurate to a few units in the last place; NaN in gives NaN out.
#pragma once

#include <limits>
#include <type_traits>

#include <xgrad/autograd/kernels/simd.hpp>
#include <xgrad/autograd/kernels/special.hpp>

// Call these qualified (`kernels::XGRAD_ARCH::tanh(x)`): argument-dependent lookup alone finds xsimd's own,
// which are slower or less accurate, and whose sine brings symbols that object files share.
//
// No branches but one, to out-of-line code, where log, log1p and pow meet zeros, negative, denormal or
// infinite numbers, and sin, cos and tan meet large angles.
//
// Every polynomial below is a minimax fit: Remez exchange in 50-digit arithmetic, the coefficients rounded to
// the type one after another while the others were fitted again. "2^-30" beside one is its largest relative
// error in the function that it serves. Coefficients stand from the highest power down.

namespace xgrad::kernels::XGRAD_ARCH::detail {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class T>
constexpr int mantissa_bits = sizeof(T) == 4 ? 23 : 52;

/// The constant of the type in hand.
template <class T>
consteval T pick(float single, double twice) {
  if constexpr (std::is_same_v<T, float>) {
    return single;
  } else {
    return twice;
  }
}

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

/// A polynomial, coefficients from the highest power down: Horner's rule for the last two, whose rounding
/// counts; before them even and odd powers apart, two chains of half the length that run side by side.
template <class T, class... Rest>
XGRAD_INLINE Batch<T> polynomial(const Batch<T>& x, T first, T second, Rest... rest) {
  constexpr std::size_t n = 2 + sizeof...(rest), split = n - 2;
  const T c[n] = {first, second, rest...};
  Batch<T> sum(first);
  if constexpr (split >= 3) {
    const Batch<T> x2 = x * x;
    Batch<T> other(second);
    for (std::size_t i = 2; i < split; i += 2) sum = fma(x2, sum, Batch<T>(c[i]));
    for (std::size_t i = 3; i < split; i += 2) other = fma(x2, other, Batch<T>(c[i]));
    sum = split % 2 == 1 ? fma(x, other, sum) : fma(x, sum, other);
  }
  for (std::size_t i = split >= 3 ? split : 1; i < n; ++i) sum = fma(x, sum, Batch<T>(c[i]));
  return sum;
}

template <class T>
XGRAD_INLINE Batch<T> sign_bit(const Batch<T>& x) {
  return x & Batch<T>(T(-0.0));
}

template <class T>
XGRAD_INLINE Batch<T> magnitude(const Batch<T>& x) {
  return bit_cast<T>(bit_cast<Bits<T>>(x) & Batch<Bits<T>>(~Bits<T>(0) >> 1));
}

/// x where the mask is set, else 0.
template <class T>
XGRAD_INLINE Batch<T> keep(const Mask<T>& mask, const Batch<T>& x) {
  if constexpr (sizeof(Mask<T>) == sizeof(Batch<T>)) {
    return __builtin_bit_cast(Batch<T>, mask) & x;
  } else {
    return select(mask, x, Batch<T>(T(0)));
  }
}

/// max(x, low) and min(x, high) that keep a NaN in x.
template <class T>
XGRAD_INLINE Batch<T> at_least(const Batch<T>& x, T low) {
  return max_or_second(Batch<T>(low), x);
}

template <class T>
XGRAD_INLINE Batch<T> at_most(const Batch<T>& x, T high) {
  return min_or_second(Batch<T>(high), x);
}

/// a + b = sum + error, exactly.
template <class T>
XGRAD_INLINE Batch<T> two_sum(const Batch<T>& a, const Batch<T>& b, Batch<T>& error) {
  const Batch<T> sum = a + b, b_seen = sum - a;
  error = (a - (sum - b_seen)) + (b - b_seen);
  return sum;
}

/// c - a * b for a product close to c: exact but for one rounding (Dekker 1971 where nothing is fused).
template <class T>
XGRAD_INLINE Batch<T> residual(const Batch<T>& a, const Batch<T>& b, const Batch<T>& c) {
  if constexpr (has_fma) {
    return fnma(a, b, c);
  } else {
    const Batch<T> splitter(pick<T>(4097.0f, 134217729.0));
    const Batch<T> a_wide = a * splitter, a_high = a_wide - (a_wide - a), a_low = a - a_high;
    const Batch<T> b_wide = b * splitter, b_high = b_wide - (b_wide - b), b_low = b - b_high;
    return (((c - a_high * b_high) - a_low * b_high) - a_high * b_low) - a_low * b_low;
  }
}

// exp(x) = (1 + expm1(r)) * s * s with s = 2^k, r = x - 2 k log 2, |r| <= log 2. Twice the usual interval
// costs one more coefficient, and saves the trouble with results whose exponent no single factor 2^n can
// hold.

/// Outside this range exp is 0 or infinity in type T, and so is its half.
template <class T>
XGRAD_INLINE Batch<T> clamp_exponent(const Batch<T>& x) {
  return at_most(at_least(x, pick<T>(-110.0f, -750.0)), pick<T>(90.0f, 712.0));
}

/// r and s of a clamped x.
template <class T>
XGRAD_INLINE Batch<T> reduce_exponent(const Batch<T>& x, Batch<T>& s) {
  // Adding 1.5 * 2^mantissa_bits rounds to an integer, which then stands in the lowest bits; biased, it is
  // 2^k.
  const Batch<T> shift(pick<T>(12582912.0f + 127.0f, 6755399441055744.0 + 1023.0));
  const Batch<T> shifted = fma(x, Batch<T>(T(0.72134752044448170368)), shift), k = shifted - shift;
  s = bit_cast<T>(bit_cast<Bits<T>>(shifted) << mantissa_bits<T>);
  const Batch<T> high(pick<T>(1.3862915f, 1.3862943611202354));
  const Batch<T> low(pick<T>(2.85721353e-06f, -3.447888905122967e-13));
  return fnma(k, low, fnma(k, high, x));
}

/// exp(r) - 1 for |r| <= log 2: 2^-28.8, 2^-57.3.
template <class T>
XGRAD_INLINE Batch<T> expm1_reduced(const Batch<T>& r) {
  Batch<T> q;
  if constexpr (std::is_same_v<T, float>) {
    q = polynomial(r, 2.47812095e-05f, 0.000200960392f, 0.00138904864f, 0.00833264459f, 0.0416666269f,
                   0.166666716f, 0.5f);
  } else {
    q = polynomial(r, 1.146871345673674e-11, 1.6186216789630273e-10, 2.0877501391919613e-09,
                   2.5051284121838832e-08, 2.75573134092515e-07, 2.7557321847912423e-06,
                   2.4801587319981974e-05, 0.00019841269837052967, 0.0013888888888862368,
                   0.008333333333336444, 0.041666666666666824, 0.1666666666666666, 0.5);
  }
  return fma(r * r, q, r);
}

/// 2^n / s for a power of two s.
template <int n, class T>
XGRAD_INLINE Batch<T> power_over(const Batch<T>& s) {
  constexpr Bits<T> bits = Bits<T>((sizeof(T) == 4 ? 254 : 2046) + n) << mantissa_bits<T>;
  return bit_cast<T>(Batch<Bits<T>>(bits) - bit_cast<Bits<T>>(s));
}

/// (exp(x) - 1) / s of a clamped x. The other factor s is left to the caller, which may halve it first.
template <class T>
XGRAD_INLINE Batch<T> expm1_over_s(const Batch<T>& x, Batch<T>& s) {
  const Batch<T> p = expm1_reduced(reduce_exponent(x, s));
  return fma(s, p, s - power_over<0>(s));
}

// log(x) = e log 2 + log(1 + f) with 1 + f = x / 2^e in [sqrt(1/2), sqrt(2)), and
// log(1 + f) = 2 atanh(t) = 2 t + t z g(z) with t = f / (2 + f), z = t^2.

/// Mantissa 1 + f and e of a positive, finite, normal x.
template <class T>
XGRAD_INLINE Batch<T> split_mantissa(const Batch<T>& x, Batch<T>& e) {
  constexpr Bits<T> one = sizeof(T) == 4 ? Bits<T>(0x3f800000u) : Bits<T>(0x3ff0000000000000u);
  constexpr Bits<T> root_half = sizeof(T) == 4 ? Bits<T>(0x3f3504f3u) : Bits<T>(0x3fe6a09e667f3bcdu);
  constexpr Bits<T> mantissa = (Bits<T>(1) << mantissa_bits<T>)-1;
  // An integer below 2^23 in the mantissa of 2^23 reads as 2^23 plus that integer.
  const Batch<T> carrier(pick<T>(8388608.0f, 4503599627370496.0));
  const Batch<Bits<T>> moved = bit_cast<Bits<T>>(x) + Batch<Bits<T>>(one - root_half);
  e = (bit_cast<T>(moved >> mantissa_bits<T>) | carrier) - (carrier + Batch<T>(pick<T>(127.0f, 1023.0)));
  return bit_cast<T>((moved & Batch<Bits<T>>(mantissa)) + Batch<Bits<T>>(root_half));
}

/// e log 2 + log(1 + f): 2^-30.2, 2^-59.5.
template <class T>
XGRAD_INLINE Batch<T> log_reduced(const Batch<T>& f, const Batch<T>& e) {
  const Batch<T> t = f / (f + Batch<T>(T(2))), z = t * t;
  Batch<T> g;
  if constexpr (std::is_same_v<T, float>) {
    g = polynomial(z, 0.298718929f, 0.399775594f, 0.666667759f);
  } else {
    g = polynomial(z, 0.14798618018232876, 0.15313801605878474, 0.18183573331091474, 0.22222198414601205,
                   0.2857142874378158, 0.39999999999409136, 0.6666666666666735);
  }
  // 2 t = f - t f: what is rounded twice is small beside f.
  const Batch<T> rest = t * fnma(z, g, f);
  const Batch<T> high(pick<T>(0.693145752f, 0.6931471805601177));
  const Batch<T> low(pick<T>(1.42860677e-06f, -1.7239444525614835e-13));
  return fma(e, high, f - fnma(e, low, rest));
}

/// As split_mantissa, for any positive, finite x.
template <class T>
XGRAD_INLINE Batch<T> split_denormal(const Batch<T>& x, Batch<T>& e) {
  const Mask<T> denormal = x < Batch<T>(std::numeric_limits<T>::min());
  const Batch<T> scaled = x * Batch<T>(pick<T>(33554432.0f, 18014398509481984.0));
  const Batch<T> m = split_mantissa(select(denormal, scaled, x), e);
  e = e - keep(denormal, Batch<T>(pick<T>(25.0f, 54.0)));
  return m;
}

/// Where x is positive, normal and finite.
template <class T>
XGRAD_INLINE Mask<T> is_plain(const Batch<T>& x) {
  return (x >= Batch<T>(std::numeric_limits<T>::min())) & (x < Batch<T>(infinity<T>));
}

// What is rare goes out of line. The register in the signature keeps such a symbol apart from that of another
// instruction set.

/// log of a register that has lanes which are not plain.
template <class T>
[[gnu::noinline, gnu::cold]] void log_special(const Batch<T>& x, Batch<T>& result) noexcept {
  const Batch<T> zero(T(0)), top(infinity<T>);
  Batch<T> e;
  const Batch<T> m = split_denormal(x, e);
  result = select(x < top, log_reduced(m - Batch<T>(T(1)), e), x);
  result = select(x > zero, result, select(x == zero, -top, Batch<T>(not_a_number<T>)));
}

// Angles: |x| = n pi/2 + r with |r| <= pi/4, pi/2 in three or four parts whose products with n are exact
// (Cody and Waite 1980), or are not rounded before they are subtracted.

/// Beyond this the parts of pi/2 no longer hold enough digits.
template <class T>
constexpr T largest_angle = has_fma ? pick<T>(1e5f, 1e6) : pick<T>(800.0f, 1e6);

/// r of a magnitude; the lowest bits of `quadrant` count n.
template <class T>
XGRAD_INLINE Batch<T> reduce_angle(const Batch<T>& x, Batch<Bits<T>>& quadrant) {
  const Batch<T> shift(pick<T>(12582912.0f, 6755399441055744.0));
  const Batch<T> shifted = fma(x, Batch<T>(T(0.63661977236758134308)), shift), n = shifted - shift;
  quadrant = bit_cast<Bits<T>>(shifted);
  if constexpr (std::is_same_v<T, double>) {
    const Batch<T> r = fnma(n, Batch<T>(6.077100506303966e-11), fnma(n, Batch<T>(1.5707963267341256), x));
    return fnma(n, Batch<T>(2.0222662487959506e-21), r);
  } else if constexpr (has_fma) {
    const Batch<T> r = fnma(n, Batch<T>(7.54978942e-08f), fnma(n, Batch<T>(1.57079625f), x));
    return fnma(n, Batch<T>(5.39030253e-15f), r);
  } else {
    const Batch<T> r = fnma(n, Batch<T>(0.000483751297f), fnma(n, Batch<T>(1.5703125f), x));
    return fnma(n, Batch<T>(2.56334407e-12f), fnma(n, Batch<T>(7.54953362e-08f), r));
  }
}

/// sin(r) for |r| <= pi/4: 2^-27.9, 2^-57.9.
template <class T>
XGRAD_INLINE Batch<T> sin_reduced(const Batch<T>& r, const Batch<T>& z) {
  Batch<T> s;
  if constexpr (std::is_same_v<T, float>) {
    s = polynomial(z, -0.000195180706f, 0.00833218824f, -0.166666552f);
  } else {
    s = polynomial(z, 1.589543364042175e-10, -2.5050734394424642e-08, 2.7557313538536917e-06,
                   -0.0001984126982935856, 0.00833333333332184, -0.1666666666666663);
  }
  return fma(r * z, s, r);
}

/// cos(r) for |r| <= pi/4, z = r^2: 2^-32, 2^-63.
template <class T>
XGRAD_INLINE Batch<T> cos_reduced(const Batch<T>& z) {
  Batch<T> c;
  if constexpr (std::is_same_v<T, float>) {
    c = polynomial(z, 2.44617495e-05f, -0.00138876098f, 0.041666653f, -0.5f, 1.0f);
  } else {
    c = polynomial(z, -1.1365211378442866e-11, 2.0875842258962374e-09, -2.755731533495171e-07,
                   2.480158729336907e-05, -0.001388888888888141, 0.04166666666666665, -0.5, 1.0);
  }
  return c;
}

/// Where the lowest bit of n is set.
template <class T>
XGRAD_INLINE Mask<T> is_odd(const Batch<Bits<T>>& n) {
  const Batch<T> sign = bit_cast<T>(n << int(8 * sizeof(T) - 1));
  return (sign | Batch<T>(T(1))) < Batch<T>(T(0));
}

/// The second-lowest bit of n, moved to the place of the sign.
template <class T>
XGRAD_INLINE Batch<T> sign_of_half_turn(const Batch<Bits<T>>& n) {
  return sign_bit(bit_cast<T>(n << int(8 * sizeof(T) - 2)));
}

enum class Angle { sine, cosine, tangent };

/// Angles too large for the reduction above, lane by lane through libm. The other lanes stay: what becomes of
/// a number must not depend on its neighbours.
template <Angle which, class T>
[[gnu::noinline, gnu::cold]] void large_angles(const Batch<T>& x, Batch<T>& result) noexcept {
  T from[lanes<T>], lane[lanes<T>];
  store(from, x);
  store(lane, result);
  for (std::size_t i = 0; i < lanes<T>; ++i) {
    if (!(__builtin_fabs(double(from[i])) > double(largest_angle<T>))) continue;
    if constexpr (which == Angle::sine) lane[i] = T(__builtin_sin(double(from[i])));
    if constexpr (which == Angle::cosine) lane[i] = T(__builtin_cos(double(from[i])));
    if constexpr (which == Angle::tangent) lane[i] = T(__builtin_tan(double(from[i])));
  }
  result = load(lane);
}

/// sin, cos or tan.
template <Angle which, class T>
XGRAD_INLINE Batch<T> trigonometric(const Batch<T>& x) {
  Batch<T> result;
  const Batch<T> angle = magnitude(x);
  Batch<Bits<T>> n;
  const Batch<T> r = reduce_angle(angle, n), z = r * r;
  const Batch<T> sine = sin_reduced(r, z), cosine = cos_reduced(z);
  if constexpr (which == Angle::sine) {
    result = select(is_odd<T>(n), cosine, sine) ^ sign_of_half_turn<T>(n) ^ sign_bit(x);
  } else if constexpr (which == Angle::cosine) {
    result = select(is_odd<T>(n), sine, cosine) ^ sign_of_half_turn<T>(n + Batch<Bits<T>>(1));
  } else {
    const Mask<T> odd = is_odd<T>(n);
    result = select(odd, cosine, sine) / select(odd, -sine, cosine) ^ sign_bit(x);
  }
  if (any(angle > Batch<T>(largest_angle<T>))) [[unlikely]]
    large_angles<which>(x, result);
  return result;
}

/// asin(t) for 0 <= t <= 1/2, z = t^2: 2^-27.6, 2^-54.2.
template <class T>
XGRAD_INLINE Batch<T> asin_reduced(const Batch<T>& t, const Batch<T>& z) {
  Batch<T> p;
  if constexpr (std::is_same_v<T, float>) {
    p = polynomial(z, 0.0421659909f, 0.024180904f, 0.0454697683f, 0.0749530643f, 0.166667521f);
  } else {
    p = polynomial(z, 0.028738798940077394, -0.011708377799685745, 0.01675051012190037, 0.007493620163062416,
                   0.011961130023635072, 0.013913883988878455, 0.017357204518900163, 0.02237188999657972,
                   0.03038195537627604, 0.044642856871148266, 0.07500000000338589, 0.16666666666665403);
  }
  return fma(t * z, p, t);
}

/// The angle of the point (x, y), 0 <= x, 0 <= y, in [0, pi/2]: 2^-30.4, 2^-59.4. x + y must not overflow,
/// and not both may be infinite.
template <class T>
XGRAD_INLINE Batch<T> first_quadrant(const Batch<T>& y, const Batch<T>& x) {
  // atan(t) = pi/2 - atan(1/t) = pi/4 + atan((t - 1) / (t + 1)), chosen so that one division does. Whichever
  // is NaN, low or high is.
  const Batch<T> low = min_or_second(x, y), high = max_or_second(y, x);
  const Mask<T> steep = y > x, middle = low > high * Batch<T>(T(0.41421356237309504880));
  const Batch<T> divisor = at_least(high + keep(middle, low), std::numeric_limits<T>::denorm_min());
  const Batch<T> t = (low - keep(middle, high)) / divisor, z = t * t;
  Batch<T> p;
  if constexpr (std::is_same_v<T, float>) {
    p = polynomial(z, -0.060874667f, 0.105983049f, -0.142443001f, 0.199985251f, -0.333333164f);
  } else {
    p = polynomial(z, -0.017867827618861427, 0.03802877274138827, -0.05037902883109867, 0.058475796648105136,
                   -0.06663061689054779, 0.07692056504699443, -0.09090897550061157, 0.11111110776272727,
                   -0.14285714280053663, 0.1999999999995218, -0.3333333333333319);
  }
  const Batch<T> quarter(T(0.78539816339744830962)), half(T(1.57079632679489661923));
  const Batch<T> angle = fma(t * z, p, t) + keep(middle, quarter);
  return keep(steep, half) + (angle ^ keep(steep, Batch<T>(T(-0.0))));
}

/// e log 2 + log(m) = high + low with about eight bits more than T holds.
template <class T>
XGRAD_INLINE Batch<T> log_extended(const Batch<T>& m, const Batch<T>& e, Batch<T>& low) {
  const Batch<T> one(T(1));
  Batch<T> d_low, error;
  const Batch<T> f = m - one, d = two_sum(one, m, d_low), inverse = one / d;
  const Batch<T> t = f * inverse, t_low = (residual(t, d, f) - t * d_low) * inverse, z = t * t;
  Batch<T> g;
  if constexpr (std::is_same_v<T, float>) {
    g = polynomial(z, 0.230204076f, 0.285700291f, 0.399997532f, 0.666666687f);
  } else {
    g = polynomial(z, 0.13237204985524334, 0.13251894600242414, 0.15386999354126776, 0.18181778136636828,
                   0.22222222609349754, 0.2857142856939853, 0.4000000000000495, 0.6666666666666666);
  }
  // The derivative 2 / (1 - z) carries t_low through the series.
  const Batch<T> two(T(2)), series = fma(t * z, g, t_low * fma(z, two, two));
  const Batch<T> e_high = e * Batch<T>(pick<T>(0.693145752f, 0.6931471805601177));
  const Batch<T> e_low = e * Batch<T>(pick<T>(1.42860677e-06f, -1.7239444525614835e-13));
  const Batch<T> sum = two_sum(e_high, t + t, error);
  const Batch<T> high = two_sum(sum, series, low);
  low = low + (error + e_low);
  return high;
}

/// (m 2^e)^y for a finite y.
template <class T>
XGRAD_INLINE Batch<T> pow_reduced(const Batch<T>& m, const Batch<T>& e, const Batch<T>& y) {
  Batch<T> log_low, s;
  const Batch<T> log_high = log_extended(m, e, log_low);
  // No larger exponent than this is needed, and with it no product overflows.
  constexpr T most = pick<T>(1e10f, 1e19);
  const Batch<T> bounded = at_most(at_least(y, -most), most);
  const Batch<T> product = bounded * log_high, exponent = clamp_exponent(product);
  const Batch<T> low = fma(bounded, log_low, -residual(bounded, log_high, product));
  const Batch<T> p = expm1_reduced(reduce_exponent(exponent, s) + keep(exponent == product, low));
  return fma(p, s, s) * s;
}

/// erf(x) for 0 <= x < 1, z = x^2.
template <class T>
XGRAD_INLINE Batch<T> erf_below_one(const Batch<T>& x, const Batch<T>& z) {
  Batch<T> p;
  if constexpr (std::is_same_v<T, float>) {
    p = polynomial(z, 7.85059747e-05f, -0.000800929323f, 0.00518823555f, -0.02685377f, 0.112835847f,
                   -0.37612626f, -6.06348109e-08f);
  } else {
    p = polynomial(z, -7.775936457609091e-10, 1.3709114646037879e-08, -1.6205888881041786e-07,
                   1.6447076996173043e-06, -1.4924707958506105e-05, 0.00012055293355404526,
                   -0.0008548325922084062, 0.005223977605971971, -0.026866170643094264, 0.11283791670944082,
                   -0.37612638903183515, -3.7327190569236484e-18);
  }
  return fma(x, Batch<T>(pick<T>(1.12837923f, 1.1283791670955126)), x * p);
}

/// pow where x is not positive, normal and finite, or y not finite, in some lane.
template <class T>
[[gnu::noinline, gnu::cold]] void pow_special(const Batch<T>& x, const Batch<T>& y,
                                              Batch<T>& result) noexcept {
  const Batch<T> zero(T(0)), one(T(1)), top(infinity<T>), nan(not_a_number<T>);
  const Batch<T> a = magnitude(x), y_size = magnitude(y), half = y_size * Batch<T>(T(0.5));
  Batch<T> e;
  const Batch<T> m = split_denormal(a, e);
  result = pow_reduced(m, e, y);

  const Batch<T> integers_only(pick<T>(8388608.0f, 4503599627370496.0));
  const Mask<T> integer = (y_size >= integers_only) | ((y_size + integers_only) - integers_only == y_size);
  const Mask<T> odd = integer & (half < integers_only) & !((half + integers_only) - integers_only == half);
  const Mask<T> extreme = (a == zero) | (a == top) | (y_size == top);
  const Batch<T> limit = select(((a > one) & (y > zero)) | ((a < one) & (y < zero)), top, zero);
  result = select(extreme, select(a == one, one, limit), result);
  result = select((x < zero) & (a < top) & !integer, nan, result);
  result = result | keep(odd, sign_bit(x));
  result = select((x == x) & (y == y), result, nan);
  result = select((y == zero) | (x == one), one, result);
}

}  // namespace xgrad::kernels::XGRAD_ARCH::detail

namespace xgrad::kernels::XGRAD_ARCH {

template <class T>
XGRAD_INLINE Batch<T> abs(const Batch<T>& x) {
  return detail::magnitude(x);
}

/// The smaller of the two; NaN if either is (torch.minimum).
template <class T>
XGRAD_INLINE Batch<T> min(const Batch<T>& x, const Batch<T>& y) {
  return select(x == x, min_or_second(x, y), x);
}

/// The larger of the two; NaN if either is (torch.maximum).
template <class T>
XGRAD_INLINE Batch<T> max(const Batch<T>& x, const Batch<T>& y) {
  return select(x == x, max_or_second(x, y), x);
}

/// -1, 0 or 1.
template <class T>
XGRAD_INLINE Batch<T> sign(const Batch<T>& x) {
  const Batch<T> zero(T(0));
  return select(x > zero, Batch<T>(T(1)), select(x < zero, Batch<T>(T(-1)), x));
}

template <class T>
XGRAD_INLINE Batch<T> sqrt(const Batch<T>& x) {
  return xsimd::sqrt(x);
}

/// 1 / sqrt(x), from a square root and a division: not the processor's twelve-bit estimate.
template <class T>
XGRAD_INLINE Batch<T> rsqrt(const Batch<T>& x) {
  return Batch<T>(T(1)) / xsimd::sqrt(x);
}

template <class T>
XGRAD_INLINE Batch<T> exp(const Batch<T>& x) {
  Batch<T> s;
  const Batch<T> p = detail::expm1_reduced(detail::reduce_exponent(detail::clamp_exponent(x), s));
  return fma(p, s, s) * s;
}

/// exp(x) - 1.
template <class T>
XGRAD_INLINE Batch<T> expm1(const Batch<T>& x) {
  Batch<T> s;
  const Batch<T> m = detail::expm1_over_s(detail::clamp_exponent(x), s);
  return (m * s) | detail::sign_bit(x);
}

template <class T>
XGRAD_INLINE Batch<T> log(const Batch<T>& x) {
  Batch<T> e, result;
  if (!all(detail::is_plain(x))) [[unlikely]] {
    detail::log_special(x, result);
    return result;
  }
  const Batch<T> m = detail::split_mantissa(x, e);
  return detail::log_reduced(m - Batch<T>(T(1)), e);
}

/// log(1 + x).
template <class T>
XGRAD_INLINE Batch<T> log1p(const Batch<T>& x) {
  using Bits = detail::Bits<T>;
  const Batch<T> one(T(1));
  Batch<T> lost, e;
  const Batch<T> u = detail::two_sum(one, x, lost), m = detail::split_mantissa(u, e);
  // m / u = 2^-e, by which the bits lost in 1 + x go into f.
  const Batch<T> scale = bit_cast<T>(bit_cast<Bits>(one) + bit_cast<Bits>(m) - bit_cast<Bits>(u));
  const Batch<T> result = detail::log_reduced(fma(lost, scale, m - one), e) | detail::sign_bit(x);
  const Mask<T> in_range = (u > Batch<T>(T(0))) & (u < Batch<T>(detail::pick<T>(1e30f, 1e300)));
  if (!all(in_range)) [[unlikely]] {
    Batch<T> special;
    detail::log_special(u, special);
    return select(in_range, result, special);
  }
  return result;
}

/// Logistic function 1 / (1 + exp(-x)).
template <class T>
XGRAD_INLINE Batch<T> sigmoid(const Batch<T>& x) {
  // Divided by s above and below, so that nothing overflows and tiny results keep their digits. The largest
  // term of the denominator comes last: that saves half a unit. Beyond 44 the one is long lost.
  const Batch<T> negated = detail::at_most(detail::at_least(-x, T(-44)), detail::pick<T>(110.0f, 750.0));
  Batch<T> s;
  const Batch<T> p = detail::expm1_reduced(detail::reduce_exponent(negated, s));
  const Batch<T> inverse_s = detail::power_over<0>(s);
  return inverse_s / (fma(s, p, inverse_s) + s);
}

/// log(1 + exp(x)): 2^-27.7, 2^-58.6.
template <class T>
XGRAD_INLINE Batch<T> softplus(const Batch<T>& x) {
  const Batch<T> e = exp(-detail::magnitude(x)), t = e / (e + Batch<T>(T(2))), z = t * t;
  Batch<T> g;
  if constexpr (std::is_same_v<T, float>) {
    g = detail::polynomial(z, 0.280072689f, 0.280029804f, 0.400214374f, 0.666664183f);
  } else {
    g = detail::polynomial(z, 0.1741451692934763, 0.08133386158387763, 0.12151485128439578,
                           0.13295529950071813, 0.1538694658151063, 0.18181727440127468, 0.22222224375825828,
                           0.28571428542678423, 0.400000000001824, 0.6666666666666631);
  }
  return detail::at_least(x, T(0)) + fma(t * z, g, t + t);
}

template <class T>
XGRAD_INLINE Batch<T> tanh(const Batch<T>& x) {
  // m / (m + 2) with m = exp(2 |x|) - 1, both divided by s.
  Batch<T> s;
  const Batch<T> twice = detail::at_most(detail::magnitude(x + x), detail::pick<T>(20.0f, 44.0));
  const Batch<T> p = detail::expm1_reduced(detail::reduce_exponent(twice, s));
  const Batch<T> two_over_s = detail::power_over<1>(s);
  const Batch<T> part = fma(s, p, fnma(two_over_s, Batch<T>(T(0.5)), s));
  return part / (part + two_over_s) | detail::sign_bit(x);
}

template <class T>
XGRAD_INLINE Batch<T> sinh(const Batch<T>& x) {
  Batch<T> s;
  const Batch<T> a = detail::at_most(detail::magnitude(x), detail::pick<T>(90.0f, 712.0));
  const Batch<T> part = detail::expm1_over_s(a, s), m = part * (s * Batch<T>(T(0.5)));
  const Batch<T> finite = detail::at_most(m, std::numeric_limits<T>::max());
  return (m + finite / (finite + finite + Batch<T>(T(1)))) | detail::sign_bit(x);
}

template <class T>
XGRAD_INLINE Batch<T> cosh(const Batch<T>& x) {
  Batch<T> s;
  const Batch<T> a = detail::at_most(detail::magnitude(x), detail::pick<T>(90.0f, 712.0));
  const Batch<T> p = detail::expm1_reduced(detail::reduce_exponent(a, s));
  const Batch<T> half = fma(p, s, s) * (s * Batch<T>(T(0.5)));
  return half + Batch<T>(T(0.25)) / half;
}

template <class T>
XGRAD_INLINE Batch<T> sin(const Batch<T>& x) {
  return detail::trigonometric<detail::Angle::sine>(x);
}

template <class T>
XGRAD_INLINE Batch<T> cos(const Batch<T>& x) {
  return detail::trigonometric<detail::Angle::cosine>(x);
}

template <class T>
XGRAD_INLINE Batch<T> tan(const Batch<T>& x) {
  return detail::trigonometric<detail::Angle::tangent>(x);
}

template <class T>
XGRAD_INLINE Batch<T> asin(const Batch<T>& x) {
  const Batch<T> a = detail::magnitude(x), half(T(0.5));
  const Mask<T> steep = a > half;
  const Batch<T> z = select(steep, fnma(a, half, half), a * a);
  const Batch<T> p = detail::asin_reduced(select(steep, xsimd::sqrt(z), a), z);
  return select(steep, Batch<T>(T(1.57079632679489661923)) - (p + p), p) | detail::sign_bit(x);
}

template <class T>
XGRAD_INLINE Batch<T> acos(const Batch<T>& x) {
  const Batch<T> a = detail::magnitude(x), half(T(0.5)), zero(T(0));
  const Mask<T> steep = a > half;
  const Batch<T> z = select(steep, fnma(a, half, half), a * a);
  const Batch<T> p = detail::asin_reduced(select(steep, xsimd::sqrt(z), a), z);
  const Batch<T> turn = select(steep, select(x < zero, Batch<T>(T(3.14159265358979323846)), zero),
                               Batch<T>(T(1.57079632679489661923)));
  const Batch<T> part = select(steep, -(p + p), p) ^ detail::sign_bit(x);
  return turn - part;
}

template <class T>
XGRAD_INLINE Batch<T> atan(const Batch<T>& x) {
  return detail::first_quadrant(detail::magnitude(x), Batch<T>(T(1))) | detail::sign_bit(x);
}

/// The angle of the point (x, y), in [-pi, pi].
template <class T>
XGRAD_INLINE Batch<T> atan2(const Batch<T>& y, const Batch<T>& x) {
  const Batch<T> one(T(1)), zero(T(0)), y_size = detail::magnitude(y), x_size = detail::magnitude(x);
  const Mask<T> diagonal = (y_size == x_size) & (y_size > zero);  // two infinities included
  const Batch<T> a = select(diagonal, one, y_size), b = select(diagonal, one, x_size);
  const Batch<T> large(std::numeric_limits<T>::max() / 4);
  const Batch<T> scale = select((a > large) | (b > large), Batch<T>(T(0.25)), one);
  const Batch<T> angle = detail::first_quadrant(a * scale, b * scale);
  const Mask<T> left = (detail::sign_bit(x) | one) < zero;
  return select(left, Batch<T>(T(3.14159265358979323846)) - angle, angle) | detail::sign_bit(y);
}

/// Error function. Below 1 odd polynomial, above it 1 - exp(-x^2) T(1 / (2 + x)): 2^-28.9, 2^-55.7.
template <class T>
XGRAD_INLINE Batch<T> erf(const Batch<T>& x) {
  const Batch<T> a = detail::magnitude(x), z = a * a, one(T(1)), u = one / (a + Batch<T>(T(2)));
  Batch<T> outer;
  if constexpr (std::is_same_v<T, float>) {
    outer = detail::polynomial(u, -7.38293409f, 10.1829081f, -0.513370752f, 1.58653629f, 0.519498467f,
                               0.00181687309f);
  } else {
    outer = detail::polynomial(u, -211.6357215481291, 746.3880257280423, -1150.5943772591195,
                               992.5865213538627, -509.4839944878111, 160.64766699618434, -40.936424411824454,
                               9.846190987784514, 1.904436888054605, 2.0576704140315303, 1.1233309104640286,
                               0.564374248965254, -3.0610303155636902e-06);
  }
  const Batch<T> far = fnma(exp(-z), outer, one);
  return select(a < one, detail::erf_below_one(a, z), far) | detail::sign_bit(x);
}

/// 1 - erf(x), with all digits where that is small: from 1/2 on exp(-x^2) P(t) / (1 + 2 x) with
/// t = (x - k) / (x + k). 2^-27.9, 2^-53.7.
template <class T>
XGRAD_INLINE Batch<T> erfc(const Batch<T>& x) {
  const Batch<T> one(T(1)), k(detail::pick<T>(2.8671875f, 3.8125));
  const Batch<T> a = detail::at_most(detail::magnitude(x), detail::pick<T>(10.5f, 27.5)), z = a * a;
  const Batch<T> t = (a - k) / (a + k);
  Batch<T> p;
  if constexpr (std::is_same_v<T, float>) {
    p = detail::polynomial(t, -0.00023110953f, -0.00026733437f, 0.00216471055f, -0.00062884792f,
                           -0.0166367553f, 0.0603253171f, -0.117467359f, 0.137948856f, -0.0596982278f,
                           -0.133194596f, 1.25605214f);
  } else {
    p = detail::polynomial(
        t, -4.512407962957456e-10, -4.422483874025706e-09, -5.825503117091837e-09, 3.41900586212291e-08,
        6.008050953996467e-08, -2.3078806021677706e-07, -3.239441608422784e-07, 1.7486268115755564e-06,
        7.103588044393653e-07, -1.3468181058277402e-05, 1.4373737896183317e-05, 8.064490236407533e-05,
        -0.00030065668797770454, 0.00011018514414255484, 0.0024679105651169188, -0.011296473856694756,
        0.03063056269249779, -0.06081432180597639, 0.09290774430750696, -0.10697124619064918,
        0.07862435546319933, 0.00673880745082136, -0.14015514677325874, 1.2363539084541144);
  }
  const Batch<T> e = exp(-z), exact = fma(e, detail::residual(a, a, z), e);  // z is rounded
  const Batch<T> far = exact * p / (a + a + one);
  const Batch<T> positive = select(a < Batch<T>(T(0.5)), one - detail::erf_below_one(a, z), far);
  return select(x < Batch<T>(T(0)), one + one - positive, positive);
}

/// x to the power y, with the special cases of C: 1 for y = 0 and for x = 1, NaN for a negative x and a y
/// that is no integer. About 2^-50 in double: log x is kept in two numbers.
template <class T>
XGRAD_INLINE Batch<T> pow(const Batch<T>& x, const Batch<T>& y) {
  Batch<T> e, result;
  if (!all(detail::is_plain(x) & (detail::magnitude(y) < Batch<T>(detail::infinity<T>)))) [[unlikely]] {
    detail::pow_special(x, y, result);
    return result;
  }
  const Batch<T> m = detail::split_mantissa(x, e);
  return detail::pow_reduced(m, e, y);
}

// Functions of which there is no SIMD code: lane by lane, in double.
namespace detail {

template <class T>
XGRAD_INLINE Batch<T> by_lane(auto f, const Batch<T>& x) {
  T lane[lanes<T>];
  store(lane, x);
  for (T& value : lane) value = static_cast<T>(f(static_cast<double>(value)));
  return load(lane);
}

template <class T>
XGRAD_INLINE Batch<T> by_lane(auto f, const Batch<T>& x, const Batch<T>& y) {
  T lane[lanes<T>], other[lanes<T>];
  store(lane, x);
  store(other, y);
  for (std::size_t i = 0; i < lanes<T>; ++i)
    lane[i] = static_cast<T>(f(static_cast<double>(lane[i]), static_cast<double>(other[i])));
  return load(lane);
}

}  // namespace detail

template <class T>
XGRAD_INLINE Batch<T> floor(const Batch<T>& x) {
  return detail::by_lane([](double a) __attribute__((always_inline)) { return __builtin_floor(a); }, x);
}

/// What a division of x by y leaves over, with x's sign: exact.
template <class T>
XGRAD_INLINE Batch<T> fmod(const Batch<T>& x, const Batch<T>& y) {
  return detail::by_lane(
      [](double a, double b) __attribute__((always_inline)) { return __builtin_fmod(a, b); }, x, y);
}

template <class T>
XGRAD_INLINE Batch<T> erfinv(const Batch<T>& x) {
  return detail::by_lane(kernels::inverse_erf, x);
}

template <class T>
XGRAD_INLINE Batch<T> lgamma(const Batch<T>& x) {
  return detail::by_lane(kernels::log_gamma, x);
}

template <class T>
XGRAD_INLINE Batch<T> polygamma(const Batch<T>& n, const Batch<T>& x) {
  return detail::by_lane(kernels::polygamma, n, x);
}

}  // namespace xgrad::kernels::XGRAD_ARCH
