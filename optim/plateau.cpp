// ReduceLROnPlateau: a schedule by what a measure of the training does.
#include <xgrad/optim/plateau.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>

namespace xgrad::optim {

ReduceLROnPlateau::ReduceLROnPlateau(AnyOptimizer& optimizer, PlateauOptions options)
    : optimizer_(&optimizer),
      options_(options),
      best_(options.mode == PlateauMode::min ? std::numeric_limits<double>::infinity()
                                             : -std::numeric_limits<double>::infinity()) {
  const char* const name = "ReduceLROnPlateau";
  detail::check_option(name, "factor", options.factor, 0, 1);
  detail::check_option(name, "patience", static_cast<double>(options.patience));
  detail::check_option(name, "threshold", options.threshold);
  detail::check_option(name, "cooldown", static_cast<double>(options.cooldown));
  detail::check_option(name, "min_lr", options.min_lr);
  detail::check_option(name, "eps", options.eps);
}

bool ReduceLROnPlateau::better(double metric) const {
  const bool relative = options_.threshold_mode == ThresholdMode::rel;
  const double threshold = options_.threshold;
  if (options_.mode == PlateauMode::min)
    return metric < (relative ? best_ * (1 - threshold) : best_ - threshold);
  return metric > (relative ? best_ * (1 + threshold) : best_ + threshold);
}

void ReduceLROnPlateau::step(double metric) {
  ++epoch_;
  const bool improved = better(metric);
  if (improved) best_ = metric;
  bad_ = improved ? 0 : bad_ + 1;
  if (cooldown_ > 0) {
    --cooldown_;
    bad_ = 0;
  }
  if (bad_ <= options_.patience) return;
  for (std::size_t group = 0; group < optimizer_->groups(); ++group) {
    const double old = optimizer_->lr(group), rate = std::max(old * options_.factor, options_.min_lr);
    if (old - rate > options_.eps) optimizer_->set_lr(rate, group);
  }
  cooldown_ = options_.cooldown;
  bad_ = 0;
}

std::vector<NamedState> ReduceLROnPlateau::state() const {
  const auto number = [](std::int64_t n) { return Tensor<double>{static_cast<double>(n)}; };
  return {{"last_epoch", number(epoch_)},
          {"num_bad_epochs", number(bad_)},
          {"cooldown_counter", number(cooldown_)},
          {"best", Tensor<double>{best_}}};
}

void ReduceLROnPlateau::check_state(const std::vector<NamedState>& state) const {
  for (const NamedState& own : this->state()) {
    const double x = detail::numbers_of("ReduceLROnPlateau", state, own)[0];
    if (own.name != "best" && !(x >= 0 && x < 1e15))
      throw FormatError(fmt::format(
          "ReduceLROnPlateau: the state holds '{}' = {}, which cannot be; nothing was changed", own.name, x));
  }
}

void ReduceLROnPlateau::load_state(const std::vector<NamedState>& state) {
  check_state(state);
  const auto own = this->state();
  const auto number = [&](std::size_t k) {
    return detail::numbers_of("ReduceLROnPlateau", state, own[k])[0];
  };
  epoch_ = std::llround(number(0));
  bad_ = std::llround(number(1));
  cooldown_ = std::llround(number(2));
  best_ = number(3);
}

}  // namespace xgrad::optim
