// Shapes: printing, broadcasting, axis arithmetic.
#include <xgrad/autograd/core/shape.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ostream>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad {

void Shape::too_many_axes() {
  throw ShapeError(fmt::format("shape: more than {} axes; flatten some of them with reshape", max_rank));
}

void Shape::bad_extent(std::int64_t extent) {
  throw ShapeError(
      fmt::format("shape: extent {} is not between 0 and 2^32 - 1; give sizes of 0 or more", extent));
}

void Shape::too_many_elements(const Shape& shape) {
  throw ShapeError(fmt::format("shape: {} has more elements than can be counted", to_string(shape)));
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }

Shape broadcast(std::string_view op, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const std::size_t lead = longer.rank() - shorter.rank();
  Shape result = longer;
  for (std::size_t i = lead; i < longer.rank(); ++i) {
    const std::int64_t x = longer[i], y = shorter[i - lead];
    if (x != y && x != 1 && y != 1)
      throw ShapeError(
          fmt::format("{}: shapes {} and {} do not broadcast: axis {} has {} and {}; each pair of extents, "
                      "from the right, must "
                      "be equal or one of them 1",
                      op, to_string(a), to_string(b),
                      static_cast<std::int64_t>(i) - static_cast<std::int64_t>(longer.rank()),
                      a.rank() >= b.rank() ? x : y, a.rank() >= b.rank() ? y : x));
    result.set(i, x == 1 ? y : x);
  }
  return result;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.rank() > to.rank()) return false;
  const std::size_t lead = to.rank() - from.rank();
  for (std::size_t i = 0; i < from.rank(); ++i)
    if (from[i] != to[lead + i] && from[i] != 1) return false;
  return true;
}

std::size_t normalize_axis(std::string_view op, std::int64_t axis, const Shape& shape) {
  const auto rank = static_cast<std::int64_t>(shape.rank());
  if (axis < -rank || axis >= rank)
    throw ShapeError(
        rank == 0 ? fmt::format("{}: axis {} of a scalar, which has none; reshape it to [1] first", op, axis)
                  : fmt::format("{}: axis {} of shape {}; axes run from {} to {}", op, axis, to_string(shape),
                                -rank, rank - 1));
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

std::array<std::int64_t, Shape::max_rank> contiguous_strides(const Shape& shape) {
  std::array<std::int64_t, Shape::max_rank> strides{};
  std::int64_t stride = 1;
  for (std::size_t i = shape.rank(); i-- > 0; stride *= shape[i]) strides[i] = stride;
  return strides;
}

}  // namespace xgrad
