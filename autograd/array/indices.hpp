// Integer arrays: what embeddings, gathers and losses take as indices.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <ranges>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {

/// A range of integers, or an xtensor array or expression of them (whose iterators are those of C++17).
template <class R>
concept IntegerArray = (std::ranges::input_range<const R> &&
                        std::integral<std::ranges::range_value_t<const R>>) ||
                       requires(const R& values) {
  requires std::integral<typename R::value_type>;
  values.dimension(), values.shape(), values.begin(), values.end();
};

/// A row-major array of 64-bit integers, without a gradient; copies are the same array. Made from lists, ranges
/// of integers, or any integer xtensor expression. Sliced, joined and computed with as tensors are: see
/// <xgrad/ops/shape.hpp> and <xgrad/ops/integer.hpp>.
class Indices : public AnyTensor {
  // A value in a list: being converted it loses to a nested list, which makes `Indices{{2}}` one row.
  struct Value {
    std::int64_t value;
    template <std::integral I>
    Value(I x) : value(static_cast<std::int64_t>(x)) {}
  };

 public:
  using value_type = std::int64_t;

  Indices() : Indices(Shape{0}, {}) {}
  /// From an untyped handle; throws ValueError when it holds no integers.
  explicit Indices(AnyTensor untyped);
  /// Throws ShapeError when the number of values is not the shape's.
  Indices(const Shape& shape, const std::vector<std::int64_t>& values);
  Indices(std::initializer_list<Value> values);
  /// Rows of equal length. Throws ShapeError for ragged ones.
  Indices(std::initializer_list<std::initializer_list<std::int64_t>> rows);
  template <IntegerArray R>
    requires(!std::derived_from<R, Indices>)
  Indices(const R& values) : Indices(shape_of(values), copied(values)) {}

  /// Uninitialised values.
  static Indices empty(const Shape& shape);

  /// Throws GraphError inside the function of a Replay.
  std::span<const std::int64_t> values() const&;
  std::vector<std::int64_t> values() const&&;
  /// The one element's value. Throws ShapeError for any other number of elements.
  std::int64_t item() const;

  /// Overwrites the values, in all handles that share them: the next batch for a Replay. A graph that reads
  /// them will refuse to go backward. Throws ShapeError for another shape.
  void assign(const Indices& values);

  /// Element `i` along the first axis, without copying.
  Indices operator[](std::int64_t i) const;

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

/// Whether shapes and all values are equal (PyTorch's torch.equal).
bool equal(const Indices& a, const Indices& b);

/// Throws ValueError naming `op`, the value and where it stands unless all are in [0, limit); in a Replay,
/// also at each run.
void check_indices(std::string_view op, const Indices& indices, std::int64_t limit);

namespace detail {

/// New indices that kernels compute, all in [0, limit): in a Replay they cannot be checked before it runs.
Indices computed_indices(const Shape& shape, std::int64_t limit);
/// Whether kernels of the Replay that is being made compute these.
bool computed_in_replay(const Indices& indices);
/// The same; throws GraphError naming `op` if they might then not be in [0, limit).
bool computed_in_replay(std::string_view op, const Indices& indices, std::int64_t limit);

/// An op under way whose results are Indices. In a Replay, operands that none of its kernels computes are known
/// before a run: what the op launches then runs before all else, so that checks see the results. Those of other
/// operands cannot be checked; they are all in [0, limit).
class IndexOp {
 public:
  IndexOp(std::span<const Indices> operands, std::int64_t limit);
  /// An op that moves values.
  explicit IndexOp(std::span<const Indices> operands);
  ~IndexOp();

 private:
  SettingScope<&ThreadState::arena> arena_;
  std::int64_t limit_before_ = 0;
};

}  // namespace detail

}  // namespace xgrad
