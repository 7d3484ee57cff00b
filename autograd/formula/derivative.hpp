// The derivative of each primitive, and from them the adjoint program of a formula.
#pragma once

#include <xgrad/autograd/formula/symbol.hpp>

namespace xgrad::detail {

/// Leaves of an adjoint program, in this order: the formula's inputs, its outputs, what it kept, the
/// gradients of its outputs. Its results are the gradients of the inputs.
class AdjointBuilder {
 public:
  /// The adjoint of `forward`, whose last `forward.kept` outputs are values kept for this very purpose; with
  /// `kept_gradients` they have gradients too.
  static constexpr Program make(const Program& forward, bool kept_gradients = false) {
    AdjointBuilder self(forward, forward.output_count - (kept_gradients ? 0 : forward.kept));
    self.propagate();
    return self.finish();
  }

 private:
  // The forward constants keep their places, so that captured ones can be put there.
  constexpr AdjointBuilder(const Program& forward, int gradients) : forward_(forward), gradients_(gradients) {
    values_.fill(-1);
    adjoints_.fill(-1);
    builder_.program.constants = forward.constants;
    builder_.program.constant_count = forward.constant_count;
    builder_.program.captured = forward.captured;
  }

  using Table = std::array<std::int16_t, Program::max_instructions>;

  constexpr Symbol at(std::int16_t step) { return {builder_, step}; }
  constexpr Symbol number(double value) { return builder_.constant(value); }

  // The value of a forward step: a saved leaf where there is one, else computed again.
  constexpr Symbol value(std::int16_t step) {
    auto& known = values_[static_cast<std::size_t>(step)];
    if (known < 0) known = recompute(step).step;
    return at(known);
  }

  constexpr Symbol recompute(std::int16_t step) {
    const Instruction& i = forward_.code[static_cast<std::size_t>(step)];
    if (i.op == Opcode::input) return builder_.input(i.a);
    if (i.op == Opcode::constant) return builder_.emit(i);
    for (int k = 0; k < forward_.output_count; ++k)
      if (forward_.outputs[static_cast<std::size_t>(k)] == step) return builder_.input(forward_.inputs + k);
    return builder_.apply(i.op, value(i.a), i.b < 0 ? Symbol{} : value(i.b), i.c < 0 ? Symbol{} : value(i.c));
  }

  constexpr void send(std::int16_t step, Symbol contribution) {
    auto& sum = adjoints_[static_cast<std::size_t>(step)];
    sum = sum < 0 ? contribution.step : (at(sum) + contribution).step;
  }

  constexpr Symbol times(Symbol a, Symbol b) {
    if (builder_.is_literal(a, 1)) return b;
    if (builder_.is_literal(b, 1)) return a;
    return a * b;
  }

  constexpr void propagate() {
    for (int k = 0; k < gradients_; ++k)
      send(forward_.outputs[static_cast<std::size_t>(k)],
           builder_.input(forward_.inputs + forward_.output_count + k));
    for (int s = forward_.instructions - 1; s >= 0; --s) {
      const auto step = static_cast<std::int16_t>(s);
      const std::int16_t adjoint = adjoints_[static_cast<std::size_t>(s)];
      const Instruction& i = forward_.code[static_cast<std::size_t>(s)];
      if (adjoint >= 0 && arity(i.op) > 0) rule(i, step, at(adjoint));
    }
  }

