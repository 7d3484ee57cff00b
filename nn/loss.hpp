// Losses as modules, for code that holds one in a variable. The functions in <xgrad/ops/loss.hpp> do the
// work, and say what the options are.
#pragma once

#include <xgrad/ops/distance.hpp>
#include <xgrad/ops/loss.hpp>

namespace xgrad::nn {

/// cross_entropy of logits (…, classes) and targets (…), or probabilities (…, classes).
struct CrossEntropyLoss {
  ClassLossOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& logits, const Indices& targets,
                       Location at = Location::current()) const {
    return cross_entropy(logits, targets, options, at);
  }
  template <Real T, std::same_as<Tensor<T>> Probabilities>
  Tensor<T> operator()(const Tensor<T>& logits, const Probabilities& probabilities,
                       Location at = Location::current()) const {
    return cross_entropy(logits, probabilities, options, at);
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

/// smooth_l1_loss
struct SmoothL1Loss {
  Reduction reduction = Reduction::mean;
  double beta = 1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return smooth_l1_loss(input, target, reduction, beta, at);
  }
  void visit(auto&&) {}
};

/// huber_loss
struct HuberLoss {
  Reduction reduction = Reduction::mean;
  double delta = 1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return huber_loss(input, target, reduction, delta, at);
  }
  void visit(auto&&) {}
};

/// binary_cross_entropy
struct BCELoss {
  BinaryLossOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return binary_cross_entropy(input, target, options, at);
  }
  void visit(auto&&) {}
};

/// binary_cross_entropy_with_logits
struct BCEWithLogitsLoss {
  BinaryLossOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return binary_cross_entropy_with_logits(input, target, options, at);
  }
  void visit(auto&&) {}
};

/// kl_div
struct KLDivLoss {
  KLDivOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return kl_div(input, target, options, at);
  }
  void visit(auto&&) {}
};

/// poisson_nll_loss
struct PoissonNLLLoss {
  PoissonLossOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return poisson_nll_loss(input, target, options, at);
  }
  void visit(auto&&) {}
};

/// gaussian_nll_loss
struct GaussianNLLLoss {
  GaussianLossOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target, const Tensor<T>& variance,
                       Location at = Location::current()) const {
    return gaussian_nll_loss(input, target, variance, options, at);
  }
  void visit(auto&&) {}
};

/// hinge_embedding_loss
struct HingeEmbeddingLoss {
  double margin = 1;
  Reduction reduction = Reduction::mean;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return hinge_embedding_loss(input, target, margin, reduction, at);
  }
  void visit(auto&&) {}
};

/// soft_margin_loss
struct SoftMarginLoss {
  Reduction reduction = Reduction::mean;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& input, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return soft_margin_loss(input, target, reduction, at);
  }
  void visit(auto&&) {}
};

/// margin_ranking_loss
struct MarginRankingLoss {
  double margin = 0;
  Reduction reduction = Reduction::mean;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& first, const Tensor<T>& second, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return margin_ranking_loss(first, second, target, margin, reduction, at);
  }
  void visit(auto&&) {}
};

/// cosine_embedding_loss
struct CosineEmbeddingLoss {
  double margin = 0;
  Reduction reduction = Reduction::mean;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& first, const Tensor<T>& second, const Tensor<T>& target,
                       Location at = Location::current()) const {
    return cosine_embedding_loss(first, second, target, margin, reduction, at);
  }
  void visit(auto&&) {}
};

/// triplet_margin_loss
struct TripletMarginLoss {
  TripletLossOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& anchor, const Tensor<T>& positive, const Tensor<T>& negative,
                       Location at = Location::current()) const {
    return triplet_margin_loss(anchor, positive, negative, options, at);
  }
  void visit(auto&&) {}
};

/// ctc_loss
struct CTCLoss {
  CTCLossOptions options = {};
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& log_probabilities, const Indices& targets,
                       const Indices& input_lengths, const Indices& target_lengths,
                       Location at = Location::current()) const {
    return ctc_loss(log_probabilities, targets, input_lengths, target_lengths, options, at);
  }
  void visit(auto&&) {}
};

/// pairwise_distance
struct PairwiseDistance {
  double p = 2;
  double eps = 1e-6;
  bool keepdims = false;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& first, const Tensor<T>& second,
                       Location at = Location::current()) const {
    return pairwise_distance(first, second, p, eps, keepdims, at);
  }
  void visit(auto&&) {}
};

}  // namespace xgrad::nn
