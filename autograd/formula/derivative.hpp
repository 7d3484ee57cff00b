// The derivative of each primitive, and from them the adjoint program of a formula.
#pragma once

#include <xgrad/autograd/formula/regions.hpp>

namespace xgrad::detail {

/// Leaves of an adjoint program, in this order: the formula's inputs, its outputs, what it kept, the
/// gradients of its outputs, and, if it is recorded, 1 or 0 for each output that has a gradient or none. Its
/// results are the gradients of the inputs.
///
/// A branch of where() that is not taken sends nothing, whatever NaN or infinity is computed on it: what a
/// step sends is cut to its region where it leaves it.
class AdjointBuilder {
 public:
  /// The adjoint of `forward`, whose last `forward.kept` outputs are values kept for this very purpose. The
  /// one that is `recorded`, to be differentiated again, takes their gradients too.
  static constexpr Program make(const Program& forward, bool recorded = false) {
    AdjointBuilder self(forward, recorded);
    self.find_regions();
    self.propagate();
    return self.finish();
  }

 private:
  // The forward constants keep their places, so that captured ones can be put there.
  constexpr AdjointBuilder(const Program& forward, bool recorded)
      : forward_(forward),
        gradients_(forward.output_count - (recorded ? 0 : forward.kept)),
        recorded_(recorded) {
    values_.fill(-1);
    smooth_values_.fill(-1);
    adjoints_.fill(-1);
    builder_.program.constants = forward.constants;
    builder_.program.constant_count = forward.constant_count;
    builder_.program.captured = forward.captured;
  }

  using Table = std::array<std::int16_t, Program::max_instructions>;

  static constexpr std::int16_t& entry(Table& table, std::int16_t step) {
    return table[static_cast<std::size_t>(step)];
  }
  constexpr const Instruction& forward(std::int16_t step) const {
    return forward_.code[static_cast<std::size_t>(step)];
  }
  constexpr std::int16_t region_of(std::int16_t step) {
    const std::int16_t region = entry(regions_of_, step);
    return region == Regions::none ? Regions::all : region;
  }
  constexpr Symbol at(std::int16_t step) { return {builder_, step}; }
  constexpr Symbol number(double value) { return builder_.constant(value); }
  constexpr Symbol gradient(int output) {
    return builder_.input(forward_.inputs + forward_.output_count + output);
  }

  // Where an output has a gradient that counts. One that is recorded counts also where it is 0, since it can
  // be differentiated by.
  constexpr Symbol has_gradient(int output) {
    return recorded_ ? builder_.input(forward_.inputs + forward_.output_count + gradients_ + output)
                     : gradient(output) != 0;
  }

  // The value of a forward step: a saved leaf where there is one, else computed again.
  constexpr Symbol value(std::int16_t step) { return known(step, values_, false); }

  // The same, for an adjoint that is run as ops of their own. Each of those sends 0 on where it gets 0 if its
  // derivatives are finite there: so outside its region a step computes with 1/2, where those of every
  // primitive are.
  constexpr Symbol smooth_value(std::int16_t step) {
    return recorded_ ? known(step, smooth_values_, true) : value(step);
  }
  constexpr Symbol operand_of(std::int16_t step, std::int16_t operand) {
    const Symbol x = smooth_value(operand);
    const bool varies = builder_.program.code[static_cast<std::size_t>(x.step)].op != Opcode::constant;
    return recorded_ && varies ? regions_.within(region_of(step), Regions::all, x, 0.5) : x;
  }
  static constexpr bool is_linear(Opcode op) {
    return op == Opcode::neg || op == Opcode::identity || op == Opcode::add || op == Opcode::sub ||
           op == Opcode::where;
  }

