// Special functions of one number, where there is no SIMD code for them.
#pragma once

namespace xgrad::kernels {

/// log |gamma(x)|; infinite at 0, -1, -2, ….
double log_gamma(double x);
/// The derivative of order n + 1 of log_gamma, for n = 0, 1, …; NaN for another n. At 0, -1, -2, …, its
/// poles, infinite, or for n = 0 below 0 NaN. Reflected and shifted until the asymptotic series holds
/// (DLMF 5.15).
double polygamma(double n, double x);
/// y with erf(y) = x: infinite at -1 and 1, NaN beyond.
double inverse_erf(double x);

}  // namespace xgrad::kernels
