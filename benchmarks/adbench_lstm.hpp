// The LSTM of ADBench (Srajer, Kukelova and Fitzgibbon 2018), in double: a long loop of small operations, all
// weights diagonal. With the library's formulas, and by hand.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::benchmarks {

/// Arrays as ADBench lays them out. For t = 0 … steps - 2 the layers read sequence[t] ⊙ in_w, one after the
/// other, and what the last one says predicts sequence[t + 1].
struct DiagonalLstmProblem {
  std::int64_t layers, steps, width;
  std::vector<double> main;      // layers × (w_f, w_i, w_o, w_g, b_f, b_i, b_o, b_g) × width
  std::vector<double> extra;     // (in_w, out_w, out_b) × width
  std::vector<double> state;     // layers × (h, c) × width
  std::vector<double> sequence;  // steps × width

  DiagonalLstmProblem(std::int64_t layer_count, std::int64_t step_count, std::int64_t row_width)
      : layers(layer_count), steps(step_count), width(row_width) {
    std::mt19937 random(1);
    std::normal_distribution<double> normal;
    for (auto& [array, rows] :
         {std::pair{&main, 8 * layers}, {&extra, 3}, {&state, 2 * layers}, {&sequence, steps}}) {
      array->resize(static_cast<std::size_t>(rows * width));
      for (double& value : *array) value = normal(random);
    }
  }
};

/// The loss, -mean(sequence[t + 1] ⊙ (y - log(2 + Σ exp y))), and its gradient.
struct DiagonalLstmGradient {
  double loss = 0;
  std::vector<double> main, extra;
};

/// h and c after one layer's step.
constexpr auto diagonal_lstm_cell(auto x, auto h, auto c, auto w_f, auto w_i, auto w_o, auto w_g, auto b_f,
                                  auto b_i, auto b_o, auto b_g) {
  auto f = sigmoid(x * w_f + b_f), i = sigmoid(h * w_i + b_i), o = sigmoid(x * w_o + b_o);
  auto next_c = c * f + i * tanh(h * w_g + b_g);
  return std::pair(o * tanh(next_c), next_c);
}

/// One layer's step, and two in a row: half as many nodes, each of which adds to the parameters' gradients
/// once.
inline constexpr auto diagonal_lstm_step =
    formula("diagonal_lstm_step", [](auto x, auto h, auto c, auto... parameters) {
      auto [next_h, next_c] = diagonal_lstm_cell(x, h, c, parameters...);
      return outputs(next_h, next_c);
    });
inline constexpr auto diagonal_lstm_two_steps =
    formula("diagonal_lstm_two_steps", [](auto x, auto next_x, auto h, auto c, auto... parameters) {
      auto [middle_h, middle_c] = diagonal_lstm_cell(x, h, c, parameters...);
      auto [next_h, next_c] = diagonal_lstm_cell(next_x, middle_h, middle_c, parameters...);
      return outputs(middle_h, next_h, next_c);
    });

inline constexpr auto scale_and_shift =
    formula("scale_and_shift", [](auto x, auto w, auto b) { return x * w + b; });

/// With formulas: a node for every two time steps of a layer, and a few for the output of all steps together.
class FormulaLstm {
 public:
  explicit FormulaLstm(const DiagonalLstmProblem& problem) {
    const auto row = [&](const std::vector<double>& of, std::int64_t k) {
      return from_values<double>({problem.width},
                                 std::span(of).subspan(static_cast<std::size_t>(k * problem.width),
                                                       static_cast<std::size_t>(problem.width)));
    };
    for (std::int64_t l = 0; l < problem.layers; ++l) {
      auto& parameters = layers_.emplace_back();
      for (std::int64_t k = 0; k < 8; ++k)
        parameters.push_back(row(problem.main, 8 * l + k).set_requires_grad());
      h_.push_back(row(problem.state, 2 * l));
      c_.push_back(row(problem.state, 2 * l + 1));
    }
    for (std::int64_t k = 0; k < 3; ++k) extra_.push_back(row(problem.extra, k).set_requires_grad());
    const auto sequence = from_values<double>({problem.steps, problem.width}, problem.sequence);
    inputs_ = narrow(sequence, 0, 0, problem.steps - 1);
    targets_ = narrow(sequence, 0, 1, problem.steps - 1);
    target_sums_ = sum(targets_, 1);
  }

