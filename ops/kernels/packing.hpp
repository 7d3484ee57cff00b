// Packed forms of the right operands of matrix products, kept from one product to the next.
#pragma once

#include <xgrad/autograd/core/storage.hpp>
#include <xgrad/ops/kernels/gemm.hpp>

namespace xgrad::kernels {

/// A product of fewer rows than this is never worth asking packed_product for.
inline constexpr std::int64_t packing_least_rows = 4;

/// The product by way of a packed form of b, which is kept with `storage`, that of b, unless it is null; a is
/// not transposed.
/// Returns false, having done nothing, where plain gemm is no slower. What it decides, and every bit of what
/// it computes, depends on the sizes, the element type, the numbers of threads and packing() alone, and not
/// on whether the form was there already: threads that share a parameter get what each would get alone.
bool packed_product(const Gemm<float>& product, Storage* storage);
bool packed_product(const Gemm<double>& product, Storage* storage);

/// Whether it ever does so: not if the environment variable XGRAD_PACKING is 0, or set_packing said so.
bool packing();
void set_packing(bool on);

}  // namespace xgrad::kernels
