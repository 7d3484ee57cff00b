// The loops of the optimizers' formulas.
#include <xgrad/optim/formulas.hpp>

#include <xgrad/autograd/formula/compiled.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

extern constexpr UpdateTable update_loops = optim::formulas::All::table(
    []<class F> { return in_place_loops<xgrad::detail::ForwardProgram<F, F::inputs, F::numbers>>; });

}  // namespace xgrad::kernels::XGRAD_ARCH
