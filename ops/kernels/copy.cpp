// Writing a contiguous array into a part of a larger one: concatenation, padding, and the adjoints of slices.
#include <algorithm>
#include <array>

#include <xgrad/autograd/core/shape.hpp>
#include <xgrad/ops/kernels/cpu.hpp>
#include <xgrad/ops/kernels/transpose.hpp>

namespace xgrad::kernels {

namespace {

struct Axis {
  std::int64_t extent, stride;
};

// Calls row(in, out, extent, stride) for each run along the innermost axis, once neighbours are merged.
template <class T, class Row>
void for_each_row(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, const T* in,
                  T* out, Row row) {
  std::array<Axis, Shape::max_rank> axes;  // from the innermost outwards
  std::size_t count = 0;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 0) return;
    if (shape[i] == 1) continue;
    if (count > 0 && strides[i] == axes[count - 1].stride * axes[count - 1].extent)
      axes[count - 1].extent *= shape[i];
    else
      axes[count++] = {shape[i], strides[i]};
  }
  if (count == 0) axes[count++] = {1, 1};
  std::array<std::int64_t, Shape::max_rank> index{};
  for (;;) {
    row(in, out, axes[0].extent, axes[0].stride);
    in += axes[0].extent;
    std::size_t a = 1;
    for (; a < count; ++a) {
      out += axes[a].stride;
      if (++index[a] < axes[a].extent) break;
      out -= axes[a].stride * axes[a].extent;
      index[a] = 0;
    }
    if (a >= count) return;
  }
}

template <class T>
void strided_write(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, const T* in,
                   T* out) {
  for_each_row(shape, strides, in, out, [](const T* from, T* to, std::int64_t n, std::int64_t stride) {
    if (stride == 1)
      std::copy_n(from, n, to);
    else
      for (std::int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
  });
}

template <class T>
void strided_add(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, const T* in,
                 T* out) {
  const auto add_row = [](const T* __restrict from, T* __restrict to, std::int64_t n, std::int64_t stride) {
    if (stride == 1)
      for (std::int64_t i = 0; i < n; ++i) to[i] += from[i];
    else
      for (std::int64_t i = 0; i < n; ++i) to[i * stride] += from[i];
  };
  for_each_row(shape, strides, in, out, add_row);
}

template <class T>
void add_moves(Moves<T>& k) {
  k.permute_copy = permute_copy;
  k.strided_write = strided_write<T>;
}

}  // namespace

void add_copies(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    add_moves<T>(k);
    k.strided_add = strided_add<T>;
  });
  add_moves<std::int64_t>(table.integers);
}

}  // namespace xgrad::kernels
