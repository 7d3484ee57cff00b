// Replacing elements by index, indexing by several axes, and reading by mask: index_select of the right
// places.
#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/replay_mode.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/integer.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

// The rows of x, where row k of `source` stands in the place that the index in place k names: a choice among
// the rows of both, which index_select makes. `shape` is that of the index, `strides` are those of its
// places.
template <Real T>
Tensor<T> rows_replaced(const Tensor<T>& x, const Tensor<T>& source, const Shape& shape,
                        const Extents& strides, std::size_t axis, const Indices& index, Location at) {
  const std::int64_t n = x.shape()[0];
  const Indices places = computed_indices({n}, n + source.shape()[0]);
  launch(kernels_of(index).places_of_scattered, Extents(shape), strides, axis, reads(index), n,
         writes(places));
  return index_select(cat({x, source}, 0, at), 0, places, at);
}

// The indices of the first axes as one index of rows, and x as rows.
template <Real T>
struct Rows {
  Tensor<T> rows;
  Indices places;
  Shape shape;  // of the result

  Rows(std::string_view op, const Tensor<T>& x, const std::vector<Indices>& indices, Location at) {
    check_defined(op, x);
    if (indices.empty() || indices.size() > x.rank())
      throw ShapeError(fmt::format("{}: indices for {} axes of {}; give one to {}", op, indices.size(),
                                   to_string(x.shape()), x.rank()));
    for (std::size_t k = 0; k < indices.size(); ++k) {
      shape = k == 0 ? indices[k].shape() : broadcast(op, shape, indices[k].shape());
      check_indices(op, indices[k], x.shape()[k]);
      places = k == 0 ? indices[k] : places * x.shape()[k] + indices[k];
    }
    places = flatten(places);
    Shape by_row{x.shape().elements(0, indices.size())};
    for (std::size_t i = indices.size(); i < x.rank(); ++i) {
      by_row.push_back(x.shape()[i]);
      shape.push_back(x.shape()[i]);
    }
    rows = reshape(x, by_row, at);
  }
};

}  // namespace

template <Real T>
Tensor<T> take_along_dim(const Tensor<T>& x, const Indices& indices, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_defined("take_along_dim", x);
  const std::size_t along = normalize_axis("take_along_dim", axis, x.shape());
  if (indices.rank() != x.rank())
    throw ShapeError(fmt::format("take_along_dim: indices of shape {} into {}; give as many axes",
                                 to_string(indices.shape()), to_string(x.shape())));
  Shape own = x.shape(), other = indices.shape();
  own.set(along, 1);
  other.set(along, 1);
  Shape from = broadcast("take_along_dim", own, other), to = from;
  from.set(along, x.shape()[along]);
  to.set(along, indices.shape()[along]);
  return gather(expand(x, from, at), axis, expand(indices, to), at);
}

template <Real T>
Tensor<T> scatter(const Tensor<T>& x, std::int64_t axis, const Indices& indices, const Tensor<T>& source,
                  Location at) {
  const CallSite call(at);
  check_defined("scatter", x);
  check_defined("scatter", source, 1);
  const std::size_t along = normalize_axis("scatter", axis, x.shape());
  const Tensor<T> used = check_scatter("scatter", x, along, indices, source, at);
  const Extents strides(contiguous_strides(x.shape()), x.rank());
  const Tensor<T> y = rows_replaced(flatten(x, 0, -1, at), flatten(used, 0, -1, at), indices.shape(), strides,
                                    along, indices, at);
  return reshape(y, x.shape(), at);
}

template <Real T>
Tensor<T> scatter(const Tensor<T>& x, std::int64_t axis, const Indices& indices, double value, Location at) {
  const CallSite call(at);
  return scatter(x, axis, indices, full<T>(indices.shape(), value), at);
}

template <Real T>
Tensor<T> index(const Tensor<T>& x, const std::vector<Indices>& indices, Location at) {
  const CallSite call(at);
  const Rows<T> of("index", x, indices, at);
  return reshape(index_select(of.rows, 0, of.places, at), of.shape, at);
}

template <Real T>
Tensor<T> index_put(const Tensor<T>& x, const std::vector<Indices>& indices, const Tensor<T>& values,
                    bool accumulate, Location at) {
  const CallSite call(at);
  const Rows<T> of("index_put", x, indices, at);
  check_defined("index_put", values, 1);
  if (!broadcasts_to(values.shape(), of.shape))
    throw ShapeError(
        fmt::format("index_put: values of shape {} do not broadcast to {}, which is what the indices "
                    "name",
                    to_string(values.shape()), to_string(of.shape)));
  Shape by_row = of.rows.shape();
  by_row.set(0, of.places.elements());
  const Tensor<T> source = reshape(expand(values, of.shape, at), by_row, at);
  if (accumulate) return reshape(index_add(of.rows, 0, of.places, source, 1, at), x.shape(), at);
  const Extents one_apart{Shape{1}};
  const Tensor<T> y = rows_replaced(of.rows, source, of.places.shape(), one_apart, 0, of.places, at);
  return reshape(y, x.shape(), at);
}

template <Real T>
Indices nonzero(const Tensor<T>& x, Location at) {
  const CallSite call(at);
  check_defined("nonzero", x);
  const auto v = x.values();
  std::vector<std::int64_t> places;
  for (std::size_t n = 0; n < v.size(); ++n) {
    if (v[n] == 0) continue;
    auto rest = static_cast<std::int64_t>(n);
    const auto first = places.insert(places.end(), x.rank(), 0);
    for (std::size_t i = x.rank(); i-- > 0; rest /= x.shape()[i])
      first[static_cast<std::ptrdiff_t>(i)] = rest % x.shape()[i];
  }
  const auto rank = static_cast<std::int64_t>(x.rank());
  const std::int64_t count = rank > 0 ? static_cast<std::int64_t>(places.size()) / rank : v[0] != 0;
  return {Shape{count, rank}, places};
}

template <Real T>
Tensor<T> masked_select(const Tensor<T>& x, const Tensor<T>& mask, Location at) {
  const CallSite call(at);
  check_defined("masked_select", x);
  check_defined("masked_select", mask, 1);
  const Shape shape = broadcast("masked_select", x.shape(), mask.shape());
  const Indices places = nonzero(flatten(expand(mask, shape).detach()));
  return index_select(flatten(expand(x, shape, at), 0, -1, at), 0, flatten(places), at);
}

#define XGRAD_INSTANTIATE(T)                                                                              \
  template Tensor<T> take_along_dim(const Tensor<T>&, const Indices&, std::int64_t, Location);            \
  template Tensor<T> scatter(const Tensor<T>&, std::int64_t, const Indices&, const Tensor<T>&, Location); \
  template Tensor<T> scatter(const Tensor<T>&, std::int64_t, const Indices&, double, Location);           \
  template Tensor<T> index(const Tensor<T>&, const std::vector<Indices>&, Location);                      \
  template Tensor<T> index_put(const Tensor<T>&, const std::vector<Indices>&, const Tensor<T>&, bool,     \
                               Location);                                                                 \
  template Indices nonzero(const Tensor<T>&, Location);                                                   \
  template Tensor<T> masked_select(const Tensor<T>&, const Tensor<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
