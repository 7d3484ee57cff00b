// Walks along one axis that depend on the order: cumulative sums, the place of an extreme.
#pragma once

#include <cstdint>
#include <span>

namespace xgrad::kernels {

/// out[o, e, i] = the sum of x[o, 0 … e, i], or of x[o, e …, i] if `from_the_end`, for arrays of outer ×
/// extent × inner. Floats are summed in double. T is float or double.
template <class T>
void cumulative_sum(const T* x, T* out, std::int64_t outer, std::int64_t extent, std::int64_t inner,
                    bool from_the_end);

/// out[o, i] = the first e for which x[o, e, i] is value[o, i], or both are NaN.
template <class T>
void find_first(const T* x, const T* value, std::int64_t* out, std::int64_t outer, std::int64_t extent,
                std::int64_t inner);

/// Whether none is zero, subnormal, infinite or NaN.
template <class T>
bool all_normal(std::span<const T> values);

}  // namespace xgrad::kernels
