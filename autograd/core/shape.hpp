// The extents of a tensor, and what ops need to know about two of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iosfwd>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace xgrad {

/// Row-major extents, at most `max_rank` of them, each below 2^32. An empty shape is a scalar's.
/// Throws ShapeError for more axes or a negative extent.
class Shape {
 public:
  static constexpr std::size_t max_rank = 7;

  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<std::int64_t> extents) : Shape(extents.begin(), extents.end()) {}

  template <std::input_iterator I>
  constexpr Shape(I first, I last) {
    for (; first != last; ++first) push_back(static_cast<std::int64_t>(*first));
  }

  template <std::ranges::input_range R>
    requires(!std::same_as<std::remove_cvref_t<R>, Shape> &&
             std::integral<std::remove_cvref_t<std::ranges::range_reference_t<R>>>)
  constexpr explicit Shape(const R& extents)
      : Shape(std::ranges::begin(extents), std::ranges::end(extents)) {}

  constexpr std::size_t rank() const { return rank_; }
  constexpr bool empty() const { return rank_ == 0; }
  constexpr std::int64_t operator[](std::size_t axis) const { return extents_[axis]; }
  constexpr std::int64_t back() const { return extents_[rank_ - 1]; }
  constexpr const std::uint32_t* begin() const { return extents_.data(); }
  constexpr const std::uint32_t* end() const { return extents_.data() + rank_; }

  constexpr void set(std::size_t axis, std::int64_t extent) { extents_[axis] = checked(extent); }
  constexpr void push_back(std::int64_t extent) {
    if (rank_ == max_rank) too_many_axes();
    extents_[rank_++] = checked(extent);
  }
  constexpr void insert(std::size_t axis, std::int64_t extent) {
    push_back(extent);
    for (std::size_t i = rank_ - 1; i > axis; --i) std::swap(extents_[i], extents_[i - 1]);
  }
  constexpr void erase(std::size_t axis) {
    for (std::size_t i = axis; i + 1 < rank_; ++i) extents_[i] = extents_[i + 1];
    extents_[--rank_] = 0;
  }

  /// Number of elements: the product of the extents, 1 for a scalar. Throws ShapeError where that overflows.
  constexpr std::int64_t elements() const {
    std::int64_t n = 1;
    for (std::size_t i = 0; i < rank_; ++i)
      if (__builtin_mul_overflow(n, std::int64_t{extents_[i]}, &n)) too_many_elements(*this);
    return n;
  }

  /// Product of the extents from `first` up to, not including, `last`.
  constexpr std::int64_t elements(std::size_t first, std::size_t last) const {
    std::int64_t n = 1;
    for (std::size_t i = first; i < last; ++i) n *= extents_[i];
    return n;
  }

  // All words at once: ops compare shapes more often than anything else.
  friend constexpr bool operator==(const Shape& a, const Shape& b) {
    if (std::is_constant_evaluated()) return a.rank_ == b.rank_ && a.extents_ == b.extents_;
    return std::memcmp(&a, &b, sizeof(Shape)) == 0;
  }

 private:
  static constexpr std::uint32_t checked(std::int64_t extent) {
    if (extent < 0 || extent > 0xffffffff) bad_extent(extent);
    return static_cast<std::uint32_t>(extent);
  }
  [[noreturn]] static void too_many_axes();
  [[noreturn]] static void bad_extent(std::int64_t extent);
  [[noreturn]] static void too_many_elements(const Shape& shape);

  std::array<std::uint32_t, max_rank> extents_{};  // unused ones stay 0, so that == is memberwise
  std::uint32_t rank_ = 0;
};
static_assert(std::has_unique_object_representations_v<Shape>);

/// "[2, 3]"
std::string to_string(const Shape& shape);
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// The common shape of two broadcast operands (NumPy's rule). Throws ShapeError naming `op` and both.
Shape broadcast(std::string_view op, const Shape& a, const Shape& b);

/// Whether `from` broadcasts to exactly `to`.
bool broadcasts_to(const Shape& from, const Shape& to);

/// `axis` counted from the front; negative ones count from the back. Throws ShapeError naming `op`.
std::size_t normalize_axis(std::string_view op, std::int64_t axis, const Shape& shape);

/// Element strides of a contiguous array of this shape.
std::array<std::int64_t, Shape::max_rank> contiguous_strides(const Shape& shape);

}  // namespace xgrad
