// Reading and adding by index: whole rows, and single elements along an axis. Indices are not checked here.
#pragma once

#include <cstdint>
#include <span>

namespace xgrad::kernels {

/// out[o][k] = in[o][index[k]] for every block o of `outer`: `in` is outer × extent × inner, `out` is
/// outer × index.size() × inner. T is float or double.
template <class T>
void gather_rows(std::int64_t outer, std::int64_t extent, std::int64_t inner,
                 std::span<const std::int64_t> index, const T* in, T* out);

/// The adjoint: out[o][index[k]] += in[o][k], in the order of k.
template <class T>
void scatter_add_rows(std::int64_t outer, std::int64_t extent, std::int64_t inner,
                      std::span<const std::int64_t> index, const T* in, T* out);

/// out[i, j, …] = in[i, …, index[i, j, …], …], the index standing in place of the coordinate along `axis`.
/// `shape` is that of `index` and `out`; `strides` are those of `in`, in elements.
template <class T>
void gather(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, std::size_t axis,
            const std::int64_t* index, const T* in, T* out);

/// The adjoint: adds in[i, j, …] there instead; `strides` are those of `out`.
template <class T>
void scatter_add(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides, std::size_t axis,
                 const std::int64_t* index, const T* in, T* out);

/// out[k][index[k]] = 1 in an array of index.size() × classes zeros.
template <class T>
void set_ones(std::span<const std::int64_t> index, std::int64_t classes, T* out);

}  // namespace xgrad::kernels
