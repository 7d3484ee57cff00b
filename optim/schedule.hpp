// Learning-rate schedules: rules that give a rate for an epoch, and what applies them to an optimizer.
//
//   optim::Schedule schedule(optimizer, optim::CosineAnnealingLR{.T_max = 200});
//   for (int epoch = 0; epoch < 200; ++epoch) { train(); schedule.step(); }
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <xgrad/optim/any_optimizer.hpp>

namespace xgrad::optim {

/// torch.optim.lr_scheduler.StepLR: times gamma every step_size epochs.
struct StepLR {
  std::int64_t step_size;
  double gamma = 0.1;
  double operator()(double base, std::int64_t epoch) const;
  void check() const;
};

/// torch.optim.lr_scheduler.MultiStepLR: times gamma at every milestone.
struct MultiStepLR {
  std::vector<std::int64_t> milestones;
  double gamma = 0.1;
  double operator()(double base, std::int64_t epoch) const;
  void check() const;
};

/// torch.optim.lr_scheduler.ConstantLR: times factor before epoch total_iters.
struct ConstantLR {
  double factor = 1.0 / 3;
  std::int64_t total_iters = 5;
  double operator()(double base, std::int64_t epoch) const;
  void check() const;
};

/// torch.optim.lr_scheduler.LinearLR: times a factor that goes from one to another in total_iters epochs: a
/// warm-up.
struct LinearLR {
  double start_factor = 1.0 / 3;
  double end_factor = 1;
  std::int64_t total_iters = 5;
  double operator()(double base, std::int64_t epoch) const;
  void check() const;
};

/// torch.optim.lr_scheduler.ExponentialLR: times gamma every epoch.
struct ExponentialLR {
  double gamma;
  double operator()(double base, std::int64_t epoch) const;
  void check() const;
};

/// torch.optim.lr_scheduler.PolynomialLR: times (1 - epoch / total_iters) to a power, 0 at the end.
struct PolynomialLR {
  std::int64_t total_iters = 5;
  double power = 1;
  double operator()(double base, std::int64_t epoch) const;
  void check() const;
};

/// torch.optim.lr_scheduler.CosineAnnealingLR (Loshchilov & Hutter 2017): down to eta_min in T_max epochs
/// along a cosine, which goes up again after them.
struct CosineAnnealingLR {
  std::int64_t T_max;
  double eta_min = 0;
  double operator()(double base, std::int64_t epoch) const;
  void check() const;
};

/// torch.optim.lr_scheduler.CosineAnnealingWarmRestarts (Loshchilov & Hutter 2017): the same with restarts,
/// the first after T_0 epochs, each next one after T_mult times as many.
struct CosineAnnealingWarmRestarts {
  std::int64_t T_0;
  std::int64_t T_mult = 1;
  double eta_min = 0;
  double operator()(double base, std::int64_t epoch) const;
  void check() const;
};

/// How a rate or momentum goes from one value to another.
enum class Anneal { cos, linear };

/// torch.optim.lr_scheduler.OneCycleLR (Smith & Topin 2018): up to max_lr and down to nearly nothing within
/// total_steps calls of step(), while the momentum (SGD's, or betas[0]) goes the other way. The rate that the
/// optimizer has does not matter. A step after the last throws ValueError, and so does cycle_momentum where a
/// group has no momentum.
struct OneCycleLR {
  double max_lr;
  std::int64_t total_steps;
  double pct_start = 0.3;  ///< the part of the steps in which the rate rises
  Anneal anneal_strategy = Anneal::cos;
  bool cycle_momentum = true;
  double base_momentum = 0.85;
  double max_momentum = 0.95;
  double div_factor = 25;         ///< the first rate is max_lr / div_factor
  double final_div_factor = 1e4;  ///< and the last that over final_div_factor
  bool three_phase = false;       ///< down as slowly as up, and then to the end
  double operator()(double base, std::int64_t epoch) const;
  std::optional<double> momentum(std::int64_t epoch) const;
  void check() const;

 private:
  double between(double low, double high, double last, std::int64_t epoch) const;
};

/// torch.optim.swa_utils.SWALR: to swa_lr within anneal_epochs, for an average of weights.
struct SWALR {
  double swa_lr;
  std::int64_t anneal_epochs = 10;
  Anneal anneal_strategy = Anneal::cos;
  double operator()(double base, std::int64_t epoch) const;
  void check() const;
};

/// torch.optim.lr_scheduler.LambdaLR: times what a function says for the epoch.
struct LambdaLR {
  std::function<double(std::int64_t)> lr_lambda;
  double operator()(double base, std::int64_t epoch) const { return base * lr_lambda(epoch); }
  void check() const;
};

/// Any of the rules, or one of your own: a function of the rate that a group had at the start and of the
/// epoch, which may have `void check() const`, to throw for what makes no sense, and `std::optional<double>
/// momentum(std::int64_t epoch) const`.
class Rule {
 public:
  template <class R>
  requires(!std::same_as<std::remove_cvref_t<R>, Rule> &&
           std::is_invocable_r_v<double, const R&, double, std::int64_t>) Rule(R rule) {
    if constexpr (requires { rule.check(); }) rule.check();
    if constexpr (requires { rule.momentum(std::int64_t()); })
      momentum_ = [rule](std::int64_t epoch) { return rule.momentum(epoch); };
    rate_ = std::move(rule);
  }

  double operator()(double base, std::int64_t epoch) const { return rate_(base, epoch); }
  std::optional<double> momentum(std::int64_t epoch) const {
    return momentum_ ? momentum_(epoch) : std::nullopt;
  }

 private:
  std::function<double(double, std::int64_t)> rate_;
  std::function<std::optional<double>(std::int64_t)> momentum_;
};

/// torch.optim.lr_scheduler.SequentialLR: one rule after another, the next from each milestone on; each
/// counts its epochs from 0.
struct SequentialLR {
  std::vector<Rule> schedulers;
  std::vector<std::int64_t> milestones;
  double operator()(double base, std::int64_t epoch) const;
  std::optional<double> momentum(std::int64_t epoch) const;
  void check() const;

 private:
  std::pair<const Rule*, std::int64_t> at(std::int64_t epoch) const;
};

/// Sets the rate of every group of an optimizer by a rule. The optimizer must not move while this lives.
class Schedule {
 public:
  /// One rule for all groups, or one for each. The rates that the groups have now are those the rules start
  /// from; epoch 0 begins, so that a warm-up already acts. Throws ValueError for a rule that makes no sense,
  /// and where there are more or fewer rules than groups.
  Schedule(AnyOptimizer& optimizer, Rule rule);
  Schedule(AnyOptimizer& optimizer, std::vector<Rule> rules);

  /// The next epoch, or whatever the rule counts: sets the rates. A group that was added since joins in with
  /// the rate that it has. Throws ValueError for a rate that is negative or not finite, having changed
  /// nothing.
  void step();

  std::int64_t last_epoch() const { return epoch_; }
  /// The rates of the groups as the last step set them.
  std::vector<double> last_lr() const;

  /// The epoch, and the rates at the start. Loading it leaves the rates as they are: they are in the
  /// optimizer's own state. Throws FormatError, having changed nothing, where it does not fit.
  std::vector<NamedState> state() const;
  void check_state(const std::vector<NamedState>& state) const;
  void load_state(const std::vector<NamedState>& state);

 private:
  void go_to(std::int64_t epoch);

  AnyOptimizer* optimizer_;
  std::vector<Rule> rules_;
  std::vector<double> base_;
  std::int64_t epoch_ = 0;
};

}  // namespace xgrad::optim
