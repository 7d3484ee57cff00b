// The formulas of the primitive operations: their programs, with the loops of this machine's instruction set.
#include <xgrad/autograd/formula/info.hpp>
#include <xgrad/autograd/formula/primitive_loops.hpp>
#include <xgrad/autograd/formula/trace.hpp>

namespace xgrad::detail {

namespace {

template <Opcode op>
FormulaInfo make_primitive() {
  constexpr auto n = static_cast<std::size_t>(arity(op));
  using F = kernels::PrimitiveFunction<op>;
  const auto& loops = kernels::primitive_loops()[static_cast<std::size_t>(op)];
  const Program& adjoint = AdjointProgram<F, n>::program;
  return analyzed({.name = name_of(op),
                   .forward = &ForwardProgram<F, n>::program,
                   .adjoint = &adjoint,
                   .recorded_adjoint = &adjoint,
                   .inputs = static_cast<int>(n),
                   .outputs = 1,
                   .kept = 0,
                   .forward_kernel = loops.forward,
                   .backward_kernel = loops.backward});
}

using Table = std::array<FormulaInfo, kernels::primitive_count>;

template <std::size_t... I>
[[gnu::noinline]] Table make_table(std::index_sequence<I...>) {
  Table table{};
  const auto set = [&]<std::size_t i>(std::integral_constant<std::size_t, i>) {
    if constexpr (arity(static_cast<Opcode>(i)) > 0) table[i] = make_primitive<static_cast<Opcode>(i)>();
  };
  (set(std::integral_constant<std::size_t, I>()), ...);
  return table;
}

}  // namespace

const FormulaInfo& primitive(Opcode op) {
  static const Table table = make_table(std::make_index_sequence<kernels::primitive_count>());
  return table[static_cast<std::size_t>(op)];
}

}  // namespace xgrad::detail
