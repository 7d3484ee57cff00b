// Integer arrays.
#include <xgrad/autograd/array/indices.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad {

using namespace detail;

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

Indices::Indices(AnyTensor untyped) : AnyTensor(std::move(untyped)) {
  if (defined() && dtype() != DType::int64)
    throw ValueError("Indices: the values are no integers, but a tensor's");
}

Indices::Indices(const Shape& shape, const std::vector<std::int64_t>& values)
    : Indices(detail::empty_for_values(shape, DType::int64)) {
  if (static_cast<std::int64_t>(values.size()) != elements())
    throw ShapeError(fmt::format("Indices: {} values for shape {}, which holds {}", values.size(),
                                 to_string(shape), elements()));
  std::ranges::copy(values, reinterpret_cast<std::int64_t*>(mutable_bytes()));
}

Indices Indices::empty(const Shape& shape) {
  Indices result(AnyTensor::empty(shape, DType::int64));
  if (detail::in_replay()) this_thread.replay->add_indices(result.storage());
  return result;
}

Indices::Indices(std::initializer_list<Value> values) {
  std::vector<std::int64_t> flat;
  for (const Value& x : values) flat.push_back(x.value);
  *this = Indices(Shape{static_cast<std::int64_t>(values.size())}, flat);
}

Indices::Indices(std::initializer_list<std::initializer_list<std::int64_t>> rows)
    : Indices(Shape{static_cast<std::int64_t>(rows.size()),
                    rows.size() ? static_cast<std::int64_t>(rows.begin()->size()) : 0},
              flattened(rows)) {}

std::span<const std::int64_t> Indices::values() const& {
  if (in_replay())
    refuse_in_replay("Indices::values",
                     "values cannot be read: the program would do so once, not in every run; work on "
                     "them before a run, and assign() the result");
  return {reinterpret_cast<const std::int64_t*>(bytes()), static_cast<std::size_t>(elements())};
}

std::vector<std::int64_t> Indices::values() const&& {
  const auto all = values();
  return {all.begin(), all.end()};
}

std::int64_t Indices::item() const {
  if (elements() != 1)
    throw ShapeError(fmt::format("item: indices of shape {} have no single value; read values()",
                                 to_string(shape())));
  return values()[0];
}

void Indices::assign(const Indices& values) {
  if (in_replay())
    refuse_in_replay("Indices::assign", "it would happen once, not in every run; do it before each");
  if (values.shape() != shape())
    throw ShapeError(
        fmt::format("Indices::assign: values of shape {} to indices of shape {}; reshape() them first",
                    to_string(values.shape()), to_string(shape())));
  std::memmove(mutable_bytes(), values.bytes(), size_in_bytes());
  storage()->raise_version();
}

void SavedIndices::changed(std::string_view op) const {
  throw GraphError(
      fmt::format("backward of '{}': its indices of shape {}, or some that share memory with them, were "
                  "overwritten after "
                  "the op read them; go backward first, or give the op other Indices",
                  op, to_string(indices_.shape())));
}

Indices Indices::operator[](std::int64_t i) const {
  normalize_axis("Indices::operator[]", 0, shape());
  if (i < 0 || i >= shape()[0])
    throw ShapeError(fmt::format("Indices: element {} of shape {}; the first axis has {}", i,
                                 to_string(shape()), shape()[0]));
  Shape rest = shape();
  rest.erase(0);
  return Indices(part(rest, i * rest.elements()));
}

bool equal(const Indices& a, const Indices& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.values(), b.values());
}

namespace {

struct IndexCheck {
  std::string_view op;
  const std::int64_t* values;
  Shape shape;
  std::int64_t limit;

  void operator()() const {
    const std::int64_t n = shape.elements();
    if (const std::int64_t at = kernels::on(Device::cpu()).find_outside(values, n, limit); at < n)
      throw ValueError(fmt::format("{}: index {} at position {} of {} is not in [0, {})", op, values[at], at,
                                   to_string(shape), limit));
  }
};

}  // namespace

void check_indices(std::string_view op, const Indices& indices, std::int64_t limit) {
  if (computed_in_replay(op, indices, limit)) return;
  IndexCheck check{op, reads(indices).address, indices.shape(), limit};
  check();
  if (!in_replay()) return;
  KernelList& list = *this_thread.replay;
  check.op = {static_cast<const char*>(list.keep(op.data(), op.size())), op.size()};
  list.append_check(check, {&indices});
}

Indices detail::computed_indices(const Shape& shape, std::int64_t limit) {
  Indices result = Indices::empty(shape);
  if (in_replay()) this_thread.replay->set_limit(*result.storage(), limit);
  return result;
}

bool detail::computed_in_replay(const Indices& indices) {
  return in_replay() && this_thread.replay->made(*indices.storage());
}

bool detail::computed_in_replay(std::string_view op, const Indices& indices, std::int64_t limit) {
  if (!computed_in_replay(indices)) return false;
  if (const std::int64_t own = this_thread.replay->limit_of(*indices.storage()); own > limit)
    refuse_in_replay(
        op,
        fmt::format("indices are computed that may {}, and only those in [0, {}) fit; compute them before "
                    "each run, and assign() them",
                    own == KernelList::any_integer ? "be any integers" : fmt::format("reach {}", own - 1),
                    limit));
  return true;
}

namespace {

// All that is moved from these is in [0, limit).
std::int64_t common_limit(std::span<const Indices> operands) {
  std::int64_t limit = 0;
  if (detail::in_replay())
    for (const Indices& x : operands) limit = std::max(limit, this_thread.replay->limit_of(*x.storage()));
  return limit;
}

}  // namespace

detail::IndexOp::IndexOp(std::span<const Indices> operands) : IndexOp(operands, common_limit(operands)) {}

detail::IndexOp::IndexOp(std::span<const Indices> operands, std::int64_t limit)
    : arena_(std::ranges::any_of(operands, [](auto& x) { return computed_in_replay(x); }) ? this_thread.arena
                                                                                          : nullptr) {
  if (in_replay()) limit_before_ = std::exchange(this_thread.replay->limit_of_new, limit);
}

detail::IndexOp::~IndexOp() {
  if (in_replay()) this_thread.replay->limit_of_new = limit_before_;
}

}  // namespace xgrad
