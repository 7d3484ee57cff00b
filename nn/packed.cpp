// Sequences of different lengths, packed.
#include <xgrad/nn/packed.hpp>

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn::detail {

Packed::Packed(std::string_view module, const Indices& lengths, std::int64_t steps, std::int64_t sequences)
    : time(steps), batch(sequences) {
  if (lengths.shape() != Shape{batch})
    throw ShapeError(fmt::format("{}: lengths of shape {} for a batch of {}; give one for each sequence",
                                 module, to_string(lengths.shape()), batch));
  const std::vector<std::int64_t> length(lengths.values().begin(), lengths.values().end());
  for (std::size_t n = 0; n < length.size(); ++n)
    if (length[n] < 1 || length[n] > time)
      throw ValueError(
          fmt::format("{}: a length of {} for sequence {}; the input has {} steps, and a sequence at "
                      "least one",
                      module, length[n], n, time));
  std::vector<std::int64_t> order(length.size()), inverse(length.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int64_t a, std::int64_t b) {
    return length[static_cast<std::size_t>(a)] > length[static_cast<std::size_t>(b)];
  });
  for (std::size_t k = 0; k < order.size(); ++k)
    inverse[static_cast<std::size_t>(order[k])] = static_cast<std::int64_t>(k);

  std::vector<std::int64_t> from, to(static_cast<std::size_t>(time * batch), -1);
  for (std::int64_t t = 0; t < time; ++t) {
    const auto size = std::ranges::count_if(length, [&](std::int64_t l) { return l > t; });
    if (size == 0) break;
    sizes.push_back(size);
    for (std::int64_t k = 0; k < size; ++k) {
      const std::int64_t row = t * batch + order[static_cast<std::size_t>(k)];
      to[static_cast<std::size_t>(row)] = static_cast<std::int64_t>(from.size());
      from.push_back(row);
    }
  }
  std::ranges::replace(to, std::int64_t{-1}, static_cast<std::int64_t>(from.size()));
  longest_first = Indices({batch}, order);
  back = Indices({batch}, inverse);
  rows = Indices({static_cast<std::int64_t>(from.size())}, from);
  places = Indices({time * batch}, to);
}

template <Real T>
Tensor<T> Packed::pack(const Tensor<T>& padded, Location at) const {
  return index_select(reshape(padded, {time * batch, padded.shape()[2]}, at), 0, rows, at);
}

Indices Packed::pack(const Indices& padded, Location) const {
  std::vector<std::int64_t> packed;
  for (const std::int64_t row : rows.values())
    packed.push_back(padded.values()[static_cast<std::size_t>(row)]);
  return Indices(rows.shape(), packed);
}

template <Real T>
Tensor<T> Packed::unpack(const Tensor<T>& packed, Location at) const {
  const std::int64_t features = packed.shape()[1];
  const bool full = rows.elements() == time * batch;
  const Tensor<T> padding = zeros<T>({1, features});
  const Tensor<T> table = full ? packed : cat({packed, padding}, 0, at);
  return reshape(index_select(table, 0, places, at), {time, batch, features}, at);
}

template <Real T>
CellState<T> rows_of(const CellState<T>& state, std::int64_t start, std::int64_t count, Location at) {
  CellState<T> result;
  for (const Tensor<T>& x : state)
    result.push_back(count == x.shape()[0] ? x : narrow(x, 0, start, count, at));
  return result;
}

template <Real T>
CellState<T> joined(const std::vector<CellState<T>>& parts, Location at) {
  CellState<T> result;
  for (std::size_t k = 0; k < parts.front().size(); ++k) {
    std::vector<Tensor<T>> list;
    for (const CellState<T>& part : parts) list.push_back(part[k]);
    result.push_back(cat(std::span<const Tensor<T>>(list), 0, at));
  }
  return result;
}

#define XGRAD_INSTANTIATE(T)                                                                \
  template Tensor<T> Packed::pack(const Tensor<T>&, Location) const;                        \
  template Tensor<T> Packed::unpack(const Tensor<T>&, Location) const;                      \
  template CellState<T> rows_of(const CellState<T>&, std::int64_t, std::int64_t, Location); \
  template CellState<T> joined(const std::vector<CellState<T>>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn::detail
