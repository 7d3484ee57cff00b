// Running a formula on tensors: the one way in which elementwise ops compute, record and differentiate.
#pragma once

#include <array>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/kernels/run_loop.hpp>
#include <xgrad/autograd/formula/symbol.hpp>

namespace xgrad {

using Location = std::source_location;

template <Real T>
class Tensor;

/// A formula with its derivative, compiled: everything about it that is known before it meets tensors.
struct FormulaInfo {
  static constexpr int max_inputs = 16;

  std::string_view name;
  const Program* forward;  // outputs, then what it keeps for backward
  const Program* adjoint;  // see AdjointBuilder; takes no gradients of what was kept
  const Program*
      recorded_adjoint;  // takes those too: under create_graph kept values are outputs like any other
  int inputs, outputs, kept;
  std::array<kernels::LoopKernel, 2> forward_kernel, backward_kernel;  // by DType

  // For each input: the leaves of the adjoint that its gradient reads, a bit each; the first input whose
  // gradient is the same expression; and the output whose gradient it simply passes on, or -1.
  std::array<std::uint64_t, max_inputs> reads{};
  std::array<std::int8_t, max_inputs> same_as{}, passes{};
  std::uint32_t differentiable = 0,
                passing = 0;  // the inputs that have a gradient; those of which it is passed on

  void run_forward(DType type, const kernels::Loop& loop) const { run(forward_kernel, *forward, type, loop); }
  void run_backward(DType type, const kernels::Loop& loop) const {
    run(backward_kernel, *adjoint, type, loop);
  }

  int leaf_output(int k) const { return inputs + k; }
  int leaf_gradient(int k) const { return inputs + outputs + kept + k; }

 private:
  // Launches the loop for a Replay, with copies of all that it points to.
  static void launch_copy(kernels::LoopKernel kernel, const kernels::Loop& loop,
                          const kernels::LoopSizes& sizes, int constants);
  static void run(const std::array<kernels::LoopKernel, 2>& kernels, const Program& program, DType type,
                  const kernels::Loop& loop) {
    const kernels::LoopKernel kernel = kernels[static_cast<std::size_t>(type)];
    const auto sizes = [&]() -> kernels::LoopSizes {
      return {program.inputs, program.output_count, program.instructions, size_of(type)};
    };
    if (this_thread.schedule) [[unlikely]]
      return launch_copy(kernel, loop, sizes(), program.constant_count);
    kernels::run_loop(kernel, loop, sizes);
  }
};

/// Fills the tables at the end of FormulaInfo from its programs.
FormulaInfo analyzed(FormulaInfo info);

/// An operand of a formula: a tensor, one of its column blocks (`block` of `blocks` equal parts of the last
/// axis), or a number.
struct FormulaArgument {
  const AnyTensor* tensor = nullptr;
  double number = 0;
  int block = 0, blocks = 1;
  bool expiring = false;  // a temporary: its history and its memory may be taken over
};

/// Computes the formula's outputs, broadcast against each other, and records a node when an argument needs
/// gradients. An output that comes defined, unrecorded and of the right shape is written in place.
/// `constants` overrides those of the forward and adjoint programs (values captured by a lambda).
struct FormulaConstants {
  const double* forward = nullptr;
  const double* adjoint = nullptr;
};
void run_formula(const FormulaInfo& info, std::span<const FormulaArgument> arguments,
                 std::span<AnyTensor> outputs, Location at, FormulaConstants constants = {});

/// A program run step by step with recorded ops: its wanted results (a bit each), others undefined.
std::vector<AnyTensor> evaluate(const Program& program, std::span<const AnyTensor> leaves,
                                const double* constants, Location at, std::uint32_t wanted = ~0u);

/// The formula of a single primitive operation.
const FormulaInfo& primitive(Opcode op);

/// One-output conveniences; the second where every tensor is known to be of T.
AnyTensor run_formula(const FormulaInfo& info, std::initializer_list<FormulaArgument> arguments, Location at);
template <Real T>
Tensor<T> run_formula(const FormulaInfo& info, std::initializer_list<FormulaArgument> arguments,
                      Location at) {
  Tensor<T> result;
  run_formula(info, {arguments.begin(), arguments.size()}, {static_cast<AnyTensor*>(&result), 1}, at);
  return result;
}

/// `tensor` copied out to `shape`, which it broadcasts to. Differentiable.
AnyTensor broadcast_to(const AnyTensor& tensor, const Shape& shape, Location at = Location::current());

/// The sum over the axes along which `shape` broadcasts to the tensor's. Differentiable.
AnyTensor sum_to(const AnyTensor& tensor, const Shape& shape, Location at = Location::current());

/// Block `block` of `blocks` equal parts of the last axis, copied out; and the adjoint: zeros but for that
/// block.
AnyTensor column_block(const AnyTensor& tensor, int block, int blocks, Location at);
AnyTensor from_column_block(const AnyTensor& part, int block, int blocks, Location at);

/// Throws NonFiniteError where an `anomaly` scope is on and `value` holds a NaN or infinity.
void check_finite(std::string_view op, const AnyTensor& value, Location at, bool in_backward);

/// " (called in FILE:LINE, FUNCTION)"
std::string describe(const Location& at);

}  // namespace xgrad
