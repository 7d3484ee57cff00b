// Writing a contiguous array into a part of a larger one: concatenation, padding, and the adjoints of slices.
#pragma once

#include <cstdint>
#include <span>

namespace xgrad::kernels {

/// Writes the row-major array `in` of `shape` to the elements of `out` whose axes lie `strides` elements
/// apart (negative ones allowed). The inverse of permute_copy. The two may not overlap; T is float or double.
template <class T>
void strided_write(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, const T* in,
                   T* out);

/// The same, adding to what is there.
template <class T>
void strided_add(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, const T* in,
                 T* out);

}  // namespace xgrad::kernels
