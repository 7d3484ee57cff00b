// How a broadcast formula is walked.
#include <xgrad/autograd/formula/loop_plan.hpp>

#include <algorithm>

namespace xgrad::detail {

LoopPlan::LoopPlan(const Shape& shape, const double* constants) : shape_(shape) {
  loop_.constants = constants;
  loop_.inputs = inputs_.data();
  loop_.outputs = outputs_.data();
}

void LoopPlan::lay(Strides& strides, const Shape& own, int blocks) const {
  const std::size_t lead = shape_.rank() - own.rank();
  strides.fill(0);
  std::int64_t step = 1;
  for (std::size_t axis = own.rank(); axis-- > 0; step *= own[axis]) {
    const bool last = axis + 1 == own.rank();
    const std::int64_t extent = last ? own[axis] / blocks : own[axis];
    if (extent != 1) strides[lead + axis] = step;
  }
}

namespace {

// How many bytes into the last axis a column block starts.
std::int64_t block_start(const Shape& shape, DType dtype, int block, int blocks) {
  return blocks == 1 ? 0 : block * (shape.back() / blocks) * static_cast<std::int64_t>(size_of(dtype));
}

}  // namespace

void LoopPlan::input(int k, const std::byte* data, const Shape& shape, DType dtype, int block, int blocks) {
  const auto i = static_cast<std::size_t>(k);
  n_in_ = std::max(n_in_, k + 1);
  inputs_[i].data = data + block_start(shape, dtype, block, blocks);
  lay(in_strides_[i], shape, blocks);
}

void LoopPlan::number(int k, const std::byte* value) {
  const auto i = static_cast<std::size_t>(k);
  n_in_ = std::max(n_in_, k + 1);
  inputs_[i].data = value;
  in_strides_[i].fill(0);
}

void LoopPlan::output(int k, AnyTensor& tensor, int block, int blocks, bool accumulate, bool free_tail) {
  const auto i = static_cast<std::size_t>(k);
  n_out_ = std::max(n_out_, k + 1);
  loop_.device = tensor.device();
  outputs_[i].data = declared_bytes(tensor) + block_start(tensor.shape(), tensor.dtype(), block, blocks);
  outputs_[i].accumulate = accumulate;
  accumulates_ |= accumulate;
  free_tails_ = free_tails_ && free_tail && blocks == 1;
  lay(out_strides_[i], tensor.shape(), blocks);
}

void LoopPlan::no_output(int k) {
  const auto i = static_cast<std::size_t>(k);
  n_out_ = std::max(n_out_, k + 1);
  outputs_[i].data = nullptr;
  out_strides_[i].fill(0);
}

const kernels::Loop& LoopPlan::finish() {
  // Axes from the innermost outwards, each merged into the one inside it where all strides agree. In place:
  // the strides of merged axis a end up in position a, counted from the inside.
  std::array<std::int64_t, Shape::max_rank> extents;
  std::array<std::size_t, Shape::max_rank> from;
  std::size_t count = 0;
  for (std::size_t axis = shape_.rank(); axis-- > 0;) {
    if (shape_[axis] == 1) continue;
    bool merge = count > 0;
    for (std::size_t k = 0; k < operands() && merge; ++k)
      merge = strides(k)[axis] == strides(k)[from[count - 1]] * extents[count - 1];
    if (merge) {
      extents[count - 1] *= shape_[axis];
    } else {
      extents[count] = shape_[axis];
      from[count++] = axis;
    }
  }
  bool rows =
      count > 0;  // whether every operand's inner stride is 1 or 0; if not, the loop goes element by element
  for (std::size_t k = 0; k < operands() && rows; ++k) rows = strides(k)[from[0]] <= 1;
  const std::size_t first = rows ? 1 : 0;
  loop_.inner = rows ? extents[0] : 1;
  loop_.outer_rank = static_cast<int>(count - first);
  for (std::size_t k = 0; k < operands(); ++k) {
    const bool is_input = k < static_cast<std::size_t>(n_in_);
    const std::size_t i = is_input ? k : k - static_cast<std::size_t>(n_in_);
    auto& to = is_input ? inputs_[i].strides : outputs_[i].strides;
    // An element by itself is read as a number is: a whole register there may reach past the end of its
    // memory.
    (is_input ? inputs_[i].inner : outputs_[i].inner) = rows ? strides(k)[from[0]] : is_input ? 0 : 1;
    for (std::size_t a = first; a < count; ++a) to[count - 1 - a] = strides(k)[from[a]];
  }
  for (std::size_t a = first; a < count; ++a) loop_.outer[count - 1 - a] = extents[a];
  // A row may run over its end when the next row is written after it, or nothing is there.
  bool padded = free_tails_ && rows && (loop_.outer_rank == 0 || !accumulates_);
  for (int k = 0; k < n_out_; ++k)
    if (outputs_[static_cast<std::size_t>(k)].data && outputs_[static_cast<std::size_t>(k)].inner == 0)
      padded = false;
  loop_.padded = padded;
  return loop_;
}

}  // namespace xgrad::detail
