// Sums over the rows of a matrix, a few registers' width of columns at a time.
#include <xgrad/autograd/kernels/rows.hpp>

#include <xgrad/autograd/kernels/simd.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

// The next `vectors` registers of columns; of the last one `tail` columns only, if `partial`.
template <class T, int vectors, bool partial>
XGRAD_INLINE void some_columns(std::int64_t rows, std::int64_t columns, const T* in, bool accumulate, T* out,
                               std::size_t tail) {
  constexpr auto W = static_cast<std::int64_t>(lanes<T>);
  const auto part = [&](const T* p, int v) __attribute__((always_inline)) {
    return partial && v == vectors - 1 ? load_partial(p + v * W, tail) : load(p + v * W);
  };
  Batch<T> sum[vectors];
  for (int v = 0; v < vectors; ++v) sum[v] = accumulate ? part(out, v) : Batch<T>(T(0));
  for (std::int64_t i = 0; i < rows; ++i, in += columns)
    for (int v = 0; v < vectors; ++v) sum[v] += part(in, v);
  for (int v = 0; v < vectors; ++v) {
    if (partial && v == vectors - 1)
      store_partial(out + v * W, sum[v], tail);
    else
      store(out + v * W, sum[v]);
  }
}

template <class T>
void sums(std::int64_t rows, std::int64_t columns, const T* in, bool accumulate, T* out) {
  constexpr auto W = static_cast<std::int64_t>(lanes<T>);
  std::int64_t j = 0;
  for (; j + 4 * W <= columns; j += 4 * W)
    some_columns<T, 4, false>(rows, columns, in + j, accumulate, out + j, 0);
  for (; j + W <= columns; j += W) some_columns<T, 1, false>(rows, columns, in + j, accumulate, out + j, 0);
  if (j < columns)
    some_columns<T, 1, true>(rows, columns, in + j, accumulate, out + j,
                             static_cast<std::size_t>(columns - j));
}

}  // namespace

const RowLoops row_loops = {sums<float>, sums<double>};

}  // namespace xgrad::kernels::XGRAD_ARCH
