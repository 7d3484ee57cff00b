// Averages of parameters over the steps of a training, which are often better than the last ones.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <xgrad/autograd/tape/tensor.hpp>
#include <xgrad/optim/any_optimizer.hpp>

namespace xgrad::optim {

/// A copy of parameters that follows them (torch.optim.swa_utils.AveragedModel): each update() moves it
/// towards them. Buffers of a model are not averaged; those of normalisation fit the average after some
/// batches in train mode (PyTorch's update_bn).
template <Real T>
class AveragedParameters {
 public:
  /// The averages of now stand in the place of the parameters as long as this lives.
  class Applied {
   public:
    explicit Applied(AveragedParameters& of) : of_(of) { of_.swap(); }
    Applied(const Applied&) = delete;
    Applied& operator=(const Applied&) = delete;
    ~Applied() { of_.swap(); }

   private:
    AveragedParameters& of_;
  };

  /// Moves the averages towards the parameters; the first time they become these.
  void update();

  std::int64_t n_averaged() const { return count_; }
  /// In the order of the parameters.
  const std::vector<Tensor<T>>& averages() const { return averages_; }

  /// Exchanges the values of parameters and averages: once to evaluate, and again to train on.
  void swap();
  /// The same for a scope: `auto average = ema.apply();`
  Applied apply() { return Applied(*this); }

  /// The averages and their count. Loading throws FormatError, having changed nothing, where names, types or
  /// shapes differ.
  std::vector<NamedState> state() const;
  void check_state(const std::vector<NamedState>& state) const;
  void load_state(const std::vector<NamedState>& state);

 protected:
  /// `weight(n)` is what the parameters weigh in an average of n before. Throws ValueError for an undefined
  /// parameter and for one that is given twice.
  AveragedParameters(const char* name, std::vector<Tensor<T>> parameters,
                     std::function<double(std::int64_t)> weight);
  ~AveragedParameters() = default;

 private:
  const char* name_;
  std::vector<Tensor<T>> parameters_, averages_;
  std::function<double(std::int64_t)> weight_;
  std::int64_t count_ = 0;
};

/// Options of ExponentialMovingAverage.
struct AverageOptions {
  double decay = 0.999;  ///< in [0, 1]
};

/// average = decay * average + (1 - decay) * parameter (PyTorch's get_ema_multi_avg_fn).
template <Real T>
class ExponentialMovingAverage : public AveragedParameters<T> {
 public:
  /// Throws ValueError for a decay outside [0, 1].
  explicit ExponentialMovingAverage(std::vector<Tensor<T>> parameters, AverageOptions options = {});
};

/// The mean of all parameters that update() saw (Izmailov et al. 2018; PyTorch's get_swa_avg_fn).
template <Real T>
class StochasticWeightAverage : public AveragedParameters<T> {
 public:
  explicit StochasticWeightAverage(std::vector<Tensor<T>> parameters);
};

extern template class AveragedParameters<float>;
extern template class AveragedParameters<double>;

}  // namespace xgrad::optim
