// An array whose element type is known at run time only: what the engine and the nodes handle.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include <xgrad/autograd/core/shape.hpp>
#include <xgrad/autograd/core/storage.hpp>

namespace xgrad {

class AnyTensor;

namespace detail {

class Node;
struct Edge;

// Has a Replay that is being made (kernel_list.cpp) write again, in every run, what the program itself wrote to
// a new array.
void repeat_values(const AnyTensor& fresh);

}  // namespace detail

/// Shared storage + offset + shape (row-major, contiguous) + where it came from. `Tensor<T>` is this with a
/// type. Undefined when default constructed: then only handles and shape() can be asked for, and nothing here
/// checks it.
class AnyTensor {
 public:
  AnyTensor() = default;
  /// `shape.elements()` elements of a storage, from `offset` on.
  AnyTensor(detail::Ref<detail::Storage> storage, std::int64_t offset, const Shape& shape)
      : storage_(std::move(storage)), offset_(offset), shape_(shape) {}
  AnyTensor(const AnyTensor& other)
      : storage_(other.storage_),
        offset_(other.offset_),
        shape_(other.shape_),
        node_(other.node_),
        output_(other.output_) {
    if (node_) retain(node_);
  }
  AnyTensor(AnyTensor&& other) noexcept
      : storage_(std::move(other.storage_)),
        offset_(other.offset_),
        shape_(other.shape_),
        node_(std::exchange(other.node_, nullptr)),
        output_(other.output_) {}
  AnyTensor& operator=(const AnyTensor& other) {
    AnyTensor copy(other);
    return *this = std::move(copy);
  }
  AnyTensor& operator=(AnyTensor&& other) noexcept {
    detail::Node* old = std::exchange(node_, std::exchange(other.node_, nullptr));
    storage_ = std::move(other.storage_);
    offset_ = other.offset_;
    shape_ = other.shape_;
    output_ = other.output_;
    if (old) release(old);
    return *this;
  }
  ~AnyTensor() {
    if (node_) release(node_);
  }

  /// Uninitialised elements.
  static AnyTensor empty(const Shape& shape, DType dtype) {
    return {detail::Ref<detail::Storage>::adopt(detail::Storage::make(shape.elements(), dtype)), 0, shape};
  }
  static AnyTensor zeros(const Shape& shape, DType dtype);
  static AnyTensor full(const Shape& shape, DType dtype, double value);

  bool defined() const { return static_cast<bool>(storage_); }
  const Shape& shape() const& { return shape_; }
  Shape shape() const&& { return shape_; }  // a copy: that of a temporary is gone with it
  std::size_t rank() const { return shape_.rank(); }
  /// Extent of an axis; negative axes count from the back.
  std::int64_t size(std::int64_t axis) const { return shape_[normalize_axis("size", axis, shape_)]; }
  std::int64_t elements() const { return shape_.elements(); }
  DType dtype() const { return storage_->dtype(); }
  std::size_t size_in_bytes() const { return static_cast<std::size_t>(elements()) * size_of(dtype()); }
  Device device() const { return storage_->device(); }
  std::uint32_t version() const { return storage_->version(); }
  std::int64_t offset() const { return offset_; }

  /// Whether an op that reads this records a node.
  bool requires_grad() const;
  /// Whether this is a tensor that gradients accumulate in, or needs none; false for the result of a recorded
  /// op.
  bool is_leaf() const;

  // For ops and the engine: where the elements lie. Kernels are told by launch(), with reads() and writes().
  const std::byte* bytes() const {
    return storage_->data() + offset_ * static_cast<std::int64_t>(size_of(dtype()));
  }
  std::byte* mutable_bytes() { return const_cast<std::byte*>(bytes()); }
  void fill_zero();
  const detail::Ref<detail::Storage>& storage() const { return storage_; }
  detail::Node* node() const { return node_; }
  std::uint32_t output() const { return output_; }
  inline detail::Edge edge() const;  // these two are in node.hpp
  /// The same, taking the reference along: this handle forgets its history.
  inline detail::Edge take_edge();
  void attach(detail::Ref<detail::Node> node, std::uint32_t output) {
    if (node_) release(node_);
    node_ = node.leak();
    output_ = output;
  }
  AnyTensor detached() const { return {storage_, offset_, shape_}; }
  /// Gives the storage away; this handle becomes undefined but for its history.
  detail::Ref<detail::Storage> take_storage() { return std::move(storage_); }
  /// The same elements, or `shape.elements()` of them from `offset` elements on, under another shape; no
  /// node.
  AnyTensor part(const Shape& shape, std::int64_t offset = 0) const {
    return {storage_, offset_ + offset, shape};
  }
  /// Takes in `rows`, which lie right before this one's, in the same storage.
  void prepend(const AnyTensor& rows) {
    offset_ = rows.offset_;
    shape_.set(0, shape_[0] + rows.shape_[0]);
  }
  /// Whether this is the only one that holds the storage.
  bool unique() const { return storage_->unique(); }
  /// Whether the data ends where the storage does, so that loops may write after it.
  bool owns_tail() const { return offset_ == 0 && unique(); }

 protected:
  detail::Ref<detail::Storage> storage_;
  std::int64_t offset_ = 0;
  Shape shape_;
  detail::Node* node_ = nullptr;  // owning; a raw pointer so that this header need not know Node
  std::uint32_t output_ = 0;

 private:
  static void retain(detail::Node* node) noexcept;
  static void release(detail::Node* node) noexcept;
};

/// As NumPy prints it: `[[1. 2.]\n [3. 4.]]`, to `precision` digits after the point.
std::string to_string(const AnyTensor& tensor, int precision = 8);
std::ostream& operator<<(std::ostream& out, const AnyTensor& tensor);

namespace detail {

/// Adds `from` to `into` element by element, in place. Shapes and types must be equal.
void add_into(AnyTensor& into, const AnyTensor& from);

/// Copies the elements of `from`, which has as many, and does not overlap.
void copy_into(AnyTensor& into, const AnyTensor& from);

/// A copy with storage of its own. Throws ValueError for an undefined tensor.
AnyTensor copy_of(const AnyTensor& tensor);

[[noreturn]] void undefined_tensor(std::string_view function);

// Throws ValueError naming `function` for an undefined tensor.
inline void require_defined(std::string_view function, const AnyTensor& tensor) {
  if (!tensor.defined()) undefined_tensor(function);
}

}  // namespace detail

}  // namespace xgrad
