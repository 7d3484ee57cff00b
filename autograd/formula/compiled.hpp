// The loops of a formula known by its type, for one instruction set.
#pragma once

#include <xgrad/autograd/kernels/formula_loop.hpp>
#include <xgrad/autograd/formula/primitive_loops.hpp>
#include <xgrad/autograd/formula/trace.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

template <class F, std::size_t inputs>
constexpr FormulaLoops formula_loops = {
    .forward = {&FormulaLoop<xgrad::detail::ForwardProgram<F, inputs>, float, true>::run,
                &FormulaLoop<xgrad::detail::ForwardProgram<F, inputs>, double, true>::run},
    .backward = {&FormulaLoop<xgrad::detail::AdjointProgram<F, inputs>, float, false>::run,
                 &FormulaLoop<xgrad::detail::AdjointProgram<F, inputs>, double, false>::run}};

}  // namespace xgrad::kernels::XGRAD_ARCH
