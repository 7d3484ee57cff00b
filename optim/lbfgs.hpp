// L-BFGS.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include <xgrad/optim/optimizer.hpp>

namespace xgrad::optim {

/// How LBFGS finds the length of a step: it takes `lr`, or searches for one that fulfils the strong Wolfe
/// conditions.
enum class LineSearch { none, strong_wolfe };

/// Options of LBFGS.
struct LBFGSOptions {
  double lr = 1;
  std::int64_t max_iter = 20;  ///< of one step()
  std::optional<std::int64_t> max_eval =
      {};                          ///< calls of the closure in one step(); by default max_iter * 5 / 4
  double tolerance_grad = 1e-7;    ///< a step ends where no gradient is larger
  double tolerance_change = 1e-9;  ///< or where parameters or loss change by less
  std::int64_t history_size = 100;
  LineSearch line_search_fn = LineSearch::none;
};

/// torch.optim.LBFGS (Nocedal & Wright 2006, algorithm 7.5): for losses without noise. It has one group, and
/// takes about 2 * history_size times the memory of the parameters. Each step(closure) makes several
/// iterations; step() without one throws ValueError.
template <Real T>
class LBFGS : public Optimizer<T> {
 public:
  /// Throws ValueError for no parameters, counts below 1, and options that are negative or not finite.
  explicit LBFGS(std::vector<Tensor<T>> parameters, LBFGSOptions options = {});

  using Optimizer<T>::step;
  void step() override;

  LBFGSOptions options() const { return this->current(options_); }

  std::vector<NamedState> state() const override;
  void check_state(const std::vector<NamedState>& state) const override;
  void load_state(const std::vector<NamedState>& state) override;

 protected:
  Tensor<T> step_with(const std::function<Tensor<T>()>& closure) override;

 private:
  using Vector = std::vector<T>;  // one element for each of all parameters
  struct Pair {                   // the change of the gradient, that of the parameters, 1 over their product
    Vector y, s;
    double rho;
  };
  class Evaluation;
  class Search;

  void iterate(Evaluation& at);
  void find_direction(const Vector& gradient);

  LBFGSOptions options_;
  std::size_t size_;
  std::int64_t iterations_ = 0, evaluations_ = 0;
  double length_ = 0, scale_ = 1, last_loss_ = 0;
  Vector direction_, last_gradient_;
  std::deque<Pair> history_;
};

extern template class LBFGS<float>;
extern template class LBFGS<double>;

}  // namespace xgrad::optim
