// ReduceLROnPlateau: a schedule by what a measure of the training does.
#pragma once

#include <cstdint>
#include <vector>

#include <xgrad/optim/any_optimizer.hpp>

namespace xgrad::optim {

/// Whether a measure is to become small or large.
enum class PlateauMode { min, max };
/// Whether a threshold is a part of the best value so far, or a distance from it.
enum class ThresholdMode { rel, abs };

/// Options of ReduceLROnPlateau.
struct PlateauOptions {
  PlateauMode mode = PlateauMode::min;
  double factor = 0.1;         ///< what the rates are multiplied by, below 1
  std::int64_t patience = 10;  ///< so many epochs in a row may bring nothing
  double threshold = 1e-4;     ///< and less than this is nothing
  ThresholdMode threshold_mode = ThresholdMode::rel;
  std::int64_t cooldown = 0;  ///< epochs after a reduction that do not count
  double min_lr = 0;
  double eps = 1e-8;  ///< a smaller reduction is left out
};

/// torch.optim.lr_scheduler.ReduceLROnPlateau: multiplies the rates by `factor` when a measure, such as the
/// validation loss, has not become better for `patience` epochs. The optimizer must not move while this
/// lives.
class ReduceLROnPlateau {
 public:
  /// Throws ValueError for a factor outside [0, 1), and for other options below 0.
  explicit ReduceLROnPlateau(AnyOptimizer& optimizer, PlateauOptions options = {});

  /// An epoch is over, and the measure is so much. NaN is never better.
  void step(double metric);

  double best() const { return best_; }
  std::int64_t num_bad_epochs() const { return bad_; }

  /// Everything that the next step depends on, but the rates, which are in the optimizer's own state. Loading
  /// throws FormatError, having changed nothing, where it does not fit.
  std::vector<NamedState> state() const;
  void check_state(const std::vector<NamedState>& state) const;
  void load_state(const std::vector<NamedState>& state);

 private:
  bool better(double metric) const;

  AnyOptimizer* optimizer_;
  PlateauOptions options_;
  double best_;
  std::int64_t epoch_ = 0, bad_ = 0, cooldown_ = 0;
};

}  // namespace xgrad::optim
