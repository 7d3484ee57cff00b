// Integer arrays.
#include "autograd/indices.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "autograd/error.hpp"

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
    : shape_(shape), values_(std::make_shared<const std::vector<std::int64_t>>(std::move(values))) {
  if (static_cast<std::int64_t>(values_->size()) != shape_.elements())
    throw ShapeError(fmt::format("Indices: {} values for shape {}, which holds {}", values_->size(),
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

void check_indices(std::string_view op, const Indices& indices, std::int64_t limit) {
  const auto values = indices.values();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] < 0 || values[i] >= limit)
      throw ValueError(fmt::format("{}: index {} at position {} of {} is not in [0, {})", op, values[i], i,
                                   to_string(indices.shape()), limit));
}

}  // namespace xgrad
