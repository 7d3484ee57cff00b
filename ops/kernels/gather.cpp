// Reading and adding by index: whole rows, and single elements along an axis.
#include <algorithm>
#include <array>
#include <numeric>

#include <xgrad/autograd/core/shape.hpp>
#include <xgrad/autograd/kernels/rows.hpp>
#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels {

namespace {

template <class T>
void gather_rows(std::int64_t outer, std::int64_t extent, std::int64_t inner, const std::int64_t* index,
                 std::int64_t count, const T* in, T* out) {
  for (std::int64_t o = 0; o < outer; ++o, in += extent * inner)
    for (const std::int64_t k : std::span(index, static_cast<std::size_t>(count)))
      out = std::copy_n(in + k * inner, inner, out);
}

template <class T>
void scatter_add_rows(std::int64_t outer, std::int64_t extent, std::int64_t inner, const std::int64_t* index,
                      std::int64_t count, const T* in, T* out) {
  for (std::int64_t o = 0; o < outer; ++o, out += extent * inner)
    for (const std::int64_t k : std::span(index, static_cast<std::size_t>(count))) {
      column_sums(1, inner, in, true, out + k * inner);
      in += inner;
    }
}

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

void places_of_scattered(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
                         std::size_t axis, const std::int64_t* index, std::int64_t n, std::int64_t* places) {
  std::iota(places, places + n, std::int64_t{0});
  for_each_place(shape, strides, axis, index,
                 [&](std::int64_t k, std::int64_t place) { places[place] = n + k; });
}

template <class T>
void set_ones(const std::int64_t* index, std::int64_t count, std::int64_t classes, T* out) {
  for (const std::int64_t k : std::span(index, static_cast<std::size_t>(count))) {
    out[k] = 1;
    out += classes;
  }
}

}  // namespace

void add_gathers(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.gather_rows = gather_rows<T>;
    k.scatter_add_rows = scatter_add_rows<T>;
    k.gather = gather<T>;
    k.scatter_add = scatter_add<T>;
    k.set_ones = set_ones<T>;
  });
  table.integers.places_of_scattered = places_of_scattered;
}

}  // namespace xgrad::kernels
