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

struct SoftMargin {
  static constexpr const char* name = "soft_margin";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const { return apply(detail::Opcode::softplus, -(x * y)); }
};

// max(x, 0), with the gradient 1 at 0, as PyTorch's clamp_min has it.
constexpr Symbol at_least_zero(Symbol x) { return where(x < 0, 0, x); }

struct HingeEmbedding {
  static constexpr const char* name = "hinge_embedding";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol x, Symbol y, Symbol margin) const {
    return where(y != 1, at_least_zero(margin - x), 0) + where(y != -1, x, 0);
  }
};

struct MarginRanking {
  static constexpr const char* name = "margin_ranking";
  static constexpr std::size_t inputs = 4;
  constexpr Symbol operator()(Symbol first, Symbol second, Symbol y, Symbol margin) const {
    return at_least_zero(margin - y * (first - second));
  }
};

struct CosineEmbedding {
  static constexpr const char* name = "cosine_embedding";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol cosine, Symbol y, Symbol margin) const {
    return where(y == 1, 1 - cosine, 0) + where(y == -1, at_least_zero(cosine - margin), 0);
  }
};

// Of the logarithm x of a probability.
struct KLDivergence {
  static constexpr const char* name = "kl_divergence";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const {
    return where(y == 0, 0, y * apply(detail::Opcode::log, where(y == 0, 1, y))) - y * x;
  }
};

struct KLDivergenceOfLogs {
  static constexpr const char* name = "kl_divergence_of_logs";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const { return apply(detail::Opcode::exp, y) * (y - x); }
};

struct PoissonOfLog {
  static constexpr const char* name = "poisson_of_log";
  static constexpr std::size_t inputs = 2;
  constexpr Symbol operator()(Symbol x, Symbol y) const { return apply(detail::Opcode::exp, x) - y * x; }
};

struct Poisson {
  static constexpr const char* name = "poisson";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol x, Symbol y, Symbol eps) const {
    return x - y * apply(detail::Opcode::log, x + eps);
  }
};

// log(y!) by Stirling's formula, 0 for y <= 1.
struct Stirling {
  static constexpr const char* name = "stirling";
  static constexpr std::size_t inputs = 1;
  constexpr Symbol operator()(Symbol y) const {
    return where(
        y > 1,
        y * apply(detail::Opcode::log, y) - y + 0.5 * apply(detail::Opcode::log, 6.28318530717958647693 * y),
        0);
  }
};

struct GaussianNLL {
  static constexpr const char* name = "gaussian_nll";
  static constexpr std::size_t inputs = 3;
  constexpr Symbol operator()(Symbol x, Symbol y, Symbol variance) const {
    return 0.5 * (apply(detail::Opcode::log, variance) + apply(detail::Opcode::square, x - y) / variance);
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
