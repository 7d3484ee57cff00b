// The loops of every primitive operation, forward and backward.
#include <xgrad/autograd/formula/compiled.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

template <std::size_t... I>
constexpr PrimitiveTable make_table(std::index_sequence<I...>) {
  PrimitiveTable table{};
  const auto set = [&]<std::size_t i>(std::integral_constant<std::size_t, i>) {
    constexpr auto op = static_cast<xgrad::detail::Opcode>(i);
    if constexpr (arity(op) > 0)
      table[i] = formula_loops<PrimitiveFunction<op>, static_cast<std::size_t>(arity(op))>;
  };
  (set(std::integral_constant<std::size_t, I>()), ...);
  return table;
}

}  // namespace

extern constexpr PrimitiveTable primitive_loops = make_table(std::make_index_sequence<primitive_count>());

}  // namespace xgrad::kernels::XGRAD_ARCH
