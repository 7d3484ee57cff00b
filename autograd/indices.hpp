// Integer arrays: what embeddings, gathers and losses take as indices.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <vector>

#include "autograd/shape.hpp"

namespace xgrad {

/// A range of integers, or an xtensor array or expression of them (whose iterators are those of C++17).
template <class R>
concept IntegerArray =
    (std::ranges::input_range<const R> && std::integral<std::ranges::range_value_t<const R>>) ||
    requires(const R& values) {
      requires std::integral<typename R::value_type>;
      values.dimension(), values.shape(), values.begin(), values.end();
    };

/// A read-only, shared, row-major array of 64-bit integers. Made from lists, ranges of integers, or any
/// integer xtensor expression.
class Indices {
  // A value in a list: being converted it loses to a nested list, which makes `Indices{{2}}` one row.
  struct Value {
    std::int64_t value;
    template <std::integral I>
    Value(I x) : value(static_cast<std::int64_t>(x)) {}
  };

 public:
  Indices() : Indices(Shape{0}, {}) {}
  /// Throws ShapeError when the number of values is not the shape's.
  Indices(const Shape& shape, std::vector<std::int64_t> values);
  Indices(std::initializer_list<Value> values);
  /// Rows of equal length. Throws ShapeError for ragged ones.
  Indices(std::initializer_list<std::initializer_list<std::int64_t>> rows);

  template <IntegerArray R>
    requires(!std::derived_from<R, Indices>)
  Indices(const R& values) : Indices(shape_of(values), copied(values)) {}

  const Shape& shape() const { return shape_; }
  std::int64_t elements() const { return shape_.elements(); }
  std::span<const std::int64_t> values() const {
    return {values_->data() + offset_, static_cast<std::size_t>(elements())};
  }

  /// The same values under another shape. Throws ShapeError when the counts differ.
  Indices reshape(const Shape& shape) const;
  /// Element `i` along the first axis, without copying.
  Indices operator[](std::int64_t i) const;

  friend bool operator==(const Indices& a, const Indices& b);

 private:
  template <class R>
  static Shape shape_of(const R& values) {
    if constexpr (requires {
                    values.dimension();
                    values.shape();
                  })
      return Shape(values.shape());
    else
      return Shape{static_cast<std::int64_t>(std::ranges::distance(values))};
  }
  template <class R>
  static std::vector<std::int64_t> copied(const R& values) {
    std::vector<std::int64_t> result;
    for (const auto& value : values) result.push_back(static_cast<std::int64_t>(value));
    return result;
  }

  Shape shape_;
  std::shared_ptr<const std::vector<std::int64_t>> values_;
  std::int64_t offset_ = 0;
};

/// As NumPy prints it: `[[1 2]\n [3 4]]`.
std::string to_string(const Indices& indices);
std::ostream& operator<<(std::ostream& out, const Indices& indices);

/// Throws ValueError naming `op`, the value and where it stands unless all are in [0, limit).
void check_indices(std::string_view op, const Indices& indices, std::int64_t limit);

}  // namespace xgrad
