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
#include <string_view>
#include <utility>
#include <vector>

#include <xgrad/autograd/core/replay_mode.hpp>
#include <xgrad/autograd/core/shape.hpp>

namespace xgrad {

/// A range of integers, or an xtensor array or expression of them (whose iterators are those of C++17).
template <class R>
concept IntegerArray = (std::ranges::input_range<const R> &&
                        std::integral<std::ranges::range_value_t<const R>>) ||
                       requires(const R& values) {
  requires std::integral<typename R::value_type>;
  values.dimension(), values.shape(), values.begin(), values.end();
};

/// A row-major array of 64-bit integers; copies share the values. Made from lists, ranges of integers, or any
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
  requires(!std::derived_from<R, Indices>) Indices(const R& values)
      : Indices(shape_of(values), copied(values)) {}

  const Shape& shape() const { return shape_; }
  std::int64_t elements() const { return shape_.elements(); }
  /// Throws GraphError inside the function of a Replay.
  std::span<const std::int64_t> values() const;
  /// Where the values lie, for a kernel to be launched on them.
  std::span<const std::int64_t> address() const {
    if (detail::in_replay()) [[unlikely]]
      hold_in_replay();
    return span();
  }

  /// Where a kernel may write the values, all in [0, limit), of indices that are new, nobody else's yet.
  std::int64_t* mutable_address(std::int64_t limit);
  /// Whether kernels of the Replay that is being made compute the values, so that they cannot be checked
  /// before it runs. Throws GraphError naming `op` if they might then not be below `limit`.
  bool computed_in_replay(std::string_view op, std::int64_t limit) const;

  /// Overwrites the values, in all handles that share them: the next batch for a Replay. A graph that reads
  /// them will refuse to go backward. Throws ShapeError for another shape.
  void assign(const Indices& values);
  /// How often the values were overwritten.
  std::uint32_t version() const { return block_->version; }

  /// The same values under another shape. Throws ShapeError when the counts differ.
  Indices reshape(const Shape& shape) const;
  /// Element `i` along the first axis, without copying.
  Indices operator[](std::int64_t i) const;

  friend bool operator==(const Indices& a, const Indices& b);

 private:
  struct Block {
    std::vector<std::int64_t> values;
    std::uint32_t version = 0;
    std::uint64_t computed_by = 0;  // number of the list whose kernels write the values, in [0, limit)
    std::int64_t limit = 0;
  };

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

  void hold_in_replay() const;
  std::span<const std::int64_t> span() const {
    return {block_->values.data() + offset_, static_cast<std::size_t>(elements())};
  }

  Shape shape_;
  std::shared_ptr<Block> block_;
  std::int64_t offset_ = 0;
};

/// Indices that an op needs again in its backward.
class SavedIndices {
 public:
  SavedIndices(Indices indices) : indices_(std::move(indices)), version_(indices_.version()) {}
  /// Throws GraphError naming `op` if the values were overwritten meanwhile.
  const Indices& unchanged(std::string_view op) const {
    if (indices_.version() != version_) [[unlikely]]
      changed(op);
    return indices_;
  }
  const Shape& shape() const { return indices_.shape(); }

 private:
  [[noreturn]] void changed(std::string_view op) const;

  Indices indices_;
  std::uint32_t version_;
};

/// As NumPy prints it: `[[1 2]\n [3 4]]`.
std::string to_string(const Indices& indices);
std::ostream& operator<<(std::ostream& out, const Indices& indices);

/// Throws ValueError naming `op`, the value and where it stands unless all are in [0, limit); in a Replay,
/// also at each run.
void check_indices(std::string_view op, const Indices& indices, std::int64_t limit);

}  // namespace xgrad