  constexpr Symbol known(std::int16_t step, Table& values, bool smooth) {
    if (const std::int16_t found = entry(values, step); found >= 0) return at(found);
    const Symbol result = recompute(step, smooth);
    entry(values, step) = result.step;
    return result;
  }
  constexpr Symbol recompute(std::int16_t step, bool smooth) {
    const Instruction& i = forward(step);
    if (i.op == Opcode::input) return builder_.input(i.a);
    if (i.op == Opcode::constant) return builder_.emit(i);
    for (int k = 0; k < forward_.output_count; ++k)
      if (forward_.outputs[static_cast<std::size_t>(k)] == step) return builder_.input(forward_.inputs + k);
    const auto operand = [&](std::int16_t x) {
      if (x < 0) return Symbol();
      if (!smooth) return value(x);
      return is_linear(i.op) ? smooth_value(x) : operand_of(step, x);
    };
    const Symbol a = i.op == Opcode::where ? value(i.a) : operand(i.a);  // conditions are as in forward
    const Symbol b = operand(i.b), c = operand(i.c);
    return builder_.apply(i.op, a, b, c);
  }

  // The regions of all steps, from the results down. One that is no branch's, or an input, counts everywhere;
  // with several results, each counts where it has a gradient, for one that is not used sends nothing either.
  constexpr void find_regions() {
    bool branches = false;
    for (int s = 0; s < forward_.instructions; ++s)
      branches |= forward(static_cast<std::int16_t>(s)).op == Opcode::where;
    regions_of_.fill(branches ? Regions::none : Regions::all);
    if (!branches) return;
    const auto join = [&](std::int16_t step, std::int16_t region) {
      entry(regions_of_, step) = regions_.either(entry(regions_of_, step), region);
    };
    const int results = forward_.output_count - forward_.kept;
    for (int k = 0; k < results; ++k)
      join(forward_.outputs[static_cast<std::size_t>(k)],
           results == 1 ? Regions::all : regions_.part(Regions::all, has_gradient(k), true));
    for (auto s = static_cast<std::int16_t>(forward_.instructions - 1); s >= 0; --s) {
      const Instruction& i = forward(s);
      const std::int16_t region = entry(regions_of_, s);
      if (i.op == Opcode::input) entry(regions_of_, s) = Regions::all;
      if (region == Regions::none || arity(i.op) == 0 || is_flat(i.op)) continue;
      const bool branch = i.op == Opcode::where;
      if (!branch) join(i.a, region);
      if (i.b >= 0) join(i.b, branch ? regions_.part(region, value(i.a), true) : region);
      if (i.c >= 0) join(i.c, regions_.part(region, value(i.a), false));
    }
  }
  static constexpr bool is_flat(Opcode op) { return op == Opcode::sign || op == Opcode::floor || is_comparison(op); }

  constexpr void send(std::int16_t step, Symbol contribution, std::int16_t from) {
    const bool nothing = builder_.is_literal(contribution, 0);
    if (const std::int16_t to = region_of(step); from != to && !nothing)
      contribution = regions_.within(from, regions_.common(from, to), contribution, 0);
    auto& sum = entry(adjoints_, step);
    if (sum < 0 || builder_.is_literal(at(sum), 0))
      sum = contribution.step;
    else if (!nothing)
      sum = (at(sum) + contribution).step;
  }

  constexpr Symbol times(Symbol a, Symbol b) {
    if (builder_.is_literal(a, 1)) return b;
    if (builder_.is_literal(b, 1)) return a;
    return a * b;
  }

  constexpr void propagate() {
    for (int k = 0; k < gradients_; ++k) {
      const std::int16_t output = forward_.outputs[static_cast<std::size_t>(k)];
      send(output, gradient(k), region_of(output));
    }
    for (auto s = static_cast<std::int16_t>(forward_.instructions - 1); s >= 0; --s) {
      const std::int16_t adjoint = entry(adjoints_, s);
      const Instruction& i = forward(s);
      if (adjoint >= 0 && arity(i.op) > 0) rule(i, s, at(adjoint));
    }
  }

