// Dropout.
#include <xgrad/ops/dropout.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/layout.hpp>

namespace xgrad {

namespace {

template <Real T>
struct Dropout {
  static constexpr std::string_view name = "dropout";
  double p;
  Generator& generator;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& x) const {
    const Tensor<float> kept = rand<float>(x.shape(), generator) >= p;
    const Tensor<T> mask = kept.template to<T>() * (p < 1 ? 1 / (1 - p) : 0);
    save(mask);
    return x * mask;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const { return {g * saved[0]}; }
};

}  // namespace

template <Real T>
Tensor<T> dropout(const Tensor<T>& x, double p, bool training, Generator& generator, Location at) {
  const detail::CallSite call(at);
  detail::check_defined("dropout", x);
  if (!(p >= 0 && p <= 1))
    throw ValueError(fmt::format("dropout: p is {}; a probability lies between 0 and 1", p));
  if (!training || p == 0) return x;
  return apply(Dropout<T>{p, generator}, at, x);
}

#define XGRAD_INSTANTIATE(T) template Tensor<T> dropout(const Tensor<T>&, double, bool, Generator&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
