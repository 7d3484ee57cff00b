// How a broadcast formula is walked: axes merged where every operand allows, strides for the rest.
#pragma once

#include <functional>
#include <numeric>
#include <span>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/kernels/loop.hpp>

namespace xgrad::detail {

/// A kernels::Loop of operands that are numbers or whole tensors of one shape: one row holds all, and there
/// is nothing to plan: what LoopPlan is told of shapes and blocks can be left out, or goes unheard.
class FlatLoop {
 public:
  FlatLoop(std::span<const std::uint32_t> extents, const double* constants)
      : FlatLoop(std::accumulate(extents.begin(), extents.end(), std::int64_t{1}, std::multiplies()),
                 constants) {}
  FlatLoop(const FlatLoop&) = delete;
  FlatLoop(std::int64_t elements, const double* constants) {
    loop_.inner = elements;
    loop_.outer_rank = 0;
    loop_.padded = true;
    loop_.inputs = inputs_.data();
    loop_.outputs = outputs_.data();
    loop_.constants = constants;
  }

  void input(int k, const AnyTensor& tensor, int = 0, int = 1) { lay_input(k, declared_bytes(tensor), 1); }
  void input(int k, const std::byte* data) { lay_input(k, data, 1); }
  void number(int k, const std::byte* value) { lay_input(k, value, 0); }
  void output(int k, AnyTensor& tensor, int, int, bool accumulate, bool free_tail) {
    kernels::LoopOutput& out = outputs_[static_cast<std::size_t>(k)];
    out.data = declared_bytes(tensor);
    loop_.device = tensor.device();
    out.inner = 1;
    out.accumulate = accumulate;
    loop_.padded = loop_.padded && free_tail;
  }
  void no_output(int k) { outputs_[static_cast<std::size_t>(k)].data = nullptr; }
  const kernels::Loop& finish() const { return loop_; }

 private:
  void lay_input(int k, const std::byte* data, std::int64_t step) {
    kernels::LoopInput& in = inputs_[static_cast<std::size_t>(k)];
    in.data = data;
    in.inner = step;
  }

  kernels::Loop loop_;
  std::array<kernels::LoopInput, kernels::Loop::max_inputs> inputs_;  // uninitialised beyond what is used
  std::array<kernels::LoopOutput, kernels::Loop::max_outputs> outputs_;
};

/// Builds a kernels::Loop over `shape`. Operands broadcast to it; an output of a smaller shape is summed
/// into.
class LoopPlan {
 public:
  static constexpr int max_inputs = kernels::Loop::max_inputs, max_outputs = kernels::Loop::max_outputs;

  LoopPlan(const Shape& shape, const double* constants);
  LoopPlan(std::span<const std::uint32_t> extents, const double* constants)
      : LoopPlan(Shape(extents), constants) {}

  /// Column block `block` of `blocks` of the tensor, or all of it.
  void input(int k, const AnyTensor& tensor, int block = 0, int blocks = 1) {
    input(k, declared_bytes(tensor), tensor.shape(), tensor.dtype(), block, blocks);
  }
  void input(int k, const std::byte* data, const Shape& shape, DType dtype, int block, int blocks);
  void number(int k, const std::byte* value);

  /// `free_tail`: what lies after the tensor's last element may be overwritten.
  void output(int k, AnyTensor& tensor, int block, int blocks, bool accumulate, bool free_tail);
  void no_output(int k);

  const kernels::Loop& finish();

 private:
  using Strides = std::array<std::int64_t, Shape::max_rank>;
  void lay(Strides& strides, const Shape& own, int blocks) const;
  std::size_t operands() const { return static_cast<std::size_t>(n_in_ + n_out_); }
  Strides& strides(std::size_t k) {
    return k < static_cast<std::size_t>(n_in_) ? in_strides_[k]
                                               : out_strides_[k - static_cast<std::size_t>(n_in_)];
  }

  Shape shape_;
  bool free_tails_ = true, accumulates_ = false;
  int n_in_ = 0, n_out_ = 0;
  kernels::Loop loop_;
  std::array<kernels::LoopInput, max_inputs> inputs_;  // the arrays stay uninitialised beyond what is used
  std::array<kernels::LoopOutput, max_outputs> outputs_;
  std::array<Strides, max_inputs> in_strides_;
  std::array<Strides, max_outputs> out_strides_;
};

}  // namespace xgrad::detail
