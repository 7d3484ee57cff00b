// The library's elementwise ops that networks run in every step: their programs, with the loops of this
// machine's instruction set.
#include <xgrad/ops/elementwise.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/formula/trace.hpp>
#include <xgrad/ops/kernels/formula_loops.hpp>

namespace xgrad::detail {

namespace {

template <class F>
FormulaInfo make_info() {
  using Forward = ForwardProgram<F, F::inputs>;
  const auto& loops = kernels::library_loops()[formulas::Fast::index<F>()];
  const int kept = Forward::program.kept;
  return analyzed({.name = F::name,
                   .forward = &Forward::program,
                   .adjoint = &AdjointProgram<F, F::inputs>::program,
                   .recorded_adjoint = &RecordedAdjointProgram<F, F::inputs>::program,
                   .inputs = F::inputs,
                   .outputs = Forward::program.output_count - kept,
                   .kept = kept,
                   .forward_kernel = loops.forward,
                   .backward_kernel = loops.backward});
}

}  // namespace

const FormulaInfo& fast_formula(std::size_t index) {
  static const auto table = formulas::Fast::table([]<class F> { return make_info<F>(); });
  return table[index];
}

void limit_is_nan(double low, double high) {
  throw ValueError(fmt::format("clamp: limits {} and {}; give numbers, infinity for none", low, high));
}

}  // namespace xgrad::detail
