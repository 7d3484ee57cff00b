// The loops of the library's composite elementwise ops.
#include <xgrad/ops/kernels/formula_loops.hpp>

#include <xgrad/autograd/formula/compiled.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

extern constexpr LibraryTable library_loops =
    formulas::All::table([]<class F> { return formula_loops<F, F::inputs>; });

}  // namespace xgrad::kernels::XGRAD_ARCH
