// The optimizers' updates, and what clipping does, as formulas to be run in place (InPlaceKernel). Arguments:
// the numbers of a step, the gradient, then what the results go over, in their order.
#pragma once

#include <type_traits>

#include <xgrad/autograd/core/storage.hpp>
#include <xgrad/autograd/formula/list.hpp>
#include <xgrad/autograd/formula/trace.hpp>
#include <xgrad/autograd/kernels/loop.hpp>
#include <xgrad/autograd/kernels/simd_level.hpp>

namespace xgrad::optim::formulas {

using xgrad::formulas::apply, xgrad::formulas::List, xgrad::formulas::where;

// `sign` is -1 where an optimizer maximizes, else 1. The weight decay is left out where there is none: 0
// times an infinite parameter is NaN.

template <bool decays>
struct SGDUpdate {
  static constexpr std::size_t numbers = 3, inputs = 2;
  constexpr auto operator()(Symbol sign, Symbol lr, Symbol decay, Symbol g, Symbol p) const {
    g *= sign;
    if constexpr (decays) g += decay * p;
    return p - lr * g;
  }
};

template <bool nesterov, bool decays>
struct MomentumUpdate {
  static constexpr std::size_t numbers = 6, inputs = 3;
  constexpr auto operator()(Symbol sign, Symbol lr, Symbol decay, Symbol momentum, Symbol keep, Symbol fresh,
                            Symbol g, Symbol p, Symbol v) const {
    g *= sign;
    if constexpr (decays) g += decay * p;
    v = keep * v + fresh * g;
    return outputs(p - lr * (nesterov ? g + momentum * v : v), v);
  }
};

// With r = √(1 - β₂ᵗ), by which PyTorch divides √v: step_size is r lr / (1 - β₁ᵗ), and eps is multiplied by
// r, which spares that division.
template <bool amsgrad, bool decays>
struct AdamUpdate {
  static constexpr std::size_t numbers = 9, inputs = amsgrad ? 5 : 4;
  constexpr auto operator()(Symbol sign, Symbol step_size, Symbol eps, Symbol beta1, Symbol rest1,
                            Symbol beta2, Symbol rest2, Symbol decay, Symbol shrink, Symbol g, Symbol p,
                            Symbol m, Symbol v, auto... largest) const {
    g *= sign;
    if constexpr (decays) g += decay * p;
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
    SymbolList<inputs - 1> after{{p, m, v, largest...}};
    auto& x = after.results;
    if constexpr (amsgrad) x[3] = where(x[3] > v, x[3], v);
    x[0] = shrink * p - step_size * m / (apply(xgrad::detail::Opcode::sqrt, x.back()) + eps);
    return after;
  }
};

// After the mean square come the mean, if it is centered, and the momentum.
template <bool centered, bool momentum, bool decays>
struct RMSpropUpdate {
  static constexpr std::size_t numbers = 8, inputs = 3 + centered + momentum;
  constexpr auto operator()(Symbol sign, Symbol lr, Symbol alpha, Symbol rest, Symbol eps, Symbol decay,
                            Symbol keep, Symbol zero, Symbol g, Symbol p, Symbol square,
                            auto... state) const {
    g *= sign;
    if constexpr (decays) g += decay * p;
    square = alpha * square + rest * g * g;
    SymbolList<inputs - 1> after{{p, square, state...}};
    auto& x = after.results;
    Symbol second = square;
    if constexpr (centered) {
      x[2] = alpha * x[2] + rest * g;
      second = apply(xgrad::detail::Opcode::maximum, second - x[2] * x[2], zero);  // it may round below
    }
    Symbol change = g / (apply(xgrad::detail::Opcode::sqrt, second) + eps);
    if constexpr (momentum) change = x.back() = keep * x.back() + change;
    x[0] -= lr * change;
    return after;
  }
};

// `fresh` and `ahead` are what the gradient and the mean weigh in a step; `rest` is that of the mean square.
template <bool decays>
struct NAdamUpdate {
  static constexpr std::size_t numbers = 11, inputs = 4;
  constexpr auto operator()(Symbol sign, Symbol fresh, Symbol ahead, Symbol eps, Symbol scale, Symbol beta1,
                            Symbol rest1, Symbol beta2, Symbol rest2, Symbol decay, Symbol shrink, Symbol g,
                            Symbol p, Symbol m, Symbol v) const {
    g *= sign;
    if constexpr (decays) g += decay * p;
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
    const Symbol size = apply(xgrad::detail::Opcode::sqrt, v * scale) + eps;
    return outputs(shrink * p - (fresh * g + ahead * m) / size, m, v);
  }
};

// `adaptive` is 0 as long as the mean square is not to be trusted.
template <bool decays>
struct RAdamUpdate {
  static constexpr std::size_t numbers = 11, inputs = 4;
  constexpr auto operator()(Symbol sign, Symbol plain, Symbol adaptive, Symbol eps, Symbol beta1,
                            Symbol rest1, Symbol beta2, Symbol rest2, Symbol decay, Symbol shrink,
                            Symbol zero, Symbol g, Symbol p, Symbol m, Symbol v) const {
    g *= sign;
    if constexpr (decays) g += decay * p;
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
    const Symbol scaled = adaptive / (apply(xgrad::detail::Opcode::sqrt, v) + eps);
    return outputs(shrink * p - m * where(adaptive > zero, scaled, plain), m, v);
  }
};

template <bool decays>
struct AdamaxUpdate {
  static constexpr std::size_t numbers = 7, inputs = 4;
  constexpr auto operator()(Symbol sign, Symbol lr, Symbol eps, Symbol beta1, Symbol rest1, Symbol beta2,
                            Symbol decay, Symbol g, Symbol p, Symbol m, Symbol largest) const {
    g *= sign;
    if constexpr (decays) g += decay * p;
    m = beta1 * m + rest1 * g;
    largest =
        apply(xgrad::detail::Opcode::maximum, beta2 * largest, apply(xgrad::detail::Opcode::abs, g) + eps);
    return outputs(p - lr * m / largest, m, largest);
  }
};

struct LionUpdate {
  static constexpr std::size_t numbers = 7, inputs = 3;
  constexpr auto operator()(Symbol sign, Symbol lr, Symbol beta1, Symbol rest1, Symbol beta2, Symbol rest2,
                            Symbol shrink, Symbol g, Symbol p, Symbol m) const {
    g *= sign;
    const Symbol way = apply(xgrad::detail::Opcode::sign, beta1 * m + rest1 * g);
    return outputs(shrink * p - lr * way, beta2 * m + rest2 * g);
  }
};

template <bool decays>
struct AdagradUpdate {
  static constexpr std::size_t numbers = 4, inputs = 3;
  constexpr auto operator()(Symbol sign, Symbol lr, Symbol eps, Symbol decay, Symbol g, Symbol p,
                            Symbol sum) const {
    g *= sign;
    if constexpr (decays) g += decay * p;
    sum += g * g;
    return outputs(p - lr * g / (apply(xgrad::detail::Opcode::sqrt, sum) + eps), sum);
  }
};

template <bool decays>
struct AdadeltaUpdate {
  static constexpr std::size_t numbers = 6, inputs = 4;
  constexpr auto operator()(Symbol sign, Symbol lr, Symbol rho, Symbol rest, Symbol eps, Symbol decay,
                            Symbol g, Symbol p, Symbol square, Symbol moved) const {
    g *= sign;
    if constexpr (decays) g += decay * p;
    square = rho * square + rest * g * g;
    const auto root = [&](Symbol x) { return apply(xgrad::detail::Opcode::sqrt, x + eps); };
    const Symbol change = root(moved) / root(square) * g;
    return outputs(p - lr * change, square, rho * moved + rest * change * change);
  }
};

// Where the gradient's sign changed, the element rests for this step.
struct RpropUpdate {
  static constexpr std::size_t numbers = 7, inputs = 4;
  constexpr auto operator()(Symbol sign, Symbol shrink, Symbol grow, Symbol least, Symbol largest,
                            Symbol zero, Symbol one, Symbol g, Symbol p, Symbol before, Symbol size) const {
    using Op = xgrad::detail::Opcode;
    g *= sign;
    const Symbol both = g * before;
    size *= where(both > zero, grow, where(both < zero, shrink, one));
    size = apply(Op::minimum, apply(Op::maximum, size, least), largest);
    g = where(both < zero, zero, g);
    return outputs(p - apply(Op::sign, g) * size, g, size);
  }
};

struct Approach {  // an average x, of which the newest value is to be `weight`
  static constexpr std::size_t numbers = 1, inputs = 2;
  constexpr auto operator()(Symbol weight, Symbol newest, Symbol x) const {
    return x + weight * (newest - x);
  }
};

struct Scale {
  static constexpr std::size_t numbers = 1, inputs = 1;
  constexpr auto operator()(Symbol factor, Symbol x) const { return x * factor; }
};

struct Clamp {  // NaN stays
  static constexpr std::size_t numbers = 1, inputs = 1;
  constexpr auto operator()(Symbol limit, Symbol x) const {
    const Symbol raised = where(x < -limit, -limit, x);
    return where(raised > limit, limit, raised);
  }
};

using All = List<SGDUpdate<false>, SGDUpdate<true>, MomentumUpdate<false, false>, MomentumUpdate<false, true>,
                 MomentumUpdate<true, false>, MomentumUpdate<true, true>, AdamUpdate<false, false>,
                 AdamUpdate<false, true>, AdamUpdate<true, false>, AdamUpdate<true, true>,
                 RMSpropUpdate<false, false, false>, RMSpropUpdate<false, false, true>,
                 RMSpropUpdate<false, true, false>, RMSpropUpdate<false, true, true>,
                 RMSpropUpdate<true, false, false>, RMSpropUpdate<true, false, true>,
                 RMSpropUpdate<true, true, false>, RMSpropUpdate<true, true, true>, NAdamUpdate<false>,
                 NAdamUpdate<true>, RAdamUpdate<false>, RAdamUpdate<true>, AdamaxUpdate<false>,
                 AdamaxUpdate<true>, LionUpdate, AdagradUpdate<false>, AdagradUpdate<true>,
                 AdadeltaUpdate<false>, AdadeltaUpdate<true>, RpropUpdate, Approach, Scale, Clamp>;

}  // namespace xgrad::optim::formulas

namespace xgrad::kernels {

using UpdateTable = std::array<std::array<InPlaceKernel, 2>, optim::formulas::All::size>;
XGRAD_SIMD_TABLE(UpdateTable, update_loops)

}  // namespace xgrad::kernels

namespace xgrad::optim {

/// The formula with this machine's loop for elements of T.
template <class F, Real T>
kernels::InPlaceFormula in_place() {
  constexpr const xgrad::detail::Program& program =
      xgrad::detail::ForwardProgram<F, F::inputs, F::numbers>::program;
  static_assert(program.constant_count == F::numbers, "pass a literal of the formula as one of its numbers");
  return {&program,
          kernels::update_loops()[formulas::All::index<F>()][static_cast<std::size_t>(dtype_of<T>)]};
}

/// f() of choices that are known when the program runs, as constants: `choose(f, true)` is
/// f(std::true_type()).
constexpr auto choose(auto f) { return f(); }
constexpr auto choose(auto f, bool first, auto... rest) {
  const auto after = [&](auto constant) {
    return choose([&](auto... others) { return f(constant, others...); }, rest...);
  };
  return first ? after(std::true_type()) : after(std::false_type());
}

}  // namespace xgrad::optim
