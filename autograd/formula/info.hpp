// Everything about a formula that is known before it meets tensors.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <xgrad/autograd/core/replay_mode.hpp>
#include <xgrad/autograd/kernels/program.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::detail {

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

  void run_forward(DType type, const kernels::Loop& loop) const {
    run(*forward, forward_kernel, type, loop);
  }
  void run_backward(DType type, const kernels::Loop& loop) const {
    run(*adjoint, backward_kernel, type, loop);
  }

  int leaf_output(int k) const { return inputs + k; }
  int leaf_gradient(int k) const { return inputs + outputs + kept + k; }

 private:
  using Kernels = std::array<kernels::LoopKernel, 2>;
  // Launches the loop for a Replay, with copies of all that it points to.
  static void launch_copy(const Program& program, kernels::LoopKernel compiled, DType type,
                          const kernels::Loop& loop);
  static void run(const Program& program, const Kernels& compiled, DType type,
                  const kernels::Loop& loop) {
    const kernels::LoopKernel kernel = compiled[static_cast<std::size_t>(type)];
    if (in_replay()) [[unlikely]]
      return launch_copy(program, kernel, type, loop);
    kernels::on(loop.device).formula(program, kernel, type, loop);
  }
};

/// Fills the tables at the end of FormulaInfo from its programs.
FormulaInfo analyzed(FormulaInfo info);

/// The formula of a single primitive operation.
const FormulaInfo& primitive(Opcode op);

/// The steps that the wanted results (a bit each) are computed from.
std::array<bool, Program::max_instructions> steps_for(const Program& program, std::uint32_t wanted);
}  // namespace xgrad::detail
