// What follows from a formula's programs, and its loops in a Replay.
#include <xgrad/autograd/formula/info.hpp>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/array/launch.hpp>

namespace xgrad::detail {

std::array<bool, Program::max_instructions> steps_for(const Program& program, std::uint32_t wanted) {
  std::array<bool, Program::max_instructions> needed{};
  for (int k = 0; k < program.output_count; ++k)
    if ((wanted & (1u << k)) && program.outputs[static_cast<std::size_t>(k)] >= 0)
      needed[static_cast<std::size_t>(program.outputs[static_cast<std::size_t>(k)])] = true;
  for (int s = program.instructions - 1; s >= 0; --s) {
    const Instruction& step = program.code[static_cast<std::size_t>(s)];
    if (!needed[static_cast<std::size_t>(s)] || arity(step.op) == 0) continue;
    for (const std::int16_t operand : {step.a, step.b, step.c})
      if (operand >= 0) needed[static_cast<std::size_t>(operand)] = true;
  }
  return needed;
}

void FormulaInfo::launch_copy(const Program& program, kernels::LoopKernel compiled, DType type,
                              const kernels::Loop& loop) {
  const auto keep = [&]<class X>(const X*& list, int n) {
    if (list)
      list = static_cast<const X*>(this_thread.replay->keep(list, static_cast<std::size_t>(n) * sizeof(X)));
  };
  kernels::Loop copy = loop;
  keep(copy.inputs, program.inputs);
  keep(copy.outputs, program.output_count);
  keep(copy.constants, program.constant_count);
  launch([run = kernels::on(loop.device).formula, &program, compiled, type](
             const kernels::Loop& held) { run(program, compiled, type, held); },
         copy);
}

FormulaInfo analyzed(FormulaInfo info) {
  const Program& p = *info.recorded_adjoint;
  for (int k = 0; k < info.inputs; ++k) {
    const auto i = static_cast<std::size_t>(k);
    const int result = p.outputs[i];
    const auto needed = steps_for(p, 1u << k);
    for (std::size_t s = 0; s < static_cast<std::size_t>(p.instructions); ++s)
      if (needed[s] && p.code[s].op == Opcode::input) info.reads[i] |= std::uint64_t{1} << p.code[s].a;
    info.same_as[i] = static_cast<std::int8_t>(k);
    for (int j = k - 1; j >= 0; --j)
      if (result >= 0 && info.adjoint->outputs[static_cast<std::size_t>(j)] == info.adjoint->outputs[i])
        info.same_as[i] = static_cast<std::int8_t>(j);
    if (result >= 0) info.differentiable |= 1u << k;
    info.passes[i] = -1;
    const int fast = info.adjoint->outputs[i];
    if (fast >= 0 && info.adjoint->code[static_cast<std::size_t>(fast)].op == Opcode::input) {
      const int leaf = info.adjoint->code[static_cast<std::size_t>(fast)].a;
      if (leaf >= info.leaf_gradient(0))
        info.passes[i] = static_cast<std::int8_t>(leaf - info.leaf_gradient(0));
      if (info.passes[i] >= 0) info.passing |= 1u << k;
    }
  }
  return info;
}

}  // namespace xgrad::detail
