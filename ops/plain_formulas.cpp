// The library's elementwise ops whose loops are those of the compiler's flags.
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/ops/elementwise.hpp>

namespace xgrad::detail {

const FormulaInfo& plain_formula(std::size_t index) {
  static const auto table =
      formulas::Plain::table([]<class F> { return &formula_info<F, NoVjp, F::inputs>(F::name); });
  return *table[index];
}

}  // namespace xgrad::detail
