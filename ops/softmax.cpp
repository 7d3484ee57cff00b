// softmax and log_softmax: fused along rows, composed of other ops along other axes and where they are
// recorded.
#include <xgrad/ops/softmax.hpp>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad {

namespace {

template <Real T, bool logarithm>
struct Softmax {
  static constexpr std::string_view name = logarithm ? "log_softmax" : "softmax";
  std::int64_t axis;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    const Tensor<T> y = value(x);
    save(y);
    return y;
  }

  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> y = saved[0];
    const detail::AxisView view(y.shape(), static_cast<std::size_t>(axis));
    if (view.inner == 1 && !saved.recording()) {
      Tensor<T> dx = empty<T>(y.shape());
      const auto& k = detail::kernels_of(y);
      launch(logarithm ? k.log_softmax_adjoint : k.softmax_adjoint, reads(y), reads(g), writes(dx), view.outer,
             view.extent);
      return {dx};
    }
    if (logarithm) return {g - exp(y) * sum(g, axis, true)};
    return {y * (g - sum(g * y, axis, true))};
  }

 private:
  Tensor<T> value(const Tensor<T>& x) const {
    const detail::AxisView view(x.shape(), static_cast<std::size_t>(axis));
    if (view.inner == 1 || x.elements() == 0) {
      Tensor<T> y = empty<T>(x.shape());
      const auto& k = detail::kernels_of(x);
      launch(logarithm ? k.log_softmax : k.softmax, reads(x), writes(y), view.outer, view.extent);
      return y;
    }
    const Tensor<T> z = x - amax(x, axis, true);
    if (logarithm) return z - log(sum(exp(z), axis, true));
    const Tensor<T> e = exp(z);
    return e / sum(e, axis, true);
  }
};

template <Real T, bool logarithm>
Tensor<T> apply_softmax(const Tensor<T>& x, std::int64_t axis, Location at) {
  const detail::CallSite call(at);
  const auto name = Softmax<T, logarithm>::name;
  detail::check_defined(name, x);
  return apply(Softmax<T, logarithm>{static_cast<std::int64_t>(normalize_axis(name, axis, x.shape()))}, at,
               x);
}

}  // namespace

template <Real T>
Tensor<T> softmax(const Tensor<T>& x, std::int64_t axis, Location at) {
  return apply_softmax<T, false>(x, axis, at);
}

template <Real T>
Tensor<T> log_softmax(const Tensor<T>& x, std::int64_t axis, Location at) {
  return apply_softmax<T, true>(x, axis, at);
}

#define XGRAD_INSTANTIATE(T)                                            \
  template Tensor<T> softmax(const Tensor<T>&, std::int64_t, Location); \
  template Tensor<T> log_softmax(const Tensor<T>&, std::int64_t, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
