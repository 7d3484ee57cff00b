// Stochastic gradient descent.
#include <xgrad/optim/sgd.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/optim/update.hpp>

namespace xgrad::optim {

template <>
struct Update<SGDOptions> {
  using Options = SGDOptions;
  static constexpr const char* name = "SGD";

  static void check(const Options& o) {
    detail::check_option(name, "momentum", o.momentum);
    detail::check_option(name, "dampening", o.dampening);
    detail::check_option(name, "weight_decay", o.weight_decay);
    if (o.nesterov && (o.momentum == 0 || o.dampening != 0))
      throw ValueError("SGD: nesterov needs a momentum above 0 and no dampening");
  }
  static double* momentum(Options& o) { return o.momentum != 0 ? &o.momentum : nullptr; }
  static std::array<Buffer, 1> buffers(const Options& o) { return {{{"momentum_buffer", o.momentum != 0}}}; }

  Update(const Options& o, bool momentum)
      : with_momentum(momentum),
        nesterov(o.nesterov),
        decays(o.weight_decay > 0),
        first{sign_of(o), o.lr, o.weight_decay, o.momentum, 0, 1},
        later{sign_of(o), o.lr, o.weight_decay, o.momentum, o.momentum, 1 - o.dampening} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    if (!with_momentum) return choose([](auto d) { return in_place<formulas::SGDUpdate<d>, T>(); }, decays);
    return choose([](auto... b) { return in_place<formulas::MomentumUpdate<b...>, T>(); }, nesterov, decays);
  }
  const double* operator()(std::int64_t t) { return t == 1 ? first.data() : later.data(); }

  bool with_momentum, nesterov, decays;
  std::array<double, 6> first, later;  // of the formula without momentum only the beginning
};

#define XGRAD_INSTANTIATE(T) template class FormulaOptimizer<T, SGDOptions>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
