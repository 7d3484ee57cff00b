// Copying a row to many, and picking the loops that sum columns.
#include <xgrad/ops/kernels/rows.hpp>

#include <algorithm>

namespace xgrad::kernels {

void fill_rows(std::int64_t rows, std::int64_t columns, const float* row, float* out) {
  for (std::int64_t i = 0; i < rows; ++i, out += columns) std::copy_n(row, columns, out);
}
void fill_rows(std::int64_t rows, std::int64_t columns, const double* row, double* out) {
  for (std::int64_t i = 0; i < rows; ++i, out += columns) std::copy_n(row, columns, out);
}

void column_sums(std::int64_t rows, std::int64_t columns, const float* in, bool accumulate, float* out) {
  row_loops().sums_float(rows, columns, in, accumulate, out);
}
void column_sums(std::int64_t rows, std::int64_t columns, const double* in, bool accumulate, double* out) {
  row_loops().sums_double(rows, columns, in, accumulate, out);
}

}  // namespace xgrad::kernels
