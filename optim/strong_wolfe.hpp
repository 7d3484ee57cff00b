// The line search of LBFGS.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include <xgrad/autograd/core/dtype.hpp>

namespace xgrad::optim::detail {

// A point of the line: how far along the direction, the loss there, its slope, and the whole gradient.
template <Real T>
struct LinePoint {
  double length, loss, slope;
  std::vector<T> gradient;
};

// Where the cubic through two points, with their slopes, is least between low and high.
template <Real T>
double cubic_minimum(const LinePoint<T>& a, const LinePoint<T>& b, double low, double high) {
  const auto& [left, right] = a.length <= b.length ? std::pair(&a, &b) : std::pair(&b, &a);
  const double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double at = right->length - (right->length - left->length) *
                                        ((right->slope + d2 - d1) / (right->slope - left->slope + 2 * d2));
  return std::min(std::max(at, low), high);
}

// A length at which the loss is low enough and the slope small (Nocedal & Wright 2006, algorithms 3.5
// and 3.6, with the choices of torch.optim.LBFGS). `evaluate(length)` moves there. `step` is the largest
// element of the direction.
template <Real T>
LinePoint<T> strong_wolfe(const LinePoint<T>& start, double length, double step,
                          const std::function<LinePoint<T>(double)>& evaluate) {
  constexpr double c1 = 1e-4, c2 = 0.9, tolerance_change = 1e-9;
  constexpr int most = 25;
  const auto too_high = [&](const LinePoint<T>& x) {
    return x.loss > start.loss + c1 * x.length * start.slope;
  };
  const auto flat = [&](const LinePoint<T>& x) { return std::abs(x.slope) <= -c2 * start.slope; };

  // Out, to a bracket that has such a point in it.
  LinePoint<T> before = start, now = evaluate(length);
  int n = 0;
  for (;; ++n) {
    if (n == most) {
      before = start;
      break;
    }
    if (too_high(now) || (n > 1 && now.loss >= before.loss)) break;
    if (flat(now)) return now;
    if (now.slope >= 0) break;
    const double next =
        cubic_minimum(before, now, now.length + 0.01 * (now.length - before.length), now.length * 10);
    before = std::move(now);
    now = evaluate(next);
  }

  // And into it.
  bool low_first = before.loss <= now.loss;  // which of the two PyTorch has first decides ties
  LinePoint<T> low = low_first ? before : now, high = low_first ? now : before;
  bool stuck = false;
  for (; n < most && !(std::abs(high.length - low.length) * step < tolerance_change); ++n) {
    const double left = std::min(low.length, high.length), right = std::max(low.length, high.length);
    double next = cubic_minimum(low, high, left, right);
    const double margin = 0.1 * (right - left);
    if (std::min(right - next, next - left) < margin) {  // at the edge for the second time
      if (stuck || next >= right || next <= left) {
        next = std::abs(next - right) < std::abs(next - left) ? right - margin : left + margin;
        stuck = false;
      } else {
        stuck = true;
      }
    } else {
      stuck = false;
    }
    LinePoint<T> found = evaluate(next);
    if (too_high(found) || found.loss >= low.loss) {
      high = std::move(found);
      if (high.loss < low.loss || (!low_first && high.loss == low.loss)) {
        std::swap(low, high);
        low_first = !low_first;
      }
      continue;
    }
    if (flat(found)) return found;
    if (found.slope * (high.length - low.length) >= 0) high = std::move(low);
    low = std::move(found);
  }
  return low;
}

}  // namespace xgrad::optim::detail
