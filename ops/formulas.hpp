// The library's composite elementwise ops as formulas. To add one: a struct here, its name in one of the
// lists below, and its function in elementwise.hpp; loops and derivatives follow from the struct.
#pragma once

#include <limits>

#include <xgrad/autograd/formula/list.hpp>
#include <xgrad/ops/loss_formulas.hpp>

namespace xgrad::formulas {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Relu {
  static constexpr const char* name = "relu";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    return where(x > 0, x, where(x == x, 0, x));
  }  // NaN stays NaN
};

struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol slope) const { return where(x > 0, x, x * slope); }
};

struct Elu {
  static constexpr const char* name = "elu";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol alpha) const {
    return where(x > 0, x, alpha * apply(detail::Opcode::expm1, x));
  }
};

struct Gelu {
  static constexpr const char* name = "gelu";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    // Not of 1 + erf, which has no digits left where x is below -5.
    return 0.5 * x * apply(detail::Opcode::erfc, x * -0.70710678118654752440);
  }
};

struct GeluTanh {
  static constexpr const char* name = "gelu_tanh";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    return 0.5 * x * (1 + apply(detail::Opcode::tanh, 0.79788456080286535588 * (x + 0.044715 * (x * x * x))));
  }
};

struct Silu {
  static constexpr const char* name = "silu";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return x * apply(detail::Opcode::sigmoid, x); }
};

struct Clamp {
  static constexpr const char* name = "clamp";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol x, Symbol low, Symbol high) const {
    const auto limited = [](Symbol inside, Symbol y, Symbol limit) {  // a limit that is NaN makes NaN
      return where(inside, y, where(y == y, limit, y));
    };
    const Symbol raised = limited(x >= low, x, low);
    return limited(raised <= high, raised, high);  // all are high where low is above it
  }
};

struct Xlogy {
  static constexpr const char* name = "xlogy";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const {
    const Symbol no_log = where(x == 0, where(y <= 0, 1, y == infinity), 0);
    return x * apply(detail::Opcode::log, where(no_log, 1, y));
  }
};

struct Entr {
  static constexpr const char* name = "entr";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    const Symbol at_zero = apply(detail::Opcode::sqrt, x);  // which is 0 there, too, and as steep
    return where(x > 0, -x * apply(detail::Opcode::log, x), where(x < 0, -infinity, at_zero));
  }
};

// What normalisation does with its statistics.
struct CentreAndScale {
  static constexpr const char* name = "centre_and_scale";
  static constexpr std::size_t inputs = 4;
  constexpr Symbol operator()(Symbol x, Symbol centre, Symbol scale, Symbol shift) const {
    return (x - centre) * scale + shift;
  }
};

// g / y, and 0 where y is 0, as are its derivatives: for gradients that are set to 0 there.
struct RatioOrZero {
  static constexpr const char* name = "ratio_or_zero";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol g, Symbol y) const { return where(y == 0, 0, g / y); }
};

// Smooth functions.

struct Log2 {
  static constexpr const char* name = "log2";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    return apply(detail::Opcode::log, x) * 1.4426950408889634074;
  }
};

struct Log10 {
  static constexpr const char* name = "log10";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    return apply(detail::Opcode::log, x) * 0.43429448190325182765;
  }
};

struct LogAddExp {
  static constexpr const char* name = "logaddexp";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol a, Symbol b) const {
    const Symbol above = a + apply(detail::Opcode::softplus, b - a),
                 below = b + apply(detail::Opcode::softplus, a - b);
    const Symbol same_infinity =
        (a == b) * (apply(detail::Opcode::abs, a) == infinity);  // where a - b would be NaN
    return where(same_infinity, 0.5 * (a + b), where(a > b, above, below));
  }
};

struct Hypot {
  static constexpr const char* name = "hypot";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol a, Symbol b) const {
    const Symbol a_size = apply(detail::Opcode::abs, a), b_size = apply(detail::Opcode::abs, b);
    const auto scaled = [](Symbol large, Symbol size, Symbol small) {
      const Symbol ratio = small / large;
      return size * apply(detail::Opcode::sqrt, 1 + ratio * ratio);
    };
    const Symbol finite = where(a_size > b_size, scaled(a, a_size, b), scaled(b, b_size, a));
    const Symbol both_zero = (a == 0) * (b == 0), any_infinite = (a_size == infinity) + (b_size == infinity);
    return where(both_zero, 0, where(any_infinite, infinity, finite));
  }
};

struct Asinh {
  static constexpr const char* name = "asinh";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    const auto of_positive = [](Symbol a) {
      const Symbol root = 1 + apply(detail::Opcode::sqrt, 1 + a * a);
      return where(a > 1e10, apply(detail::Opcode::log, a) + 0.69314718055994530942,
                   apply(detail::Opcode::log1p, a + a * (a / root)));
    };
    return where(x < 0, -of_positive(-x), of_positive(x));
  }
};

struct Acosh {
  static constexpr const char* name = "acosh";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    const Symbol above = x - 1;
    const Symbol root =
        apply(detail::Opcode::sqrt, above) * apply(detail::Opcode::sqrt, above + 2);  // of x² - 1
    return apply(detail::Opcode::log1p, above + root);
  }
};

