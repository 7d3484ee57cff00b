// Folding an array along one axis: sums, products, extremes. One table for each instruction set and element
// type.
#pragma once

#include <cstdint>

#include <xgrad/autograd/kernels/simd_level.hpp>

namespace xgrad::kernels {

/// What is folded: a sum of x, |x|, (x - centre)² or exp(x - centre), a product, or an extreme of x or |x|.
enum class Fold { sum, sum_abs, sum_squares, sum_exp, product, maximum, minimum, max_abs };
constexpr int fold_kinds = 8;

/// How folds of parts are folded on.
constexpr Fold rest_of(Fold kind) {
  if (kind == Fold::max_abs) return Fold::maximum;
  return kind == Fold::sum_abs || kind == Fold::sum_squares || kind == Fold::sum_exp ? Fold::sum : kind;
}

template <class T>
struct FoldTable {
  /// out[o, i] = the fold over e of x[o, e, i], for x of outer × extent × inner. `centre`, of outer × inner,
  /// is 0 where it is null. An empty fold is 0, 1 or an infinity. Sums of floats are as accurate as a
  /// pairwise one.
  using Kernel = void (*)(const T* x, const T* centre, T* out, std::int64_t outer, std::int64_t extent,
                          std::int64_t inner);
  Kernel fold[fold_kinds];
};

XGRAD_SIMD_TABLE(FoldTable<float>, fold_float)
XGRAD_SIMD_TABLE(FoldTable<double>, fold_double)

}  // namespace xgrad::kernels
