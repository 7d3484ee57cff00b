// How a broadcast formula is walked: axes merged where every operand allows, strides for the rest.
#pragma once

#include "autograd/any_tensor.hpp"
#include "autograd/kernels/loop.hpp"

namespace xgrad {

/// Builds a kernels::Loop over `shape`. Operands broadcast to it; an output of a smaller shape is summed
/// into.
class LoopPlan {
 public:
  static constexpr int max_inputs = kernels::Loop::max_inputs, max_outputs = kernels::Loop::max_outputs;

  /// `flat`: every operand is a number or a whole tensor of this shape, so one row holds all.
  LoopPlan(const Shape& shape, const double* constants, bool flat = false);

  /// Column block `block` of `blocks` of the tensor, or all of it.
  void input(int k, const AnyTensor& tensor, int block = 0, int blocks = 1) {
    input(k, tensor.bytes(), tensor.shape(), tensor.dtype(), block, blocks);
  }
  void input(int k, const std::byte* data, const Shape& shape, DType dtype, int block, int blocks) {
    kernels::LoopInput& in = inputs_[static_cast<std::size_t>(k)];
    in.data = data;
    in.inner = 1;
    if (!flat_) lay_input(k, shape, dtype, block, blocks);
  }
  void number(int k, const std::byte* value) {
    kernels::LoopInput& in = inputs_[static_cast<std::size_t>(k)];
    in.data = value;
    in.inner = 0;
    if (!flat_) lay_number(k);
  }

  /// `free_tail`: what lies behind the tensor's last element may be overwritten.
  void output(int k, AnyTensor& tensor, int block, int blocks, bool accumulate, bool free_tail) {
    kernels::LoopOutput& out = outputs_[static_cast<std::size_t>(k)];
    out.data = tensor.mutable_bytes();
    out.inner = 1;
    out.accumulate = accumulate;
    free_tails_ = free_tails_ && free_tail && blocks == 1;
    if (!flat_) lay_output(k, tensor, block, blocks, accumulate);
  }
  void no_output(int k) {
    outputs_[static_cast<std::size_t>(k)].data = nullptr;
    if (!flat_) lay_no_output(k);
  }

  const kernels::Loop& finish() {
    if (!flat_) {
      merge_axes();
    } else {
      loop_.inner = shape_.elements();
      loop_.outer_rank = 0;
      loop_.padded = free_tails_;
    }
    return loop_;
  }

 private:
  using Strides = std::array<std::int64_t, Shape::max_rank>;
  void lay(Strides& strides, const Shape& own, int blocks) const;
  void lay_input(int k, const Shape& shape, DType dtype, int block, int blocks);
  void lay_number(int k);
  void lay_output(int k, const AnyTensor& tensor, int block, int blocks, bool accumulate);
  void lay_no_output(int k);
  void merge_axes();
  std::size_t operands() const { return static_cast<std::size_t>(n_in_ + n_out_); }
  Strides& strides(std::size_t k) {
    return k < static_cast<std::size_t>(n_in_) ? in_strides_[k]
                                               : out_strides_[k - static_cast<std::size_t>(n_in_)];
  }

  const Shape& shape_;
  bool flat_, free_tails_ = true, accumulates_ = false;
  int n_in_ = 0, n_out_ = 0;
  kernels::Loop loop_;
  std::array<kernels::LoopInput, max_inputs> inputs_;  // the arrays stay uninitialised beyond what is used
  std::array<kernels::LoopOutput, max_outputs> outputs_;
  std::array<Strides, max_inputs> in_strides_;
  std::array<Strides, max_outputs> out_strides_;
};

inline LoopPlan::LoopPlan(const Shape& shape, const double* constants, bool flat)
    : shape_(shape), flat_(flat) {
  loop_.constants = constants;
  loop_.inputs = inputs_.data();
  loop_.outputs = outputs_.data();
}

}  // namespace xgrad