  // One line for each primitive: what the adjoint g of r = op(x, y) sends to x and to y.
  constexpr void rule(const Instruction& i, std::int16_t step, Symbol g) {
    const std::int16_t a = i.a, b = i.b;
    const std::int16_t region = region_of(step);
    const auto send = [&](std::int16_t to, Symbol u) { return this->send(to, u, region); };
    const auto x = [&] { return operand_of(step, a); };
    const auto y = [&] { return operand_of(step, b); };
    const auto r = [&] { return operand_of(step, step); };
    const auto op = [&](Opcode code, Symbol u) { return builder_.apply(code, u); };
    const auto where = [&](Symbol c, Symbol u, Symbol v) { return builder_.apply(Opcode::where, c, u, v); };
    const auto unless = [&](Symbol loses) { return where(loses, number(0), where(x() == y(), g * 0.5, g)); };
    const auto cosine = [&] {  // of the arc with this sine; precise near 1, and its derivative near 0
      const Symbol u = x();
      return op(Opcode::sqrt, where(op(Opcode::abs, u) < 0.5, 1 - u * u, (1 - u) * (1 + u)));
    };
    if (builder_.is_literal(g, 0)) {  // passed on by itself, for 0 times what may be infinite is not 0
      for (const std::int16_t operand : {i.op == Opcode::where ? i.c : a, b, i.c})
        if (operand >= 0 && !is_comparison(i.op)) send(operand, g);
      return;
    }
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
        return send(a, g * op(Opcode::exp, x()));  // r + 1 has no digits left where r is near -1
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
        return send(a, g / cosine());
      case Opcode::acos:
        return send(a, -g / cosine());
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
      case Opcode::erfc: {
        const double factor = i.op == Opcode::erf ? 1.1283791670955126 : -1.1283791670955126;  // 2 / sqrt(pi)
        return send(a, g * (factor * op(Opcode::exp, -(x() * x()))));
      }
      case Opcode::erfinv:
        return send(a, g * (0.88622692545275801365 * op(Opcode::exp, r() * r())));  // sqrt(pi) / 2
      case Opcode::lgamma:
        return send(a, g * builder_.apply(Opcode::polygamma, number(0), x()));
      case Opcode::polygamma:
        return send(b, g * builder_.apply(Opcode::polygamma, x() + 1, y()));
      case Opcode::fmod:  // x - q y: the whole number q is rounded, to be flat
        return send(a, g), send(b, -g * op(Opcode::floor, (x() - r()) / y() + 0.5));
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
      case Opcode::pow: {
        // At a base of 0 the derivatives by x end with the last power; those by y are 0, as in PyTorch.
        const Symbol less = where(y() == 0, number(0), y() - 1), limit = where(x() == 0, y() >= 0, r() == 0);
        send(a, g * (y() * builder_.apply(Opcode::pow, x(), less)));
        send(b, g * (r() * op(Opcode::log, where(limit, number(1), x()))));
        return;
      }
      case Opcode::atan2: {
        const Symbol q = g / (x() * x() + y() * y());
        return send(a, q * y()), send(b, -q * x());
      }
      case Opcode::maximum:
        return send(a, unless(x() < y())), send(b, unless(x() > y()));
      case Opcode::minimum:
        return send(a, unless(x() > y())), send(b, unless(x() < y()));
      case Opcode::where:
        this->send(b, g, regions_.part(region, value(a), true));
        this->send(i.c, g, regions_.part(region, value(a), false));
        return;
      case Opcode::sign:
      case Opcode::floor:
        return send(a, number(0));
      default:
        return;  // comparisons
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
    return pruned(builder_.program, results, forward_.inputs, leaves + (recorded_ ? gradients_ : 0));
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
  bool recorded_;
  Builder builder_;
  Regions regions_{builder_};
  Table values_{}, smooth_values_{}, regions_of_{}, adjoints_{};
};

}  // namespace xgrad::detail
