// Packed forms of the right operands of matrix products, kept from one product to the next.
#pragma once

namespace xgrad::kernels {

/// Whether a product may pack its right operand, and keep the packed form with the operand's storage: not if
/// the environment variable XGRAD_PACKING is 0, or set_packing said so. What is decided, and every bit of what
/// is computed, depends on the sizes, the element type, the numbers of threads and this alone, and not on
/// whether the form was there already: threads that share a parameter get what each would get alone.
bool packing();
void set_packing(bool on);

}  // namespace xgrad::kernels
