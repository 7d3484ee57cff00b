// The loops of the library's composite elementwise ops.
#include <xgrad/ops/kernels/formula_loops.hpp>

#include <xgrad/autograd/formula/compiled.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

extern constexpr LibraryTable library_loops = [] {
  LibraryTable table{};
  formulas::All::each([&]<class F> { table[formulas::All::index<F>()] = formula_loops<F, F::inputs>; });
  return table;
}();

}  // namespace xgrad::kernels::XGRAD_ARCH
