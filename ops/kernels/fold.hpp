// Folding an array along one axis: sums, products, extremes. One table for each instruction set and element
// type.
#pragma once

#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::kernels {

template <class T>
struct FoldTable {
  /// As KernelsOf<T>::fold.
  using Kernel = void (*)(const T* x, const T* centre, T* out, std::int64_t outer, std::int64_t extent,
                          std::int64_t inner);
  Kernel fold[fold_kinds];
};

XGRAD_SIMD_TABLE(FoldTable<float>, fold_float)
XGRAD_SIMD_TABLE(FoldTable<double>, fold_double)

}  // namespace xgrad::kernels
