// Optimizers with a rate for each element: Adagrad, Adadelta and Rprop.
#include <xgrad/optim/adagrad.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/optim/update.hpp>

namespace xgrad::optim {

template <>
struct Update<AdagradOptions> {
  using Options = AdagradOptions;
  static constexpr const char* name = "Adagrad";

  static void check(const Options& o) {
    detail::check_option(name, "lr_decay", o.lr_decay);
    detail::check_option(name, "weight_decay", o.weight_decay);
    detail::check_option(name, "initial_accumulator_value", o.initial_accumulator_value);
    detail::check_option(name, "eps", o.eps);
  }
  static double* momentum(Options&) { return nullptr; }
  static std::array<Buffer, 1> buffers(const Options& o) {
    return {{{"sum", true, o.initial_accumulator_value}}};
  }

  Update(const Options& o, bool) : o_(o), numbers{sign_of(o), 0, o.eps, o.weight_decay} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    return choose([](auto d) { return in_place<formulas::AdagradUpdate<d>, T>(); }, o_.weight_decay > 0);
  }
  const double* operator()(std::int64_t t) {
    numbers[1] = o_.lr / (1 + static_cast<double>(t - 1) * o_.lr_decay);
    return numbers.data();
  }

  Options o_;
  std::array<double, 4> numbers;
};

template <>
struct Update<AdadeltaOptions> {
  using Options = AdadeltaOptions;
  static constexpr const char* name = "Adadelta";

  static void check(const Options& o) {
    if (o.rho != 1) detail::check_option(name, "rho", o.rho, 0, 1);
    detail::check_option(name, "eps", o.eps);
    detail::check_option(name, "weight_decay", o.weight_decay);
  }
  static double* momentum(Options&) { return nullptr; }
  static std::array<Buffer, 2> buffers(const Options&) { return {{{"square_avg"}, {"acc_delta"}}}; }

  Update(const Options& o, bool)
      : decays(o.weight_decay > 0), numbers{sign_of(o), o.lr, o.rho, 1 - o.rho, o.eps, o.weight_decay} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    return choose([](auto d) { return in_place<formulas::AdadeltaUpdate<d>, T>(); }, decays);
  }
  const double* operator()(std::int64_t) { return numbers.data(); }

  bool decays;
  std::array<double, 6> numbers;
};

template <>
struct Update<RpropOptions> {
  using Options = RpropOptions;
  static constexpr const char* name = "Rprop";

  static void check(const Options& o) {
    if (!(o.etas[0] > 0 && o.etas[0] < 1))
      throw ValueError(fmt::format("Rprop: etas[0] is {}; it lies between 0 and 1", o.etas[0]));
    if (!(o.etas[1] > 1)) throw ValueError(fmt::format("Rprop: etas[1] is {}; it is above 1", o.etas[1]));
    detail::check_option(name, "etas[1]", o.etas[1]);
    detail::check_option(name, "step_sizes[0]", o.step_sizes[0]);
    detail::check_option(name, "step_sizes[1]", o.step_sizes[1], o.step_sizes[0]);
  }
  static double* momentum(Options&) { return nullptr; }
  static std::array<Buffer, 2> buffers(const Options& o) { return {{{"prev"}, {"step_size", true, o.lr}}}; }

  Update(const Options& o, bool)
      : numbers{sign_of(o), o.etas[0], o.etas[1], o.step_sizes[0], o.step_sizes[1], 0, 1} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    return in_place<formulas::RpropUpdate, T>();
  }
  const double* operator()(std::int64_t) { return numbers.data(); }

  std::array<double, 7> numbers;
};

#define XGRAD_INSTANTIATE(T)                           \
  template class FormulaOptimizer<T, AdagradOptions>;  \
  template class FormulaOptimizer<T, AdadeltaOptions>; \
  template class FormulaOptimizer<T, RpropOptions>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
