// RMSprop.
#include <xgrad/optim/rmsprop.hpp>

#include <xgrad/optim/update.hpp>

namespace xgrad::optim {

template <>
struct Update<RMSpropOptions> {
  using Options = RMSpropOptions;
  static constexpr const char* name = "RMSprop";

  static void check(const Options& o) {
    detail::check_option(name, "alpha", o.alpha, 0, 1);
    detail::check_option(name, "eps", o.eps);
    detail::check_option(name, "weight_decay", o.weight_decay);
    detail::check_option(name, "momentum", o.momentum);
  }
  static double* momentum(Options& o) { return o.momentum > 0 ? &o.momentum : nullptr; }
  static std::array<Buffer, 3> buffers(const Options& o) {
    return {{{"square_avg"}, {"grad_avg", o.centered}, {"momentum_buffer", o.momentum > 0}}};
  }

  Update(const Options& o, bool momentum)
      : with_momentum(momentum),
        centered(o.centered),
        decays(o.weight_decay > 0),
        numbers{sign_of(o), o.lr, o.alpha, 1 - o.alpha, o.eps, o.weight_decay, o.momentum, 0} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    return choose([](auto... b) { return in_place<formulas::RMSpropUpdate<b...>, T>(); }, centered,
                  with_momentum, decays);
  }
  const double* operator()(std::int64_t) { return numbers.data(); }

  bool with_momentum, centered, decays;
  std::array<double, 8> numbers;
};

#define XGRAD_INSTANTIATE(T) template class FormulaOptimizer<T, RMSpropOptions>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
