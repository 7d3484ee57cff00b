// Packed forms of the right operands of matrix products, kept from one product to the next.
#pragma once

#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::kernels {

/// A product of fewer rows than this is never worth asking packed_product for.
inline constexpr std::int64_t packing_least_rows = 4;

/// The product by way of a packed form of b, which is kept with `home`, the storage of b, unless it is null; a
/// is not transposed. Returns false, having done nothing, where plain gemm is no slower.
bool packed_product(const Gemm<float>& product, xgrad::detail::Storage* home);
bool packed_product(const Gemm<double>& product, xgrad::detail::Storage* home);

/// Whether a product may pack its right operand, and keep the packed form with the operand's storage: not if
/// the environment variable XGRAD_PACKING is 0, or set_packing said so. What is decided, and every bit of what
/// is computed, depends on the sizes, the element type, the numbers of threads and this alone, and not on
/// whether the form was there already: threads that share a parameter get what each would get alone.
bool packing();
void set_packing(bool on);

}  // namespace xgrad::kernels
