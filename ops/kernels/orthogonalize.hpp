// Orthonormal rows out of random ones.
#pragma once

#include <cstdint>

namespace xgrad::kernels {

/// Makes the rows of a row-major rows × columns matrix, rows <= columns, orthonormal in place: row i becomes
/// the part of it that the rows before leave over (Gram-Schmidt, each projection done twice, which keeps them
/// orthogonal to rounding). A row with nothing left over becomes zeros.
void orthonormalize_rows(std::int64_t rows, std::int64_t columns, double* matrix);

}  // namespace xgrad::kernels
