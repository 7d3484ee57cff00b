// Losses by element, as formulas: x is the prediction, y the target.
#pragma once

#include <xgrad/autograd/formula/list.hpp>

namespace xgrad::formulas {

struct SquaredError {
  static constexpr const char* name = "squared_error";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const { return apply(detail::Opcode::square, x - y); }
};

struct AbsoluteError {
  static constexpr const char* name = "absolute_error";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const { return apply(detail::Opcode::abs, x - y); }
};

struct BinaryCrossEntropy {  // of a logit x: softplus(x) - x y without cancellation, right also in its
                             // derivative at 0
  static constexpr const char* name = "binary_cross_entropy";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const {
    return x * ((x > 0) - y) + apply(detail::Opcode::softplus, where(x > 0, -x, x));
  }
};

// The same with the losses of positive examples, y = 1, counted `positive` times.
struct WeightedBinaryCrossEntropy {
  static constexpr const char* name = "weighted_binary_cross_entropy";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol x, Symbol y, Symbol positive) const {
    const Symbol minus_log_sigmoid =
        where(x > 0, 0, -x) + apply(detail::Opcode::softplus, where(x > 0, -x, x));
    return (1 - y) * x + (1 + (positive - 1) * y) * minus_log_sigmoid;
  }
};

// Of a probability x; no logarithm is below -100.
struct ProbabilityCrossEntropy {
  static constexpr const char* name = "probability_cross_entropy";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const {
    const Symbol yes = apply(detail::Opcode::log, x), no = apply(detail::Opcode::log1p, -x);
    return -(y * where(yes < -100, -100, yes) + (1 - y) * where(no < -100, -100, no));
  }
};

struct SmoothL1 {
  static constexpr const char* name = "smooth_l1";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol x, Symbol y, Symbol beta) const {
    const Symbol far = apply(detail::Opcode::abs, x - y);
    return where(far < beta, 0.5 * apply(detail::Opcode::square, x - y) / beta, far - 0.5 * beta);
  }
};

struct Huber {
  static constexpr const char* name = "huber";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol x, Symbol y, Symbol delta) const {
    const Symbol far = apply(detail::Opcode::abs, x - y);
    return where(far <= delta, 0.5 * apply(detail::Opcode::square, x - y), delta * (far - 0.5 * delta));
  }
};

// One time step of the forward algorithm: p + log(exp(stay) + exp(next) + exp(skip)).
struct CTCStep {
  static constexpr const char* name = "ctc_step";
  static constexpr std::size_t inputs = 4;
  constexpr Symbol operator()(Symbol p, Symbol stay, Symbol next, Symbol skip) const {
    const Symbol top = where(stay > next, where(stay > skip, stay, skip), where(next > skip, next, skip));
    return p + top +
           apply(detail::Opcode::log, apply(detail::Opcode::exp, stay - top) +
                                          apply(detail::Opcode::exp, next - top) +
                                          apply(detail::Opcode::exp, skip - top));
  }
};

}  // namespace xgrad::formulas
