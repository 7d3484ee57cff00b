// Orthonormal rows out of random ones.
#include <xgrad/ops/kernels/orthogonalize.hpp>

#include <cmath>
#include <numeric>

namespace xgrad::kernels {

void orthonormalize_rows(std::int64_t rows, std::int64_t columns, double* matrix) {
  for (std::int64_t i = 0; i < rows; ++i) {
    double* row = matrix + i * columns;
    for (int pass = 0; pass < 2; ++pass)
      for (const double* other = matrix; other != row; other += columns) {
        const double overlap = std::inner_product(row, row + columns, other, 0.0);
        for (std::int64_t k = 0; k < columns; ++k) row[k] -= overlap * other[k];
      }
    const double length = std::sqrt(std::inner_product(row, row + columns, row, 0.0));
    for (std::int64_t k = 0; k < columns; ++k) row[k] = length > 0 ? row[k] / length : 0;
  }
}

}  // namespace xgrad::kernels
