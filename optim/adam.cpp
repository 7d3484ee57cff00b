// Adam and AdamW.
#include <xgrad/optim/adam.hpp>

#include <xgrad/optim/update.hpp>

namespace xgrad::optim {

// Both have the same options, and differ in what the weight decay acts on.
template <class O>
struct AdamRule {
  static double* momentum(O& o) { return &o.betas[0]; }
  static std::array<Buffer, 3> buffers(const O& o) {
    return {{{"exp_avg"}, {"exp_avg_sq"}, {"max_exp_avg_sq", o.amsgrad}}};
  }

  AdamRule(const O& o, bool decoupled)
      : o_(o),
        decays(!decoupled && o.weight_decay > 0),
        numbers{sign_of(o),
                0,
                0,
                o.betas[0],
                1 - o.betas[0],
                o.betas[1],
                1 - o.betas[1],
                o.weight_decay,
                decoupled ? 1 - o.lr * o.weight_decay : 1} {}

  template <Real T>
  kernels::InPlaceFormula formula() const {
    return choose([](auto... b) { return in_place<formulas::AdamUpdate<b...>, T>(); }, o_.amsgrad, decays);
  }
  const double* operator()(std::int64_t t) {
    if (t != corrected) {
      const double root = std::sqrt(correction(o_.betas[1], t));
      numbers[1] = o_.lr * root / correction(o_.betas[0], t);
      numbers[2] = o_.eps * root;
      corrected = t;
    }
    return numbers.data();
  }

 protected:
  static void check_all(const char* name, const O& o) {
    check_adam_options(name, o);
  }

 private:
  O o_;
  bool decays;
  std::array<double, 9> numbers;
  std::int64_t corrected = 0;  // the step count that they are for, which is nearly always the same
};

template <>
struct Update<AdamOptions> : AdamRule<AdamOptions> {
  static constexpr const char* name = "Adam";
  static void check(const AdamOptions& o) { check_all(name, o); }
  Update(const AdamOptions& o, bool) : AdamRule(o, false) {}
};

template <>
struct Update<AdamWOptions> : AdamRule<AdamWOptions> {
  static constexpr const char* name = "AdamW";
  static void check(const AdamWOptions& o) { check_all(name, o); }
  Update(const AdamWOptions& o, bool) : AdamRule(o, true) {}
};

#define XGRAD_INSTANTIATE(T)                       \
  template class FormulaOptimizer<T, AdamOptions>; \
  template class FormulaOptimizer<T, AdamWOptions>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
