// The loops of the library's elementwise ops that networks run in every step.
#include <xgrad/ops/kernels/formula_loops.hpp>

#include <xgrad/autograd/formula/compiled.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

extern constexpr LibraryTable library_loops =
    formulas::Fast::table([]<class F> { return formula_loops<F, F::inputs>; });

}  // namespace xgrad::kernels::XGRAD_ARCH
