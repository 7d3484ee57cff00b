// What became of Adam: NAdam, RAdam, Adamax and Lion.
#include <xgrad/optim/adam_variants.hpp>

#include <xgrad/optim/update.hpp>

namespace xgrad::optim {

template <>
struct Update<NAdamOptions> {
  using Options = NAdamOptions;
  static constexpr const char* name = "NAdam";

  static void check(const Options& o) {
    check_adam_options(name, o);
    detail::check_option(name, "momentum_decay", o.momentum_decay);
  }
  static double* momentum(Options& o) { return &o.betas[0]; }
  static std::array<Buffer, 2> buffers(const Options&) { return {{{"exp_avg"}, {"exp_avg_sq"}}}; }

  Update(const Options& o, bool)
      : o_(o),
        numbers{sign_of(o),
                0,
                0,
                o.eps,
                0,
                o.betas[0],
                1 - o.betas[0],
                o.betas[1],
                1 - o.betas[1],
                o.weight_decay,
                o.decoupled_weight_decay ? 1 - o.lr * o.weight_decay : 1} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    return choose([](auto d) { return in_place<formulas::NAdamUpdate<d>, T>(); },
                  !o_.decoupled_weight_decay && o_.weight_decay > 0);
  }
  const double* operator()(std::int64_t t) {
    if (t < counted) counted = 0, product = 1;
    while (counted < t && product > 1e-17) product *= mu(++counted);  // 1 less than that is 1
    numbers[1] = o_.lr * (1 - mu(t)) / (1 - product);
    numbers[2] = o_.lr * mu(t + 1) / (1 - product * mu(t + 1));
    numbers[4] = 1 / correction(o_.betas[1], t);
    return numbers.data();
  }

  double mu(std::int64_t t) const {
    return o_.betas[0] * (1 - 0.5 * std::pow(0.96, static_cast<double>(t) * o_.momentum_decay));
  }

  Options o_;
  std::array<double, 11> numbers;
  std::int64_t counted = 0;
  double product = 1;  // of mu(1) to mu(counted)
};

template <>
struct Update<RAdamOptions> {
  using Options = RAdamOptions;
  static constexpr const char* name = "RAdam";

  static void check(const Options& o) {
    check_adam_options(name, o);
  }
  static double* momentum(Options& o) { return &o.betas[0]; }
  static std::array<Buffer, 2> buffers(const Options&) { return {{{"exp_avg"}, {"exp_avg_sq"}}}; }

  Update(const Options& o, bool)
      : o_(o),
        numbers{sign_of(o),
                0,
                0,
                o.eps,
                o.betas[0],
                1 - o.betas[0],
                o.betas[1],
                1 - o.betas[1],
                o.weight_decay,
                o.decoupled_weight_decay ? 1 - o.lr * o.weight_decay : 1,
                0} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    return choose([](auto d) { return in_place<formulas::RAdamUpdate<d>, T>(); },
                  !o_.decoupled_weight_decay && o_.weight_decay > 0);
  }
  const double* operator()(std::int64_t t) {
    const double longest = 2 / (1 - o_.betas[1]) - 1, rest = correction(o_.betas[1], t);
    const double length = longest - 2 * static_cast<double>(t) * (1 - rest) / rest;
    numbers[1] = o_.lr / correction(o_.betas[0], t);
    numbers[2] = length > 5 ? numbers[1] * std::sqrt(rest * (length - 4) * (length - 2) * longest /
                                                     ((longest - 4) * (longest - 2) * length))
                            : 0;
    return numbers.data();
  }

  Options o_;
  std::array<double, 11> numbers;
};

template <>
struct Update<AdamaxOptions> {
  using Options = AdamaxOptions;
  static constexpr const char* name = "Adamax";

  static void check(const Options& o) {
    check_adam_options(name, o);
  }
  static double* momentum(Options& o) { return &o.betas[0]; }
  static std::array<Buffer, 2> buffers(const Options&) { return {{{"exp_avg"}, {"exp_inf"}}}; }

  Update(const Options& o, bool)
      : o_(o), numbers{sign_of(o), 0, o.eps, o.betas[0], 1 - o.betas[0], o.betas[1], o.weight_decay} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    return choose([](auto d) { return in_place<formulas::AdamaxUpdate<d>, T>(); }, o_.weight_decay > 0);
  }
  const double* operator()(std::int64_t t) {
    numbers[1] = o_.lr / correction(o_.betas[0], t);
    return numbers.data();
  }

  Options o_;
  std::array<double, 7> numbers;
};

template <>
struct Update<LionOptions> {
  using Options = LionOptions;
  static constexpr const char* name = "Lion";

  static void check(const Options& o) {
    check_adam_options(name, o);
  }
  static double* momentum(Options& o) { return &o.betas[0]; }
  static std::array<Buffer, 1> buffers(const Options&) { return {{{"exp_avg"}}}; }

  Update(const Options& o, bool)
      : numbers{sign_of(o),
                o.lr,
                o.betas[0],
                1 - o.betas[0],
                o.betas[1],
                1 - o.betas[1],
                1 - o.lr * o.weight_decay} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    return in_place<formulas::LionUpdate, T>();
  }
  const double* operator()(std::int64_t) { return numbers.data(); }

  std::array<double, 7> numbers;
};

#define XGRAD_INSTANTIATE(T)                         \
  template class FormulaOptimizer<T, NAdamOptions>;  \
  template class FormulaOptimizer<T, RAdamOptions>;  \
  template class FormulaOptimizer<T, AdamaxOptions>; \
  template class FormulaOptimizer<T, LionOptions>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
