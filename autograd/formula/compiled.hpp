// The loops of a formula known by its type, for one instruction set.
#pragma once

#include <xgrad/autograd/kernels/formula_loop.hpp>
#include <xgrad/autograd/formula/primitive_loops.hpp>
#include <xgrad/autograd/formula/trace.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

/// The loops of one program, by DType.
template <class P, bool forward>
constexpr std::array<LoopKernel, 2> program_loops = {&FormulaLoop<P, float, forward>::run,
                                                     &FormulaLoop<P, double, forward>::run};

template <class P>
constexpr std::array<InPlaceKernel, 2> in_place_loops = {&FormulaLoop<P, float, true>::run_in_place,
                                                         &FormulaLoop<P, double, true>::run_in_place};

template <class F, std::size_t inputs>
constexpr FormulaLoops formula_loops = {
    .forward = program_loops<xgrad::detail::ForwardProgram<F, inputs>, true>,
    .backward = program_loops<xgrad::detail::AdjointProgram<F, inputs>, false>};

}  // namespace xgrad::kernels::XGRAD_ARCH
