// The targets of a classification loss.
#include <xgrad/ops/kernels/targets.hpp>

#include <algorithm>

namespace xgrad::kernels {

TargetCount count_targets(std::span<const std::int64_t> targets, std::int64_t classes, std::int64_t ignored) {
  TargetCount count;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] == ignored) continue;
    ++count.used;
    if (count.bad < 0 && (targets[i] < 0 || targets[i] >= classes)) count.bad = static_cast<std::int64_t>(i);
  }
  return count;
}

template <class T>
void target_weights(std::span<const std::int64_t> targets, std::int64_t ignored, T weight, T* out) {
  for (const std::int64_t target : targets) *out++ = target == ignored ? T(0) : weight;
}
template void target_weights(std::span<const std::int64_t>, std::int64_t, float, float*);
template void target_weights(std::span<const std::int64_t>, std::int64_t, double, double*);

void without_ignored(std::span<const std::int64_t> targets, std::int64_t ignored, std::int64_t* out) {
  std::ranges::replace_copy(targets, out, ignored, 0);
}

}  // namespace xgrad::kernels
