// The loops of a formula known by its type, for one instruction set.
#pragma once

#include <xgrad/autograd/kernels/formula_loop.hpp>
#include <xgrad/autograd/formula/primitive_loops.hpp>
#include <xgrad/autograd/formula/trace.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

/// Whether a program computes anything: the derivative of a comparison does not.
template <class P>
consteval bool has_results() {
  for (int k = 0; k < P::program.output_count; ++k)
    if (P::program.outputs[static_cast<std::size_t>(k)] >= 0) return true;
  return false;
}

/// The loops of one program, by DType; none where there is nothing to compute.
template <class P, bool forward>
constexpr std::array<LoopKernel, 2> program_loops = [] {
  using Loops = std::array<LoopKernel, 2>;
  if constexpr (has_results<P>())
    return Loops{&FormulaLoop<P, float, forward>::run, &FormulaLoop<P, double, forward>::run};
  else
    return Loops{};
}();

template <class P>
constexpr std::array<InPlaceKernel, 2> in_place_loops = {&FormulaLoop<P, float, true>::run_in_place,
                                                         &FormulaLoop<P, double, true>::run_in_place};

template <class F, std::size_t inputs>
constexpr FormulaLoops formula_loops = {
    .forward = program_loops<xgrad::detail::ForwardProgram<F, inputs>, true>,
    .backward = program_loops<xgrad::detail::AdjointProgram<F, inputs>, false>};

}  // namespace xgrad::kernels::XGRAD_ARCH
