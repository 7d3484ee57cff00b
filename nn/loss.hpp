// Losses as modules, for code that holds one in a variable. The functions in <xgrad/ops/loss.hpp> do the
// work.
#pragma once

#include <xgrad/ops/loss.hpp>

namespace xgrad::nn {

/// cross_entropy of logits (…, classes) and targets (…).
struct CrossEntropyLoss {
  ClassLossOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& logits, const Indices& targets,
                       Location at = Location::current()) const {
    return cross_entropy(logits, targets, options, at);
  }
  void visit(auto&&) {}
};

/// nll_loss of log-probabilities (…, classes) and targets (…).
struct NLLLoss {
  ClassLossOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& log_probabilities, const Indices& targets,
                       Location at = Location::current()) const {
    return nll_loss(log_probabilities, targets, options, at);
  }
  void visit(auto&&) {}
};

/// mse_loss
struct MSELoss {
  Reduction reduction = Reduction::mean;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return mse_loss(input, target, reduction, at);
  }
  void visit(auto&&) {}
};

/// l1_loss
struct L1Loss {
  Reduction reduction = Reduction::mean;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return l1_loss(input, target, reduction, at);
  }
  void visit(auto&&) {}
};

/// binary_cross_entropy_with_logits
struct BCEWithLogitsLoss {
  Reduction reduction = Reduction::mean;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return binary_cross_entropy_with_logits(input, target, reduction, at);
  }
  void visit(auto&&) {}
};

}  // namespace xgrad::nn
