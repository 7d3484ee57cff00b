// Running sums and products along an axis.
#include <limits>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad {

using namespace detail;

namespace {

template <Real T>
struct CumSum {
  static constexpr std::string_view name = "cumsum";
  std::size_t axis;
  bool from_the_end = false;

  Tensor<T> forward(const Tensor<T>& x) const {
    Tensor<T> y = empty<T>(x.shape());
    const AxisView view(x.shape(), axis);
    launch(kernels_of(x).cumulative_sum, reads(x), writes(y), view.outer, view.extent, view.inner,
           from_the_end);
    return y;
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    return {apply(CumSum{axis, !from_the_end}, Location::current(), g)};
  }
};

// y[i] = x[0] op … op x[i]: twice as many operands in every step (Hillis and Steele 1986). Of recorded ops,
// so that it is right to every order; `none` is what op leaves as it is.
template <Real T, class F>
Tensor<T> scanned(Tensor<T> y, std::int64_t axis, double none, Location at, F op) {
  const std::int64_t extent = y.shape()[static_cast<std::size_t>(axis)];
  Shape front = y.shape();
  for (std::int64_t step = 1; step < extent; step *= 2) {
    front.set(static_cast<std::size_t>(axis), step);
    const Tensor<T> before = cat({full<T>(front, none), narrow(y, axis, 0, extent - step, at)}, axis, at);
    y = op(before, y);
  }
  return y;
}

}  // namespace

template <Real T>
Tensor<T> cumprod(const Tensor<T>& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("cumprod", x);
  const auto along = static_cast<std::int64_t>(normalize_axis("cumprod", axis, x.shape()));
  return scanned(x, along, 1, at, [](const Tensor<T>& a, const Tensor<T>& b) { return a * b; });
}

template <Real T>
Tensor<T> logcumsumexp(const Tensor<T>& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("logcumsumexp", x);
  const auto along = static_cast<std::int64_t>(normalize_axis("logcumsumexp", axis, x.shape()));
  return scanned(x, along, -std::numeric_limits<double>::infinity(), at,
                 [=](const Tensor<T>& a, const Tensor<T>& b) { return logaddexp(a, b, at); });
}

template <Real T>
Tensor<T> cumsum(const Tensor<T>& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("cumsum", x);
  return apply(CumSum<T>{normalize_axis("cumsum", axis, x.shape())}, at, x);
}

#define XGRAD_INSTANTIATE(T)                                            \
  template Tensor<T> cumsum(const Tensor<T>&, std::int64_t, Location);  \
  template Tensor<T> cumprod(const Tensor<T>&, std::int64_t, Location); \
  template Tensor<T> logcumsumexp(const Tensor<T>&, std::int64_t, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
