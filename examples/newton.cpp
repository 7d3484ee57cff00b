// Newton's method without a Hessian: each step solves H d = -g by conjugate gradients, which need only
// products H v, the gradients of g · v. It minimises Rosenbrock's valley in a hundred dimensions, beside
// gradient descent.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <xgrad/xgrad.hpp>

namespace {

using namespace xgrad;
using D = Tensor<double>;

D valley(const D& x) {
  const std::int64_t n = x.size(0);
  const D head = narrow(x, 0, 0, n - 1), tail = narrow(x, 0, 1, n - 1);
  return sum(100 * square(tail - square(head)) + square(1 - head));
}

// d with H d = -g, or a direction of no curvature, where that is met (Nocedal & Wright 2006, algorithm 7.1).
D newton_direction(const D& x, const D& g) {
  D d = zeros_like(x), residual = g, p = -g;
  double rest = sum(square(residual)).item();
  const double enough = rest * std::min(0.25, std::sqrt(std::sqrt(rest)));
  for (int k = 0; k < 200 && rest > enough; ++k) {
    const D curved = hvp(valley, x, p).second;
    const double curvature = sum(p * curved).item();
    if (curvature <= 0) return k == 0 ? -g : d;
    const double length = rest / curvature;
    d = d + length * p;
    residual = residual + length * curved;
    const double next = sum(square(residual)).item();
    p = (next / rest) * p - residual;
    rest = next;
  }
  return d;
}

}  // namespace

int main() try {
  D x = full<double>({100}, -1);
  int steps = 0;
  for (; steps < 500; ++steps) {
    const D leaf = x.clone().set_requires_grad();
    const D value = valley(leaf), g = grad(value, leaf);
    const no_grad scope;
    const double slope = norm(g).item();
    if (steps % 20 == 0) fmt::print("step {:3}: value {:11.5g}, slope {:9.3g}\n", steps, value.item(), slope);
    if (slope < 1e-8) break;
    D d;
    {
      const enable_grad inside;
      d = newton_direction(x, g);
    }
    const double along = sum(g * d).item();
    double length = 1;
    while (valley(x + length * d).item() > value.item() + 1e-4 * length * along && length > 1e-10)
      length /= 2;
    x = x + length * d;
  }
  const double left = norm(x - 1).item();
  fmt::print("{} steps of Newton's method end {:.1g} from the minimum\n", steps, left);
  return left < 1e-6 ? 0 : 1;
} catch (const std::exception& error) {
  fmt::print(stderr, "newton: {}\n", error.what());
  return 1;
}
