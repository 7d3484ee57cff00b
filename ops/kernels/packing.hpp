// Packed forms of the right operands of matrix products, kept from one product to the next.
#pragma once

#include "autograd/any_tensor.hpp"

namespace xgrad::kernels {

/// A product of fewer rows than this is never worth asking packed_product for.
inline constexpr std::int64_t packing_least_rows = 4;

/// c = a · op(b), or c += it, by way of a packed form of b: a is m × k, op(b) is k × n, c is m × n, all
/// contiguous. Returns false, having done nothing, where plain gemm is no slower. What it decides, and every
/// bit of what it computes, depends on the sizes, the element type, the numbers of threads and packing()
/// alone, and not on whether the form was there already: threads that share a parameter get what each would
/// get alone.
bool packed_product(const AnyTensor& a, const AnyTensor& b, bool transpose_b, std::int64_t m, std::int64_t n,
                    std::int64_t k, bool accumulate, AnyTensor& c);

/// Whether it ever does so: not if the environment variable XGRAD_PACKING is 0, or set_packing said so.
bool packing();
void set_packing(bool on);

}  // namespace xgrad::kernels
