// Running sums along an axis.
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
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

}  // namespace

template <Real T>
Tensor<T> cumsum(const Tensor<T>& x, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("cumsum", x);
  return apply(CumSum<T>{normalize_axis("cumsum", axis, x.shape())}, at, x);
}

#define XGRAD_INSTANTIATE(T) template Tensor<T> cumsum(const Tensor<T>&, std::int64_t, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
