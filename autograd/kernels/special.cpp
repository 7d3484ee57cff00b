// Special functions of one number, where there is no SIMD code for them.
#include <xgrad/autograd/kernels/special.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace xgrad::kernels {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity(),
                 not_a_number = std::numeric_limits<double>::quiet_NaN(), pi = std::numbers::pi;

// The n-th derivative of cot(u) is a polynomial in c = cot(u), for c' = -(1 + c²).
double derivative_of_cot(int n, double c) {
  std::array<double, 160> p{0, 1};
  for (int k = 0; k < n; ++k) {
    std::array<double, 160> next{};
    for (std::size_t j = 1; j <= static_cast<std::size_t>(k) + 1; ++j) {
      const double slope = static_cast<double>(j) * p[j];
      next[j - 1] -= slope;
      next[j + 1] -= slope;
    }
    p = next;
  }
  double sum = 0;
  for (int j = n + 1; j >= 0; --j) sum = sum * c + p[static_cast<std::size_t>(j)];
  return sum;
}

// (-1)^(n+1) times it, for x > 0, but for n = 0, of which it is the negative: then all terms have one sign.
double polygamma_of_positive(int n, double x) {
  constexpr std::array bernoulli{1. / 6,       -1. / 30, 1. / 42,      -1. / 30,     5. / 66,
                                 -691. / 2730, 7. / 6,   -3617. / 510, 43867. / 798, -174611. / 330};
  const double factorial = std::tgamma(n + 1.);
  double sum = 0;
  for (; x < 15 + n; ++x) sum += factorial / std::pow(x, n + 1);
  const double base = std::pow(x, -n);
  sum += n == 0 ? -std::log(x) : std::tgamma(n) * base;
  sum += factorial * base / (2 * x);
  double term = factorial * base * (n + 1) / (x * x) / 2;  // (2k + n - 1)! / (2k)! / x^(2k + n) for k = 1
  for (std::size_t k = 1; k <= bernoulli.size(); ++k) {
    sum += bernoulli[k - 1] * term;
    const auto m = static_cast<double>(2 * k);
    term *= (m + n) * (m + n + 1) / ((m + 1) * (m + 2) * x * x);
  }
  return sum;
}

}  // namespace

double log_gamma(double x) {
  int sign = 0;
  return lgamma_r(x, &sign);  // lgamma writes a global variable
}

double polygamma(double n, double x) {
  if (!(n >= 0) || n != std::floor(n) || n > 150 || x != x) return not_a_number;
  const int order = static_cast<int>(n);
  const bool even = order % 2 == 0;
  if (x == infinity) return order == 0 ? infinity : 0;
  if (x > 0) return (even ? -1 : 1) * polygamma_of_positive(order, x);
  if (x == 0 && order == 0) return std::copysign(infinity, -x);
  if (x == std::floor(x)) return order == 0 ? not_a_number : even ? -infinity : infinity;
  const double cot = 1 / std::tan(pi * (x - std::round(x)));
  return -polygamma_of_positive(order, 1 - x) - std::pow(pi, n + 1) * derivative_of_cot(order, cot);
}

double inverse_erf(double x) {
  const double size = std::abs(x);
  if (!(size < 1)) return size == 1 ? x * infinity : not_a_number;
  // Winitzki's approximation (2008), good to 2e-3; then Halley's steps, each of which triples the digits.
  constexpr double a = 0.147;
  const double l = std::log1p(-size * size), h = 2 / (pi * a) + l / 2;
  double y = std::sqrt(std::sqrt(h * h - l / a) - h);
  for (int step = 0; step < 3; ++step) {
    const double excess = size < 0.5 ? std::erf(y) - size : (1 - size) - std::erfc(y);
    const double u = excess * std::exp(y * y) * (std::sqrt(pi) / 2);
    y -= u / (1 + y * u);
  }
  return std::copysign(y, x);
}

}  // namespace xgrad::kernels
