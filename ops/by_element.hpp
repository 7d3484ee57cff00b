// An elementwise formula of ops/formulas.hpp or loss_formulas.hpp on tensors, for one op's file: one that is
// in no list gets its loops there.
#pragma once

#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/ops/elementwise.hpp>

namespace xgrad::detail {

template <class F, class... X>
auto by_element(Location at, X&&... x) {
  if constexpr (formulas::Fast::has<F> || formulas::Plain::has<F>)
    return elementwise<F>(at, std::forward<X>(x)...);
  else
    return run_elementwise<X...>(formula_info<F, NoVjp, F::inputs>(F::name), at, x...);
}

}  // namespace xgrad::detail
