// Learning-rate schedules: rules that give a rate for an epoch, and what applies them to an optimizer.
#include <xgrad/optim/schedule.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>

namespace xgrad::optim {

namespace {

double as_double(std::int64_t n) { return static_cast<double>(n); }

void check_count(const char* rule, const char* option, std::int64_t value, std::int64_t low) {
  if (value < low) throw ValueError(fmt::format("{}: {} is {}; it is at least {}", rule, option, value, low));
}

// From `from` to `to`, of which `part` is done.
double annealed(Anneal how, double from, double to, double part) {
  if (how == Anneal::linear) return (to - from) * part + from;
  return to + (from - to) / 2 * (std::cos(std::numbers::pi * part) + 1);
}

// The part of a phase that is over, of one without length all.
double part_of(double done, double length) { return length > 0 ? done / length : 1; }

double cosine(double base, double eta_min, double part) {
  return eta_min + (base - eta_min) * (1 + std::cos(std::numbers::pi * part)) / 2;
}

std::ptrdiff_t passed(const std::vector<std::int64_t>& milestones, std::int64_t epoch) {
  return std::ranges::count_if(milestones, [&](std::int64_t m) { return m <= epoch; });
}

}  // namespace

double StepLR::operator()(double base, std::int64_t epoch) const {
  return base * std::pow(gamma, as_double(epoch / step_size));
}
void StepLR::check() const {
  check_count("StepLR", "step_size", step_size, 1);
  detail::check_option("StepLR", "gamma", gamma);
}

double MultiStepLR::operator()(double base, std::int64_t epoch) const {
  return base * std::pow(gamma, static_cast<double>(passed(milestones, epoch)));
}
void MultiStepLR::check() const {
  for (const std::int64_t m : milestones) check_count("MultiStepLR", "a milestone", m, 1);
  detail::check_option("MultiStepLR", "gamma", gamma);
}

double ConstantLR::operator()(double base, std::int64_t epoch) const {
  return epoch < total_iters ? base * factor : base;
}
void ConstantLR::check() const {
  if (!(factor >= 0 && factor <= 1))
    throw ValueError(fmt::format("ConstantLR: factor is {}; it lies between 0 and 1", factor));
  check_count("ConstantLR", "total_iters", total_iters, 0);
}

double LinearLR::operator()(double base, std::int64_t epoch) const {
  const double part = as_double(std::min(epoch, total_iters)) / as_double(total_iters);
  return base * (start_factor + (end_factor - start_factor) * part);
}
void LinearLR::check() const {
  if (!(start_factor > 0 && start_factor <= 1))
    throw ValueError(fmt::format("LinearLR: start_factor is {}; it is above 0 and at most 1", start_factor));
  if (!(end_factor >= 0 && end_factor <= 1))
    throw ValueError(fmt::format("LinearLR: end_factor is {}; it lies between 0 and 1", end_factor));
  check_count("LinearLR", "total_iters", total_iters, 1);
}

double ExponentialLR::operator()(double base, std::int64_t epoch) const {
  return base * std::pow(gamma, as_double(epoch));
}
void ExponentialLR::check() const { detail::check_option("ExponentialLR", "gamma", gamma); }

double PolynomialLR::operator()(double base, std::int64_t epoch) const {
  return base * std::pow(1 - as_double(std::min(epoch, total_iters)) / as_double(total_iters), power);
}
void PolynomialLR::check() const {
  check_count("PolynomialLR", "total_iters", total_iters, 1);
  detail::check_option("PolynomialLR", "power", power);
}

double CosineAnnealingLR::operator()(double base, std::int64_t epoch) const {
  return cosine(base, eta_min, as_double(epoch) / as_double(T_max));
}
void CosineAnnealingLR::check() const {
  check_count("CosineAnnealingLR", "T_max", T_max, 1);
  detail::check_option("CosineAnnealingLR", "eta_min", eta_min);
}

double CosineAnnealingWarmRestarts::operator()(double base, std::int64_t epoch) const {
  if (T_mult == 1) return cosine(base, eta_min, as_double(epoch % T_0) / as_double(T_0));
  std::int64_t length = T_0;
  for (; epoch >= length; length *= T_mult) epoch -= length;
  return cosine(base, eta_min, as_double(epoch) / as_double(length));
}
void CosineAnnealingWarmRestarts::check() const {
  check_count("CosineAnnealingWarmRestarts", "T_0", T_0, 1);
  check_count("CosineAnnealingWarmRestarts", "T_mult", T_mult, 1);
  detail::check_option("CosineAnnealingWarmRestarts", "eta_min", eta_min);
}

// From low to high and back, and of three phases on to `last`.
double OneCycleLR::between(double low, double high, double last, std::int64_t epoch) const {
  const double now = as_double(epoch), end = as_double(total_steps) - 1, steps = as_double(total_steps);
  const double top = pct_start * steps - 1;
  if (now <= top) return annealed(anneal_strategy, low, high, part_of(now, top));
  if (!three_phase) return annealed(anneal_strategy, high, last, part_of(now - top, end - top));
  const double down = 2 * pct_start * steps - 2;
  if (now <= down) return annealed(anneal_strategy, high, low, part_of(now - top, down - top));
  return annealed(anneal_strategy, low, last, part_of(now - down, end - down));
}
double OneCycleLR::operator()(double, std::int64_t epoch) const {
  if (epoch > total_steps)
    throw ValueError(fmt::format("OneCycleLR: step {} of a cycle of {}; make it as long as the training is",
                                 epoch, total_steps));
  const double first = max_lr / div_factor;
  return between(first, max_lr, first / final_div_factor, epoch);
}
std::optional<double> OneCycleLR::momentum(std::int64_t epoch) const {
  if (!cycle_momentum) return std::nullopt;
  return between(max_momentum, base_momentum, max_momentum, epoch);
}
void OneCycleLR::check() const {
  detail::check_option("OneCycleLR", "max_lr", max_lr);
  check_count("OneCycleLR", "total_steps", total_steps, 1);
  if (!(pct_start >= 0 && pct_start <= 1))
    throw ValueError(fmt::format("OneCycleLR: pct_start is {}; it lies between 0 and 1", pct_start));
  if (three_phase && pct_start > 0.5)
    throw ValueError(
        fmt::format("OneCycleLR: pct_start is {}; of three phases it is at most 0.5", pct_start));
  detail::check_option("OneCycleLR", "base_momentum", base_momentum, 0, 1);
  detail::check_option("OneCycleLR", "max_momentum", max_momentum, 0, 1);
  if (!(div_factor > 0))
    throw ValueError(fmt::format("OneCycleLR: div_factor is {}; it is above 0", div_factor));
  if (!(final_div_factor > 0))
    throw ValueError(fmt::format("OneCycleLR: final_div_factor is {}; it is above 0", final_div_factor));
}

double SWALR::operator()(double base, std::int64_t epoch) const {
  if (epoch >= anneal_epochs) return swa_lr;
  const double part = as_double(epoch) / as_double(anneal_epochs);
  const double done = anneal_strategy == Anneal::linear ? part : (1 - std::cos(std::numbers::pi * part)) / 2;
  return swa_lr * done + base * (1 - done);
}
void SWALR::check() const {
  detail::check_option("SWALR", "swa_lr", swa_lr);
  check_count("SWALR", "anneal_epochs", anneal_epochs, 0);
}

void LambdaLR::check() const {
  if (!lr_lambda) throw ValueError("LambdaLR: lr_lambda is empty; give it a function of the epoch");
}

std::pair<const Rule*, std::int64_t> SequentialLR::at(std::int64_t epoch) const {
  const std::ptrdiff_t k = passed(milestones, epoch);
  return {&schedulers[static_cast<std::size_t>(k)],
          k == 0 ? epoch : epoch - milestones[static_cast<std::size_t>(k - 1)]};
}
double SequentialLR::operator()(double base, std::int64_t epoch) const {
  const auto [rule, own] = at(epoch);
  return (*rule)(base, own);
}
std::optional<double> SequentialLR::momentum(std::int64_t epoch) const {
  const auto [rule, own] = at(epoch);
  return rule->momentum(own);
}
void SequentialLR::check() const {
  if (schedulers.empty() || milestones.size() + 1 != schedulers.size())
    throw ValueError(
        fmt::format("SequentialLR: {} milestones for {} schedulers; there is one between every two",
                    milestones.size(), schedulers.size()));
  for (const std::int64_t m : milestones) check_count("SequentialLR", "a milestone", m, 1);
  if (!std::ranges::is_sorted(milestones))
    throw ValueError("SequentialLR: the milestones are not in order; sort them");
}

Schedule::Schedule(AnyOptimizer& optimizer, Rule rule)
    : Schedule(optimizer, std::vector<Rule>{std::move(rule)}) {}

Schedule::Schedule(AnyOptimizer& optimizer, std::vector<Rule> rules)
    : optimizer_(&optimizer), rules_(std::move(rules)) {
  if (rules_.size() != 1 && rules_.size() != optimizer.groups())
    throw ValueError(
        fmt::format("Schedule: {} rules for {} parameter groups; give one for all, or one for each",
                    rules_.size(), optimizer.groups()));
  go_to(0);
}

void Schedule::step() { go_to(epoch_ + 1); }

void Schedule::go_to(std::int64_t epoch) {
  const std::size_t groups = optimizer_->groups();
  if (rules_.size() != 1 && rules_.size() != groups)
    throw ValueError(fmt::format("Schedule: a parameter group was added, and {} rules are for each its own",
                                 rules_.size()));
  const auto rule = [&](std::size_t group) -> const Rule& { return rules_[rules_.size() == 1 ? 0 : group]; };
  std::vector<double> base = base_, rates(groups);
  std::vector<std::optional<double>> momenta(groups);
  for (std::size_t g = 0; g < groups; ++g) {
    if (g == base.size()) base.push_back(optimizer_->lr(g));
    rates[g] = rule(g)(base[g], epoch);
    detail::check_option("Schedule", "the rate", rates[g]);
    momenta[g] = rule(g).momentum(epoch);
    if (momenta[g] && !optimizer_->has_momentum(g))
      throw ValueError(fmt::format(
          "Schedule: {} has no momentum in group {}, which cycle_momentum would move; make it with "
          "one, or pass {{.cycle_momentum = false}}",
          optimizer_->name(), g));
    if (momenta[g]) detail::check_option("Schedule", "the momentum", *momenta[g], 0, 1);
  }
  for (std::size_t g = 0; g < groups; ++g) {
    optimizer_->set_lr(rates[g], g);
    if (momenta[g]) optimizer_->set_momentum(*momenta[g], g);
  }
  base_ = std::move(base);
  epoch_ = epoch;
}

std::vector<double> Schedule::last_lr() const {
  std::vector<double> result;
  for (std::size_t g = 0; g < optimizer_->groups(); ++g) result.push_back(optimizer_->lr(g));
  return result;
}

std::vector<NamedState> Schedule::state() const {
  return {{"last_epoch", Tensor<double>{as_double(epoch_)}}, {"base_lr", detail::tensor_of(base_)}};
}

void Schedule::check_state(const std::vector<NamedState>& state) const {
  for (const NamedState& own : this->state())
    for (const double x : detail::numbers_of("Schedule", state, own))
      if (!(x >= 0 && x < 1e300))
        throw FormatError(fmt::format(
            "Schedule: the state holds '{}' = {}, which cannot be; nothing was changed", own.name, x));
}

void Schedule::load_state(const std::vector<NamedState>& state) {
  check_state(state);
  const auto own = this->state();
  epoch_ = std::llround(detail::numbers_of("Schedule", state, own[0])[0]);
  base_ = detail::numbers_of("Schedule", state, own[1]);
}

}  // namespace xgrad::optim
