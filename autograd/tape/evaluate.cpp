// A program run step by step with recorded ops: how formulas get gradients of gradients.
#include <array>

#include <xgrad/autograd/tape/run_formula.hpp>

namespace xgrad::detail {

std::vector<AnyTensor> evaluate(const Program& program, std::span<const AnyTensor> leaves, DType dtype,
                                const double* constants, Location at, std::uint32_t wanted) {
  const auto needed = steps_for(program, wanted);
  std::vector<AnyTensor> tensors(static_cast<std::size_t>(program.instructions));
  std::vector<double> numbers(tensors.size());
  const auto operand = [&](std::int16_t step) {
    const auto i = static_cast<std::size_t>(step);
    return tensors[i].defined() ? FormulaArgument{&tensors[i]} : FormulaArgument{nullptr, numbers[i]};
  };
  for (std::size_t s = 0; s < tensors.size(); ++s) {
    const Instruction& step = program.code[s];
    if (!needed[s]) continue;
    if (step.op == Opcode::input) {
      tensors[s] = leaves[static_cast<std::size_t>(step.a)];
    } else if (step.op == Opcode::constant) {
      numbers[s] = constants[step.a];
    } else {
      std::array<FormulaArgument, 3> operands;
      const auto n = static_cast<std::size_t>(arity(step.op));
      bool any = false;
      for (std::size_t k = 0; k < n; ++k) {
        operands[k] = operand(k == 0 ? step.a : k == 1 ? step.b : step.c);
        any |= operands[k].tensor != nullptr;
      }
      AnyTensor scalar;
      if (!any) scalar = AnyTensor::full({}, dtype, operands[0].number), operands[0] = {&scalar};
      std::array<AnyTensor, 1> result;
      run_formula(primitive(step.op), {operands.data(), n}, result, at);
      tensors[s] = std::move(result[0]);
    }
  }
  std::vector<AnyTensor> results(static_cast<std::size_t>(program.output_count));
  for (std::size_t k = 0; k < results.size(); ++k) {
    if (program.outputs[k] < 0 || !(wanted & (1u << k))) continue;
    const auto s = static_cast<std::size_t>(program.outputs[k]);
    results[k] = tensors[s].defined() ? tensors[s] : AnyTensor::full({}, dtype, numbers[s]);
  }
  return results;
}

}  // namespace xgrad::detail