  // One line for each primitive: what the adjoint g of r = op(x, y) sends to x and to y.
  constexpr void rule(const Instruction& i, std::int16_t step, Symbol g) {
    const std::int16_t a = i.a, b = i.b;
    const auto x = [&] { return value(a); };
    const auto y = [&] { return value(b); };
    const auto r = [&] { return value(step); };
    const auto op = [&](Opcode code, Symbol u) { return builder_.apply(code, u); };
    const auto where = [&](Symbol c, Symbol u, Symbol v) { return builder_.apply(Opcode::where, c, u, v); };
    const auto tie = [&](Symbol wins) { return where(wins, g, where(x() == y(), g * 0.5, number(0))); };
    switch (i.op) {
      case Opcode::neg:
        return send(a, -g);
      case Opcode::identity:
        return send(a, g);
      case Opcode::abs:
        return send(a, g * op(Opcode::sign, x()));
      case Opcode::sqrt:
        return send(a, g * 0.5 / r());
      case Opcode::rsqrt:
        return send(a, g * -0.5 * (r() * r() * r()));
      case Opcode::reciprocal:
        return send(a, -g * (r() * r()));
      case Opcode::square:
        return send(a, g * (x() + x()));
      case Opcode::exp:
        return send(a, g * r());
      case Opcode::expm1:
        return send(a, g * (r() + 1));
      case Opcode::log:
        return send(a, g / x());
      case Opcode::log1p:
        return send(a, g / (1 + x()));
      case Opcode::sin:
        return send(a, g * op(Opcode::cos, x()));
      case Opcode::cos:
        return send(a, -g * op(Opcode::sin, x()));
      case Opcode::tan:
        return send(a, g * (1 + r() * r()));
      case Opcode::asin:
        return send(a, g / op(Opcode::sqrt, (1 - x()) * (1 + x())));
      case Opcode::acos:
        return send(a, -g / op(Opcode::sqrt, (1 - x()) * (1 + x())));
      case Opcode::atan:
        return send(a, g / (1 + x() * x()));
      case Opcode::sinh:
        return send(a, g * op(Opcode::cosh, x()));
      case Opcode::cosh:
        return send(a, g * op(Opcode::sinh, x()));
      case Opcode::tanh:
        return send(a, g * (1 - r() * r()));
      case Opcode::sigmoid:
        return send(a, g * (r() * (1 - r())));
      case Opcode::softplus:
        return send(a, g * op(Opcode::sigmoid, x()));
      case Opcode::erf:
        return send(a, g * (1.1283791670955126 * op(Opcode::exp, -(x() * x()))));  // 2 / sqrt(pi)
      case Opcode::add:
        return send(a, g), send(b, g);
      case Opcode::sub:
        return send(a, g), send(b, -g);
      case Opcode::mul:
        return send(a, times(g, y())), send(b, times(g, x()));
      case Opcode::div: {
        const Symbol q = g / y();
        return send(a, q), send(b, -q * r());
      }
      case Opcode::pow:  // the limits at an exponent of 0 and a base of 0, as in PyTorch
        send(a, where(y() == 0.0, number(0), g * (y() * builder_.apply(Opcode::pow, x(), y() - 1.0))));
        send(b, where(r() == 0.0, number(0), g * (r() * op(Opcode::log, x()))));
        return;
      case Opcode::atan2: {
        const Symbol q = g / (x() * x() + y() * y());
        return send(a, q * y()), send(b, -q * x());
      }
      case Opcode::maximum:
        return send(a, tie(x() > y())), send(b, tie(x() < y()));
      case Opcode::minimum:
        return send(a, tie(x() < y())), send(b, tie(x() > y()));
      case Opcode::where:
        send(b, where(x(), g, number(0)));
        send(i.c, where(x(), number(0), g));
        return;
      default:
        return;  // sign and comparisons are flat
    }
  }

  constexpr Program finish() {
    std::array<std::int16_t, Program::max_outputs> results{};
    for (int k = 0; k < forward_.inputs; ++k) {
      const std::int16_t step = forward_input(k);
      results[static_cast<std::size_t>(k)] =
          step >= 0 ? adjoints_[static_cast<std::size_t>(step)] : std::int16_t{-1};
    }
    const int leaves = forward_.inputs + forward_.output_count + gradients_;
    return pruned(builder_.program, results, forward_.inputs, leaves);
  }

  constexpr std::int16_t forward_input(int k) const {
    for (int s = 0; s < forward_.instructions; ++s)
      if (forward_.code[static_cast<std::size_t>(s)] ==
          Instruction{Opcode::input, static_cast<std::int16_t>(k)})
        return static_cast<std::int16_t>(s);
    return -1;
  }

 public:
  /// `program` with only the steps that its results need; a result of -1 (nothing depends on it) stays -1.
  static constexpr Program pruned(const Program& program,
                                  std::array<std::int16_t, Program::max_outputs> results, int result_count,
                                  int inputs) {
    Table number{};
    number.fill(-1);
    std::array<bool, Program::max_instructions> needed{};
    for (int k = 0; k < result_count; ++k)
      if (results[static_cast<std::size_t>(k)] >= 0)
        needed[static_cast<std::size_t>(results[static_cast<std::size_t>(k)])] = true;
    for (int s = program.instructions - 1; s >= 0; --s) {
      const Instruction& i = program.code[static_cast<std::size_t>(s)];
      if (!needed[static_cast<std::size_t>(s)] || arity(i.op) == 0) continue;
      for (const std::int16_t operand : {i.a, i.b, i.c})
        if (operand >= 0) needed[static_cast<std::size_t>(operand)] = true;
    }
    Program out = program;
    out.instructions = 0;
    out.code.fill({});
    const auto renumbered = [&](std::int16_t operand) {
      return operand < 0 ? operand : number[static_cast<std::size_t>(operand)];
    };
    for (int s = 0; s < program.instructions; ++s) {
      if (!needed[static_cast<std::size_t>(s)]) continue;
      Instruction i = program.code[static_cast<std::size_t>(s)];
      if (arity(i.op) > 0) i = {i.op, renumbered(i.a), renumbered(i.b), renumbered(i.c)};
      number[static_cast<std::size_t>(s)] = static_cast<std::int16_t>(out.instructions);
      out.code[static_cast<std::size_t>(out.instructions++)] = i;
    }
    out.output_count = result_count;
    out.inputs = inputs;
    out.kept = 0;
    out.outputs.fill(-1);
    for (int k = 0; k < result_count; ++k)
      out.outputs[static_cast<std::size_t>(k)] = renumbered(results[static_cast<std::size_t>(k)]);
    return out;
  }

 private:
  const Program& forward_;
  int gradients_;
  Builder builder_;
  Table values_{}, adjoints_{};
};

}  // namespace xgrad::detail
