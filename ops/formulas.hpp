// The library's composite elementwise ops as formulas. To add one: a struct here, its name in the list below,
// and its function in elementwise.hpp; the loops for each instruction set and the derivatives follow from the
// struct.
#pragma once

#include <limits>

#include <xgrad/autograd/formula/list.hpp>
#include <xgrad/ops/loss_formulas.hpp>

namespace xgrad::formulas {

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
    const Symbol raised = where(x < low, low, x);
    return where(raised > high, high, raised);  // all are high where low is above it
  }
};

struct Xlogy {
  static constexpr const char* name = "xlogy";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const {
    const Symbol no_log = where(x == 0, where(y <= 0, 1, y == std::numeric_limits<double>::infinity()), 0);
    return x * apply(detail::Opcode::log, where(no_log, 1, y));
  }
};

struct Entr {
  static constexpr const char* name = "entr";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol x) const {
    const Symbol at_zero = apply(detail::Opcode::sqrt, x);  // which is 0 there, too, and as steep
    return where(x > 0, -x * apply(detail::Opcode::log, x),
                 where(x < 0, -std::numeric_limits<double>::infinity(), at_zero));
  }
};

// g / y, and 0 where y is 0, as are its derivatives: for gradients that are set to 0 there.
struct RatioOrZero {
  static constexpr const char* name = "ratio_or_zero";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol g, Symbol y) const { return where(y == 0, 0, g / y); }
};

using All = List<Relu, LeakyRelu, Elu, Gelu, GeluTanh, Silu, Clamp, Xlogy, Entr, RatioOrZero, SquaredError,
                 AbsoluteError, SmoothL1, Huber, BinaryCrossEntropy, WeightedBinaryCrossEntropy,
                 ProbabilityCrossEntropy, SoftMargin, HingeEmbedding, MarginRanking, CosineEmbedding,
                 KLDivergence, KLDivergenceOfLogs, PoissonOfLog, Poisson, Stirling, GaussianNLL, CTCStep>;

}  // namespace xgrad::formulas
