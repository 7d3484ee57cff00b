// Reading and adding by index.
#include <xgrad/ops/kernels/gather.hpp>

#include <algorithm>
#include <array>

#include <xgrad/autograd/core/shape.hpp>
#include <xgrad/autograd/kernels/rows.hpp>

namespace xgrad::kernels {

template <class T>
void gather_rows(std::int64_t outer, std::int64_t extent, std::int64_t inner,
                 std::span<const std::int64_t> index, const T* in, T* out) {
  for (std::int64_t o = 0; o < outer; ++o, in += extent * inner)
    for (const std::int64_t k : index) out = std::copy_n(in + k * inner, inner, out);
}

template <class T>
void scatter_add_rows(std::int64_t outer, std::int64_t extent, std::int64_t inner,
                      std::span<const std::int64_t> index, const T* in, T* out) {
  for (std::int64_t o = 0; o < outer; ++o, out += extent * inner)
    for (const std::int64_t k : index) {
      column_sums(1, inner, in, true, out + k * inner);
      in += inner;
    }
}

namespace {

// Calls element(n, offset) for the n-th element of an array of `shape`, with the place that it and its index
// name.
template <class F>
void for_each_place(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
                    std::size_t axis, const std::int64_t* index, F element) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  std::array<std::int64_t, Shape::max_rank> step{}, at{};
  std::copy(strides.begin(), strides.end(), step.begin());
  const std::int64_t along = step[axis];
  step[axis] = 0;
  std::int64_t base = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    element(n, base + index[n] * along);
    for (std::size_t i = shape.size(); i-- > 0;) {
      base += step[i];
      if (++at[i] < shape[i]) break;
      base -= step[i] * shape[i];
      at[i] = 0;
    }
  }
}

}  // namespace

template <class T>
void gather(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, std::size_t axis,
            const std::int64_t* index, const T* in, T* out) {
  for_each_place(shape, strides, axis, index,
                 [&](std::int64_t n, std::int64_t place) { out[n] = in[place]; });
}

template <class T>
void scatter_add(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, std::size_t axis,
                 const std::int64_t* index, const T* in, T* out) {
  for_each_place(shape, strides, axis, index,
                 [&](std::int64_t n, std::int64_t place) { out[place] += in[n]; });
}

template <class T>
void set_ones(std::span<const std::int64_t> index, std::int64_t classes, T* out) {
  for (const std::int64_t k : index) {
    out[k] = 1;
    out += classes;
  }
}

#define XGRAD_INSTANTIATE(T)                                                                              \
  template void gather_rows(std::int64_t, std::int64_t, std::int64_t, std::span<const std::int64_t>,      \
                            const T*, T*);                                                                \
  template void scatter_add_rows(std::int64_t, std::int64_t, std::int64_t, std::span<const std::int64_t>, \
                                 const T*, T*);                                                           \
  template void gather(std::span<const std::int64_t>, std::span<const std::int64_t>, std::size_t,         \
                       const std::int64_t*, const T*, T*);                                                \
  template void scatter_add(std::span<const std::int64_t>, std::span<const std::int64_t>, std::size_t,    \
                            const std::int64_t*, const T*, T*);                                           \
  template void set_ones(std::span<const std::int64_t>, std::int64_t, T*);
XGRAD_INSTANTIATE(float)
XGRAD_INSTANTIATE(double)
#undef XGRAD_INSTANTIATE

}  // namespace xgrad::kernels
