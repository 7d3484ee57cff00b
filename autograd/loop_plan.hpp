// How a broadcast formula is walked: axes merged where every operand allows, strides for the rest.
#pragma once

#include "autograd/any_tensor.hpp"
#include "autograd/kernels/loop.hpp"

namespace xgrad {

/// Builds a kernels::Loop over `shape`. Operands broadcast to it; an output of a smaller shape is summed into.
class LoopPlan {
 public:
  static constexpr int max_inputs = 48, max_outputs = 16;

  LoopPlan(const Shape& shape, const double* constants);

  /// Column block `block` of `blocks` of the tensor, or all of it.
  void input(int k, const AnyTensor& tensor, int block = 0, int blocks = 1);
  void number(int k, const std::byte* value);

  /// `free_tail`: what lies behind the tensor's last element may be overwritten.
  void output(int k, AnyTensor& tensor, int block, int blocks, bool accumulate, bool free_tail);
  void no_output(int k);

  const kernels::Loop& finish();

 private:
  using Strides = std::array<std::int64_t, Shape::max_rank>;
  void lay(Strides& strides, const AnyTensor& tensor, int blocks) const;
  std::size_t operands() const { return static_cast<std::size_t>(n_in_ + n_out_); }
  Strides& strides(std::size_t k) {
    return k < static_cast<std::size_t>(n_in_) ? in_strides_[k] : out_strides_[k - static_cast<std::size_t>(n_in_)];
  }

  Shape shape_;
  kernels::Loop loop_;
  bool free_tails_ = true, accumulates_ = false;
  int n_in_ = 0, n_out_ = 0;
  std::array<kernels::LoopInput, max_inputs> inputs_;  // the arrays stay uninitialised beyond what is used
  std::array<kernels::LoopOutput, max_outputs> outputs_;
  std::array<Strides, max_inputs> in_strides_;
  std::array<Strides, max_outputs> out_strides_;
};

}  // namespace xgrad