  Tensor<double> loss() const {
    const auto &in_w = extra_[0], &out_w = extra_[1], &out_b = extra_[2];
    auto x = unbind(inputs_ * in_w);  // of every time step, for one layer and then for the one above it
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      auto h = h_[l], c = c_[l];
      const auto run = [&](const auto& step, const auto&... rows) {
        const auto& p = layers_[l];
        return step(rows..., h, c, p[w_f], p[w_i], p[w_o], p[w_g], p[b_f], p[b_i], p[b_o], p[b_g]);
      };
      std::size_t t = 0;
      for (; t + 1 < x.size(); t += 2) {
        std::tie(x[t], x[t + 1], c) = std::tuple_cat(run(diagonal_lstm_two_steps, x[t], x[t + 1]));
        h = x[t + 1];
      }
      if (t < x.size()) x[t] = run(diagonal_lstm_step, x[t])[0];
    }
    const auto y = scale_and_shift(stack(x), out_w, out_b);
    const auto log_sums = log(sum(exp(y), 1) + 2);
    return (sum(log_sums * target_sums_) - sum(targets_ * y)) / targets_.elements();
  }

  /// Forward and backward; the gradients are in the parameters afterwards.
  double step() {
    for (auto& layer : layers_) zero_grad(layer);
    zero_grad(extra_);
    const auto result = loss();
    result.backward();
    return result.item();
  }

  DiagonalLstmGradient gradient() {
    DiagonalLstmGradient result{.loss = step(), .main = {}, .extra = {}};
    for (const auto& layer : layers_) append_gradients(layer, result.main);
    append_gradients(extra_, result.extra);
    return result;
  }

 private:
  using Row = Tensor<double>;
  enum Parameter { w_f, w_i, w_o, w_g, b_f, b_i, b_o, b_g };

  static void zero_grad(std::vector<Row>& parameters) {
    for (Row& p : parameters) p.zero_grad();
  }
  static void append_gradients(const std::vector<Row>& parameters, std::vector<double>& to) {
    for (const Row& p : parameters)
      for (const double g : p.grad().values()) to.push_back(g);
  }

  std::vector<std::vector<Row>> layers_;  // each one's parameters
  std::vector<Row> extra_, h_, c_;        // in_w, out_w, out_b; the initial state of each layer
  Tensor<double> inputs_, targets_, target_sums_;
};

/// Forward and its reverse written out, over flat rows, with the same registers and functions as a formula
/// has. Nothing is allocated after construction.
class HandwrittenLstm {
 public:
  explicit HandwrittenLstm(const DiagonalLstmProblem& problem)
      : layers_(problem.layers),
        steps_(problem.steps - 1),
        width_(problem.width),
        main_(padded(problem.main)),
        extra_(padded(problem.extra)),
        state_(padded(problem.state)),
        sequence_(padded(problem.sequence)),
        cells_(static_cast<std::size_t>(steps_ * layers_ * cell_rows * stride_)),
        exponentials_(static_cast<std::size_t>(steps_ * stride_)),
        sums_(static_cast<std::size_t>((steps_ + W - 1) / W * W), 1.0),
        d_main_(main_.size()),
        d_extra_(extra_.size()),
        d_state_(state_.size()) {
    // Beyond the width, exp(y) has to vanish; it does so without numbers that are slow for being denormal.
    for (std::int64_t j = width_; j < stride_; ++j) extra_[static_cast<std::size_t>(2 * stride_ + j)] = -600;
  }

  double step() {
    forward();
    const double loss = output();
    backward();
    return loss;
  }

  DiagonalLstmGradient gradient() {
    const double loss = step();
    return {.loss = loss, .main = unpadded(d_main_), .extra = unpadded(d_extra_)};
  }

 private:
  using B = kernels::XGRAD_ARCH::Batch<double>;
  static constexpr std::int64_t W = static_cast<std::int64_t>(kernels::XGRAD_ARCH::lanes<double>);
  enum Row { f, i, o, g, c, tanh_c, h, cell_rows };           // of a cell
  enum Parameter { w_f, w_i, w_o, w_g, b_f, b_i, b_o, b_g };  // rows of a layer
  enum Extra { in_w, out_w, out_b };

