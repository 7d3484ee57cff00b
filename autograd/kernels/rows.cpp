// Copying a row to many, and picking the loops that sum columns.
#include <xgrad/autograd/kernels/rows.hpp>

#include <algorithm>

#include <xgrad/autograd/kernels/team.hpp>

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

namespace {

// A sum of one row, in parts of whole cache lines.
template <class T>
void shared_add(std::int64_t n, const T* in, T* out) {
  constexpr double nanoseconds_of_byte = 0.07;
  constexpr std::int64_t line = 64 / sizeof(T);
  share(n, line, nanoseconds_of_byte * static_cast<double>(n) * sizeof(T),
        [=](std::int64_t begin, std::int64_t end) { column_sums(1, end - begin, in + begin, true, out + begin); });
}

}  // namespace

void add(std::int64_t n, const float* in, float* out) { shared_add(n, in, out); }
void add(std::int64_t n, const double* in, double* out) { shared_add(n, in, out); }

}  // namespace xgrad::kernels
