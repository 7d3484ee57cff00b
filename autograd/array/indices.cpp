// Integer arrays.
#include <xgrad/autograd/array/indices.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/core/error.hpp>

namespace xgrad {

namespace {

std::vector<std::int64_t> flattened(std::initializer_list<std::initializer_list<std::int64_t>> rows) {
  std::vector<std::int64_t> flat;
  for (const auto& row : rows) {
    if (row.size() != rows.begin()->size())
      throw ShapeError(fmt::format("Indices: rows of {} and of {} values; give every row the same number",
                                   rows.begin()->size(), row.size()));
    flat.insert(flat.end(), row);
  }
  return flat;
}

}  // namespace

Indices::Indices(const Shape& shape, std::vector<std::int64_t> values)
    : shape_(shape), block_(std::make_shared<Block>(std::move(values))) {
  if (static_cast<std::int64_t>(block_->values.size()) != shape_.elements())
    throw ShapeError(fmt::format("Indices: {} values for shape {}, which holds {}", block_->values.size(),
                                 to_string(shape_), shape_.elements()));
}

Indices::Indices(std::initializer_list<Value> values) {
  std::vector<std::int64_t> flat;
  for (const Value& x : values) flat.push_back(x.value);
  *this = Indices(Shape{static_cast<std::int64_t>(values.size())}, std::move(flat));
}

Indices::Indices(std::initializer_list<std::initializer_list<std::int64_t>> rows)
    : Indices(Shape{static_cast<std::int64_t>(rows.size()),
                    rows.size() ? static_cast<std::int64_t>(rows.begin()->size()) : 0},
              flattened(rows)) {}

std::span<const std::int64_t> Indices::values() const {
  if (detail::in_replay())
    detail::refuse_in_replay("Indices::values",
                             "values cannot be read: the program would do so once, not in every run; work on "
                             "them before a run, and assign() the result");
  return span();
}

void Indices::hold_in_replay() const { this_thread.replay->hold(block_); }

std::int64_t* Indices::mutable_address(std::int64_t limit) {
  if (detail::in_replay()) {
    hold_in_replay();
    block_->computed_by = this_thread.replay->number();
    block_->limit = limit;
  }
  launch([version = &block_->version] { ++*version; });
  return block_->values.data() + offset_;
}

bool Indices::computed_in_replay(std::string_view op, std::int64_t limit) const {
  if (!detail::in_replay() || block_->computed_by != this_thread.replay->number()) return false;
  if (block_->limit > limit)
    detail::refuse_in_replay(op,
                             fmt::format("indices are computed that may reach {}, and only those in [0, {}) "
                                         "fit; compute them before each run, and assign() them",
                                         block_->limit - 1, limit));
  return true;
}

void Indices::assign(const Indices& values) {
  if (detail::in_replay())
    detail::refuse_in_replay("Indices::assign", "it would happen once, not in every run; do it before each");
  if (values.shape_ != shape_)
    throw ShapeError(
        fmt::format("Indices::assign: values of shape {} to indices of shape {}; reshape() them first",
                    to_string(values.shape_), to_string(shape_)));
  const auto from = values.span();
  if (!from.empty()) std::memmove(block_->values.data() + offset_, from.data(), from.size_bytes());
  ++block_->version;
}

void SavedIndices::changed(std::string_view op) const {
  throw GraphError(
      fmt::format("backward of '{}': its indices of shape {}, or some that share memory with them, were "
                  "overwritten after "
                  "the op read them; go backward first, or give the op other Indices",
                  op, to_string(indices_.shape())));
}

Indices Indices::reshape(const Shape& shape) const {
  if (shape.elements() != elements())
    throw ShapeError(fmt::format("Indices::reshape: {} to {}: {} values and {}; keep their number",
                                 to_string(shape_), to_string(shape), elements(), shape.elements()));
  Indices result = *this;
  result.shape_ = shape;
  return result;
}

Indices Indices::operator[](std::int64_t i) const {
  normalize_axis("Indices::operator[]", 0, shape_);
  if (i < 0 || i >= shape_[0])
    throw ShapeError(fmt::format("Indices: element {} of shape {}; the first axis has {}", i,
                                 to_string(shape_), shape_[0]));
  Indices result = *this;
  result.shape_.erase(0);
  result.offset_ += i * result.elements();
  return result;
}

bool operator==(const Indices& a, const Indices& b) {
  return a.shape_ == b.shape_ && std::ranges::equal(a.values(), b.values());
}

namespace {

struct IndexCheck {
  std::string_view op;
  std::span<const std::int64_t> values;
  Shape shape;
  std::int64_t limit;

  void operator()() const {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (values[i] < 0 || values[i] >= limit)
        throw ValueError(fmt::format("{}: index {} at position {} of {} is not in [0, {})", op, values[i], i,
                                     to_string(shape), limit));
  }
};

}  // namespace

void check_indices(std::string_view op, const Indices& indices, std::int64_t limit) {
  if (indices.computed_in_replay(op, limit)) return;
  IndexCheck check{op, indices.address(), indices.shape(), limit};
  check();
  if (!detail::in_replay()) return;
  check.op = {static_cast<const char*>(this_thread.replay->keep(op.data(), op.size())), op.size()};
  this_thread.replay->append_check(check);
}

}  // namespace xgrad