  static B load(const double* p) { return kernels::XGRAD_ARCH::load(p); }
  static void store(double* p, const B& x) { kernels::XGRAD_ARCH::store(p, x); }
  static void add(double* p, const B& x) { store(p, load(p) + x); }

  double* cell(std::int64_t t, std::int64_t l) {
    return cells_.data() + (t * layers_ + l) * cell_rows * stride_;
  }
  // h or c before step t.
  const double* before(std::int64_t t, std::int64_t l, Row row) {
    if (t > 0) return cell(t - 1, l) + row * stride_;
    return state_.data() + (2 * l + (row == c)) * stride_;
  }

  void forward() {
    namespace k = kernels::XGRAD_ARCH;
    const std::int64_t n = stride_;
    for (std::int64_t t = 0; t < steps_; ++t)
      for (std::int64_t l = 0; l < layers_; ++l) {
        const double *p = main_.data() + 8 * l * n, *h0 = before(t, l, h), *c0 = before(t, l, c);
        const double *x = l == 0 ? sequence_.data() + t * n : cell(t, l - 1) + h * n, *scale = extra_.data();
        double* out = cell(t, l);
        for (std::int64_t j = 0; j < n; j += W) {
          const B x_j = l == 0 ? load(x + j) * load(scale + j) : load(x + j), h_j = load(h0 + j);
          const auto gate = [&](const B& v, Parameter w, Parameter b) {
            return k::fma(v, load(p + w * n + j), load(p + b * n + j));
          };
          const B f_j = k::sigmoid(gate(x_j, w_f, b_f)), i_j = k::sigmoid(gate(h_j, w_i, b_i));
          const B o_j = k::sigmoid(gate(x_j, w_o, b_o)), g_j = k::tanh(gate(h_j, w_g, b_g));
          store(out + f * n + j, f_j);
          store(out + i * n + j, i_j);
          store(out + o * n + j, o_j);
          store(out + g * n + j, g_j);
          store(out + c * n + j, k::fma(load(c0 + j), f_j, i_j * g_j));
        }
        for (std::int64_t j = 0; j < n; j += W) {  // apart, so that the registers' chains overlap
          const B tanh_j = k::tanh(load(out + c * n + j));
          store(out + tanh_c * n + j, tanh_j);
          store(out + h * n + j, load(out + o * n + j) * tanh_j);
        }
      }
  }

  // The loss; leaves exp(y) and 2 + Σ exp(y) of every step.
  double output() {
    namespace k = kernels::XGRAD_ARCH;
    const std::int64_t n = stride_;
    const double *w = extra_.data() + out_w * n, *b = extra_.data() + out_b * n;
    B total(0.0);
    for (std::int64_t t = 0; t < steps_; ++t) {
      const double *x = cell(t, layers_ - 1) + h * n, *target = sequence_.data() + (t + 1) * n;
      B sum(0.0);
      for (std::int64_t j = 0; j < n; j += W) {
        const B y = k::fma(load(x + j), load(w + j), load(b + j)), e = k::exp(y);
        store(exponentials_.data() + t * n + j, e);
        sum = sum + e;
        total = k::fma(load(target + j), y, total);
      }
      sums_[static_cast<std::size_t>(t)] = 2 + k::reduce_add(sum);
    }
    double result = k::reduce_add(total);
    for (std::int64_t t = 0; t < steps_; t += W) {
      double logs[W];
      store(logs, k::log(load(sums_.data() + t)));
      for (std::int64_t s = t; s < std::min(t + W, steps_); ++s) result -= logs[s - t] * target_sum(s);
    }
    return -result / static_cast<double>(steps_ * width_);
  }

  double target_sum(std::int64_t t) const {
    B sum(0.0);
    for (std::int64_t j = 0; j < stride_; j += W) sum = sum + load(sequence_.data() + (t + 1) * stride_ + j);
    return kernels::XGRAD_ARCH::reduce_add(sum);
  }

