// The targets of a classification loss: checking, counting, weights.
#pragma once

#include <cstdint>
#include <span>

namespace xgrad::kernels {

/// How many targets are not `ignored`, and the place of the first of those that is not in [0, classes), or
/// -1.
struct TargetCount {
  std::int64_t used = 0, bad = -1;
};
TargetCount count_targets(std::span<const std::int64_t> targets, std::int64_t classes, std::int64_t ignored);

/// `weight` for each target, 0 for the ignored ones. T is float or double.
template <class T>
void target_weights(std::span<const std::int64_t> targets, std::int64_t ignored, T weight, T* out);

/// Writes the targets, with 0, which is a class, in place of the ignored ones.
void without_ignored(std::span<const std::int64_t> targets, std::int64_t ignored, std::int64_t* out);

}  // namespace xgrad::kernels
