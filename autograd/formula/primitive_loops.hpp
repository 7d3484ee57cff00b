// The compiled loops of the primitive operations.
#pragma once

#include <array>

#include <xgrad/autograd/kernels/loop.hpp>
#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/autograd/formula/symbol.hpp>

namespace xgrad::kernels {

/// A formula's loops by DType.
struct FormulaLoops {
  std::array<LoopKernel, 2> forward{}, backward{};
};

/// The lambda, so to speak, of one primitive.
template <xgrad::detail::Opcode op>
struct PrimitiveFunction {
  constexpr Symbol operator()(Symbol x, auto... rest) const { return x.builder->apply(op, x, rest...); }
};

constexpr std::size_t primitive_count = static_cast<std::size_t>(xgrad::detail::Opcode::count);
using PrimitiveTable = std::array<FormulaLoops, primitive_count>;
XGRAD_SIMD_TABLE(PrimitiveTable, primitive_loops)

}  // namespace xgrad::kernels
