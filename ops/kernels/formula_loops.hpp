// The compiled loops of the library's elementwise ops that networks run in every step.
#pragma once

#include <xgrad/autograd/formula/primitive_loops.hpp>
#include <xgrad/ops/formulas.hpp>

namespace xgrad::kernels {

using LibraryTable = std::array<FormulaLoops, formulas::Fast::size>;
XGRAD_SIMD_TABLE(LibraryTable, library_loops)

}  // namespace xgrad::kernels