struct Atanh {
  static constexpr const char* name = "atanh";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    return 0.5 * (apply(detail::Opcode::log1p, x) - apply(detail::Opcode::log1p, -x));
  }
};

// Whole numbers, all flat, and what a division leaves over.

struct Ceil {
  static constexpr const char* name = "ceil";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return -apply(detail::Opcode::floor, -x); }
};

struct Trunc {
  static constexpr const char* name = "trunc";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    return where(x < 0, -apply(detail::Opcode::floor, -x), apply(detail::Opcode::floor, x));
  }
};

struct Round {
  static constexpr const char* name = "round";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    const Symbol down = apply(detail::Opcode::floor, x), rest = x - down;
    const Symbol odd = down - 2 * apply(detail::Opcode::floor, down * 0.5);
    return where(x == down, down, down + where(rest == 0.5, odd, rest > 0.5));  // and infinities as they are
  }
};

struct Remainder {
  static constexpr const char* name = "remainder";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol a, Symbol b) const {
    const Symbol rest = apply(detail::Opcode::fmod, a, b);
    return where((rest != 0) * ((b < 0) != (rest < 0)), rest + b, rest);
  }
};

// Activations. Where PyTorch puts a kink, and which side it is of, is kept.

struct LogSigmoid {
  static constexpr const char* name = "logsigmoid";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return -apply(detail::Opcode::softplus, -x); }
};

struct HardTanh {
  static constexpr const char* name = "hardtanh";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol x, Symbol low, Symbol high) const {
    return where(x <= low, low, where(x >= high, high, x));
  }
};

struct HardSigmoid {
  static constexpr const char* name = "hardsigmoid";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return where(x <= -3, 0, where(x >= 3, 1, (x + 3) / 6)); }
};

struct HardSwish {
  static constexpr const char* name = "hardswish";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return where(x < -3, 0, where(x <= 3, x * (x + 3) / 6, x)); }
};

struct Selu {
  static constexpr const char* name = "selu";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    const Symbol below = 1.6732632423543772848 * apply(detail::Opcode::expm1, x);
    return 1.0507009873554804934 * where(x > 0, x, below);
  }
};

struct Celu {
  static constexpr const char* name = "celu";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol alpha) const {
    return where(x > 0, x, alpha * apply(detail::Opcode::expm1, x / alpha));
  }
};

struct Mish {
  static constexpr const char* name = "mish";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    return x * apply(detail::Opcode::tanh, apply(detail::Opcode::softplus, x));
  }
};

struct SoftSign {
  static constexpr const char* name = "softsign";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return x / (1 + apply(detail::Opcode::abs, x)); }
};

struct TanhShrink {
  static constexpr const char* name = "tanhshrink";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return x - apply(detail::Opcode::tanh, x); }
};

struct HardShrink {
  static constexpr const char* name = "hardshrink";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol lambd) const {
    return where((x >= -lambd) * (x <= lambd), 0, x);
  }
};

struct SoftShrink {
  static constexpr const char* name = "softshrink";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol lambd) const {
    return where(x > lambd, x - lambd, where(x < -lambd, x + lambd, where(x == x, 0, x)));
  }
};

struct Threshold {
  static constexpr const char* name = "threshold";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol x, Symbol threshold, Symbol value) const {
    return where(x <= threshold, value, x);
  }
};

// Conditions: 1 or 0.

struct IsNan {
  static constexpr const char* name = "isnan";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return x != x; }
};

struct IsInf {
  static constexpr const char* name = "isinf";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return apply(detail::Opcode::abs, x) == infinity; }
};

struct IsFinite {
  static constexpr const char* name = "isfinite";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const { return apply(detail::Opcode::abs, x) < infinity; }
};

struct LogicalAnd {
  static constexpr const char* name = "logical_and";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol a, Symbol b) const { return a && b; }
};

struct LogicalOr {
  static constexpr const char* name = "logical_or";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol a, Symbol b) const { return a || b; }
};

struct LogicalXor {
  static constexpr const char* name = "logical_xor";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol a, Symbol b) const { return (a != 0) != (b != 0); }
};

struct LogicalNot {
  static constexpr const char* name = "logical_not";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol a) const { return !a; }
};

// Those of losses are in loss_formulas.hpp.

/// With loops for each instruction set: what runs in every step of a network.
using Fast = List<Relu, LeakyRelu, Elu, Gelu, GeluTanh, Silu, Clamp, Xlogy, Entr, CentreAndScale, RatioOrZero,
                  LogSigmoid, HardTanh, HardSwish, Mish, SquaredError, AbsoluteError, BinaryCrossEntropy>;
/// With the loops of the compiler's flags, as a user's formulas: each instruction set more would take minutes
/// to build.
using Plain = List<Log2, Log10, LogAddExp, Hypot, Asinh, Acosh, Atanh, Ceil, Trunc, Round, Remainder,
                   HardSigmoid, Selu, Celu, SoftSign, TanhShrink, HardShrink, SoftShrink, Threshold, IsNan,
                   IsInf, IsFinite, LogicalAnd, LogicalOr, LogicalXor, LogicalNot>;

}  // namespace xgrad::formulas
