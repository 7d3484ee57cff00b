// The targets of a classification loss: checking, counting, weights.
#include <algorithm>
#include <span>

#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels {

namespace {

void count_targets(const std::int64_t* targets, TargetRows of, std::int64_t classes, std::int64_t* used,
                   std::int64_t* bad) {
  *used = 0, *bad = -1;
  for (std::int64_t i = 0; i < of.rows; ++i) {
    if (targets[i] == of.ignored) continue;
    ++*used;
    if (*bad < 0 && (targets[i] < 0 || targets[i] >= classes)) *bad = i;
  }
}

void without_ignored(const std::int64_t* targets, TargetRows of, std::int64_t* out) {
  std::replace_copy(targets, targets + of.rows, out, of.ignored, std::int64_t{0});
}

template <class T>
void target_weights(const std::int64_t* targets, TargetRows of, const T* factor, const std::int64_t* used,
                    T* out) {
  const T weight = (factor ? *factor : T(1)) * static_cast<T>(used ? 1 / static_cast<double>(*used) : 1);
  for (std::int64_t i = 0; i < of.rows; ++i) out[i] = targets[i] == of.ignored ? T(0) : weight;
}

}  // namespace

void add_targets(Table& table) {
  table.count_targets = count_targets;
  table.without_ignored = without_ignored;
  table.each([]<class T>(KernelsOf<T>& k) { k.target_weights = target_weights<T>; });
}

}  // namespace xgrad::kernels