  void backward() {
    namespace k = kernels::XGRAD_ARCH;
    const std::int64_t n = stride_;
    for (auto* gradient : {&d_main_, &d_extra_, &d_state_})
      std::fill(gradient->begin(), gradient->end(), 0.0);
    const double mean = -1 / static_cast<double>(steps_ * width_);
    for (std::int64_t t = steps_; t-- > 0;) {
      const double *last = cell(t, layers_ - 1) + h * n, *target = sequence_.data() + (t + 1) * n;
      const B scale(mean), softmax_scale(mean * target_sum(t) / sums_[static_cast<std::size_t>(t)]);
      double* d_above = d_state_.data() + 2 * (layers_ - 1) * n;
      for (std::int64_t j = 0; j < n; j += W) {
        const B dy = scale * load(target + j) - softmax_scale * load(exponentials_.data() + t * n + j);
        add(d_extra_.data() + out_w * n + j, dy * load(last + j));
        add(d_extra_.data() + out_b * n + j, dy);
        add(d_above + j, dy * load(extra_.data() + out_w * n + j));
      }
      for (std::int64_t l = layers_; l-- > 0;) backward_cell(t, l);
    }
  }

  // From the gradients of h and c after a cell to those before it, and that of x to where it comes from.
  void backward_cell(std::int64_t t, std::int64_t l) {
    namespace k = kernels::XGRAD_ARCH;
    const std::int64_t n = stride_;
    const double *p = main_.data() + 8 * l * n, *h0 = before(t, l, h), *c0 = before(t, l, c),
                 *at = cell(t, l);
    const double* x = l == 0 ? sequence_.data() + t * n : cell(t, l - 1) + h * n;
    double *dp = d_main_.data() + 8 * l * n, *dh = d_state_.data() + 2 * l * n, *dc = dh + n;
    double* dx = l == 0 ? d_extra_.data() : dh - 2 * n;
    const B one(1.0);
    for (std::int64_t j = 0; j < n; j += W) {
      const B f_j = load(at + f * n + j), i_j = load(at + i * n + j), o_j = load(at + o * n + j),
              g_j = load(at + g * n + j);
      const B tanh_j = load(at + tanh_c * n + j), dh_j = load(dh + j), h_j = load(h0 + j);
      const B x_j = l == 0 ? load(x + j) * load(extra_.data() + j) : load(x + j);
      const B through = dh_j * o_j, dc_j = load(dc + j) + k::fnma(through * tanh_j, tanh_j, through);
      const B df = dc_j * load(c0 + j) * f_j * (one - f_j), di = dc_j * g_j * i_j * (one - i_j);
      const B d_o = dh_j * tanh_j * o_j * (one - o_j), dg = dc_j * i_j * k::fnma(g_j, g_j, one);
      const auto add_gate = [&](const B& d, const B& v, Parameter w, Parameter b) {
        store(dp + w * n + j, k::fma(d, v, load(dp + w * n + j)));
        add(dp + b * n + j, d);
      };
      add_gate(df, x_j, w_f, b_f);
      add_gate(di, h_j, w_i, b_i);
      add_gate(d_o, x_j, w_o, b_o);
      add_gate(dg, h_j, w_g, b_g);
      const B dx_j = k::fma(df, load(p + w_f * n + j), d_o * load(p + w_o * n + j));
      add(dx + j, l == 0 ? dx_j * load(x + j) : dx_j);
      store(dc + j, dc_j * f_j);
      store(dh + j, k::fma(di, load(p + w_i * n + j), dg * load(p + w_g * n + j)));
    }
  }

  // Rows of the problem's width, from and to rows of whole registers.
  std::vector<double> padded(const std::vector<double>& rows) const {
    const auto count = static_cast<std::int64_t>(rows.size()) / width_;
    std::vector<double> result(static_cast<std::size_t>(count * stride_));
    for (std::int64_t r = 0; r < count; ++r)
      std::copy_n(rows.data() + r * width_, width_, result.data() + r * stride_);
    return result;
  }
  std::vector<double> unpadded(const std::vector<double>& rows) const {
    std::vector<double> result;
    for (std::size_t r = 0; r < rows.size(); r += static_cast<std::size_t>(stride_))
      result.insert(result.end(), rows.begin() + static_cast<std::ptrdiff_t>(r),
                    rows.begin() + static_cast<std::ptrdiff_t>(r) + width_);
    return result;
  }

  std::int64_t layers_, steps_, width_, stride_ = (width_ + W - 1) / W * W;
  std::vector<double> main_, extra_, state_, sequence_;
  std::vector<double> cells_, exponentials_, sums_;
  std::vector<double> d_main_, d_extra_, d_state_;
};

}  // namespace xgrad::benchmarks
