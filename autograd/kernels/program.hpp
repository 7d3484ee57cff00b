// What a fused elementwise loop computes: a short program of primitive operations.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace xgrad::detail {

/// The primitive elementwise operations. Each has its SIMD code in kernels/formula_loop.hpp and its
/// derivative in formula/derivative.hpp; everything else elementwise is written with them.
enum class Opcode : std::uint8_t {
  input,
  constant,  // leaves
  neg,
  abs,
  sign,
  sqrt,
  rsqrt,
  reciprocal,
  square,  // one operand …
  exp,
  expm1,
  log,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  sigmoid,
  softplus,
  erf,
  erfc,
  floor,
  erfinv,
  lgamma,
  identity,
  add,
  sub,
  mul,
  div,
  pow,
  fmod,
  polygamma,
  atan2,
  maximum,
  minimum,  // two …
  greater,
  greater_equal,
  less,
  less_equal,
  equal,
  not_equal,  // comparisons, 1 or 0
  where,      // three: condition, then, else
  count
};

constexpr int arity(Opcode op) {
  if (op <= Opcode::constant) return 0;
  if (op < Opcode::add) return 1;
  return op < Opcode::where ? 2 : 3;
}

constexpr bool is_comparison(Opcode op) { return op >= Opcode::greater && op <= Opcode::not_equal; }

constexpr std::array<const char*, static_cast<std::size_t>(Opcode::count)> opcode_names = {
    "input", "constant", "neg", "abs", "sign", "sqrt", "rsqrt", "reciprocal", "square", "exp", "expm1",
    "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid",
    "softplus", "erf", "erfc", "floor", "erfinv", "lgamma", "identity", "add", "sub", "mul", "div", "pow",
    "fmod", "polygamma", "atan2", "maximum", "minimum", "greater", "greater_equal", "less", "less_equal",
    "equal", "not_equal", "where"};

constexpr const char* name_of(Opcode op) { return opcode_names[static_cast<std::size_t>(op)]; }

/// One step: operands are numbers of earlier steps. For an input or a constant, `a` is its index.
struct Instruction {
  Opcode op = Opcode::input;
  std::int16_t a = -1, b = -1, c = -1;
  friend constexpr bool operator==(const Instruction&, const Instruction&) = default;
};

/// A straight-line program: instructions in order, the numbers of the results, and the constants.
struct Program {
  static constexpr int max_instructions = 320, max_constants = 64, max_outputs = 16;

  std::array<Instruction, max_instructions> code{};
  std::array<double, max_constants> constants{};
  std::array<std::int16_t, max_outputs> outputs{};
  int instructions = 0, constant_count = 0, output_count = 0, inputs = 0, kept = 0;
  int captured = 0;  // so many constants, the first, have values that are known at run time only
};

}  // namespace xgrad::detail
