// Blocked matrix transposition, and permutation copies built on it.
#include <xgrad/ops/kernels/transpose.hpp>

#include <algorithm>
#include <array>
#include <cstring>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/shape.hpp>

namespace xgrad::kernels {

namespace {

// Four floats or two doubles, which every x86-64 and ARM64 processor has: wider registers measured no faster,
// for the cache is what a transposition waits for.
using Floats [[gnu::vector_size(16)]] = float;
using Doubles [[gnu::vector_size(16)]] = double;

template <class T>
constexpr std::int64_t tile_side = 16 / sizeof(T);

// Four cache lines each way: small enough for all its lines to stay in the first-level cache, large enough
// that each is read and written whole.
template <class T>
constexpr std::int64_t block_side = 256 / sizeof(T);

template <class Vector, class T>
Vector load(const T* from) {
  Vector x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

template <class Vector, class T>
void store(T* to, Vector x) {
  std::memcpy(to, &x, sizeof x);
}

void transpose_tile(const float* in, std::int64_t ld_in, float* out, std::int64_t ld_out) {
  const auto row0 = load<Floats>(in), row1 = load<Floats>(in + ld_in);
  const auto row2 = load<Floats>(in + 2 * ld_in), row3 = load<Floats>(in + 3 * ld_in);
  const auto low01 = __builtin_shufflevector(row0, row1, 0, 4, 1, 5);
  const auto high01 = __builtin_shufflevector(row0, row1, 2, 6, 3, 7);
  const auto low23 = __builtin_shufflevector(row2, row3, 0, 4, 1, 5);
  const auto high23 = __builtin_shufflevector(row2, row3, 2, 6, 3, 7);
  store<Floats>(out, __builtin_shufflevector(low01, low23, 0, 1, 4, 5));
  store<Floats>(out + ld_out, __builtin_shufflevector(low01, low23, 2, 3, 6, 7));
  store<Floats>(out + 2 * ld_out, __builtin_shufflevector(high01, high23, 0, 1, 4, 5));
  store<Floats>(out + 3 * ld_out, __builtin_shufflevector(high01, high23, 2, 3, 6, 7));
}

// Of doubles, or of integers, which are moved as doubles are.
template <class T>
requires(sizeof(T) == sizeof(double)) void transpose_tile(const T* in, std::int64_t ld_in, T* out,
                                                          std::int64_t ld_out) {
  const auto row0 = load<Doubles>(in), row1 = load<Doubles>(in + ld_in);
  store<Doubles>(out, __builtin_shufflevector(row0, row1, 0, 2));
  store<Doubles>(out + ld_out, __builtin_shufflevector(row0, row1, 1, 3));
}

template <class T>
void transpose_block(std::int64_t rows, std::int64_t columns, const T* in, std::int64_t ld_in, T* out,
                     std::int64_t ld_out) {
  constexpr auto side = tile_side<T>;
  const std::int64_t whole_rows = rows - rows % side, whole_columns = columns - columns % side;
  for (std::int64_t j = 0; j < whole_columns; j += side) {
    for (std::int64_t i = 0; i < whole_rows; i += side)
      transpose_tile(in + i * ld_in + j, ld_in, out + j * ld_out + i, ld_out);
    for (std::int64_t i = whole_rows; i < rows; ++i)
      for (std::int64_t jj = j; jj < j + side; ++jj) out[jj * ld_out + i] = in[i * ld_in + jj];
  }
  for (std::int64_t j = whole_columns; j < columns; ++j)
    for (std::int64_t i = 0; i < rows; ++i) out[j * ld_out + i] = in[i * ld_in + j];
}

template <class T>
void transpose_blocked(std::int64_t rows, std::int64_t columns, const T* in, std::int64_t ld_in, T* out,
                       std::int64_t ld_out) {
  constexpr auto side = block_side<T>;
  for (std::int64_t i = 0; i < rows; i += side)
    for (std::int64_t j = 0; j < columns; j += side)
      transpose_block(std::min(side, rows - i), std::min(side, columns - j), in + i * ld_in + j, ld_in,
                      out + j * ld_out + i, ld_out);
}

struct Axis {
  std::int64_t extent, in_stride, out_stride;
};

// The axes of a copy: at first as they are written, the last one contiguous.
class CopyAxes {
 public:
  CopyAxes(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides) {
    if (shape.size() != strides.size()) throw ShapeError("permute_copy: as many strides are needed as axes");
    for (std::size_t i = 0; i < shape.size(); ++i) add(shape[i], strides[i]);
    std::int64_t out_stride = 1;
    for (std::size_t i = rank_; i-- > 0; out_stride *= axes_[i].extent) axes_[i].out_stride = out_stride;
  }

  std::size_t rank() const { return rank_; }
  const Axis& operator[](std::size_t i) const { return axes_[i]; }

  Axis take(std::size_t i) {
    const Axis taken = axes_[i];
    std::copy(axes_.begin() + i + 1, axes_.begin() + rank_--, axes_.begin() + i);
    return taken;
  }

 private:
  // An axis along which memory goes on as along the one before becomes one with it.
  void add(std::int64_t extent, std::int64_t stride) {
    if (extent == 1) return;
    if (rank_ > 0 && axes_[rank_ - 1].in_stride == stride * extent) {
      axes_[rank_ - 1].extent *= extent;
      axes_[rank_ - 1].in_stride = stride;
      return;
    }
    if (rank_ == axes_.size()) throw ShapeError("permute_copy: more than 7 axes");
    axes_[rank_++] = {extent, stride, 0};
  }

  std::array<Axis, Shape::max_rank> axes_;
  std::size_t rank_ = 0;
};

// Calls copy(in, out) for every index along the axes.
template <class T, class Copy>
void for_each(const CopyAxes& axes, const T* in, T* out, Copy copy) {
  std::array<std::int64_t, Shape::max_rank> index{};
  for (;;) {
    copy(in, out);
    std::size_t i = axes.rank();
    for (; i > 0; --i) {
      const Axis& axis = axes[i - 1];
      in += axis.in_stride;
      out += axis.out_stride;
      if (++index[i - 1] < axis.extent) break;
      index[i - 1] = 0;
      in -= axis.extent * axis.in_stride;
      out -= axis.extent * axis.out_stride;
    }
    if (i == 0) return;
  }
}

}  // namespace

void transpose(std::int64_t rows, std::int64_t columns, const float* in, std::int64_t ld_in, float* out,
               std::int64_t ld_out) {
  transpose_blocked(rows, columns, in, ld_in, out, ld_out);
}

void transpose(std::int64_t rows, std::int64_t columns, const double* in, std::int64_t ld_in, double* out,
               std::int64_t ld_out) {
  transpose_blocked(rows, columns, in, ld_in, out, ld_out);
}

template <ElementType T>
void permute_copy(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, const T* in,
                  T* out) {
  if (std::ranges::find(shape, 0) != shape.end()) return;
  CopyAxes axes(shape, strides);
  if (axes.rank() == 0) {
    *out = *in;
    return;
  }
  const Axis row = axes.take(axes.rank() - 1);
  if (row.in_stride == 1)
    return for_each(axes, in, out, [&](const T* from, T* to) { std::copy_n(from, row.extent, to); });
  for (std::size_t i = axes.rank(); i-- > 0;) {
    if (axes[i].in_stride != 1) continue;
    const Axis column = axes.take(i);
    return for_each(axes, in, out, [&](const T* from, T* to) {
      transpose_blocked(row.extent, column.extent, from, row.in_stride, to, column.out_stride);
    });
  }
  for_each(axes, in, out, [&](const T* from, T* to) {
    for (std::int64_t i = 0; i < row.extent; ++i) to[i] = from[i * row.in_stride];
  });
}

template void permute_copy(std::span<const std::int64_t>, std::span<const std::int64_t>, const float*,
                           float*);
template void permute_copy(std::span<const std::int64_t>, std::span<const std::int64_t>, const double*,
                           double*);
template void permute_copy(std::span<const std::int64_t>, std::span<const std::int64_t>, const std::int64_t*,
                           std::int64_t*);

}  // namespace xgrad::kernels
