// Captured constants: a formula as it was compiled, matched with what its lambda gives at run time.
#include <xgrad/autograd/formula/trace.hpp>

#include <fmt/format.h>

#include <span>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad::detail {

// C++ leaves open in which order operands are evaluated, and compilers choose one at compile time and another
// at run time. So the steps of the two programs are numbered differently: they are matched from the results
// downwards.
std::array<double, Program::max_constants> constants_now(const Program& now, const Program& known,
                                                         const char* name) {
  std::array<std::int16_t, Program::max_instructions> match;
  match.fill(-1);
  bool same = now.output_count == known.output_count && now.kept == known.kept;
  const auto pair_up = [&](std::int16_t ours, std::int16_t theirs) {
    if (ours < 0 || theirs < 0) return void(same &= ours == theirs);
    auto& partner = match[static_cast<std::size_t>(ours)];
    if (partner < 0) partner = theirs;
    same &= partner == theirs;
  };
  const auto match_down = [&] {
    for (std::size_t s = static_cast<std::size_t>(known.instructions); s-- > 0;) {
      if (match[s] < 0) continue;
      const Instruction &ours = known.code[s], &theirs = now.code[static_cast<std::size_t>(match[s])];
      same &= ours.op == theirs.op;
      if (arity(ours.op) > 0)
        pair_up(ours.a, theirs.a), pair_up(ours.b, theirs.b), pair_up(ours.c, theirs.c);
      else if (ours.op == Opcode::input)
        same &= ours.a == theirs.a;
    }
  };
  const std::span results(known.outputs.data(), static_cast<std::size_t>(known.output_count));
  const std::size_t returned = results.size() - static_cast<std::size_t>(known.kept);
  for (std::size_t k = 0; k < returned && same; ++k) pair_up(known.outputs[k], now.outputs[k]);
  if (same) match_down();
  for (std::size_t k = returned; k < results.size() && same; ++k)  // what was kept for backward only
    if (match[static_cast<std::size_t>(results[k])] < 0) pair_up(results[k], now.outputs[k]);
  if (same) match_down();
  if (!same)
    throw ValueError(
        fmt::format("{}: what the formula computes depends on a captured value; branch with where()", name));

  std::array<double, Program::max_constants> values = known.constants;
  for (std::size_t s = 0; s < static_cast<std::size_t>(known.instructions); ++s)
    if (known.code[s].op == Opcode::constant && match[s] >= 0)
      values[static_cast<std::size_t>(known.code[s].a)] =
          now.constants[static_cast<std::size_t>(now.code[static_cast<std::size_t>(match[s])].a)];
  return values;
}

}  // namespace xgrad::detail
