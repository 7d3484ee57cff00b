// Adam and AdamW.
#include <xgrad/optim/adam.hpp>

#include <cmath>

#include <xgrad/optim/formulas.hpp>

namespace xgrad::optim {

template <Real T>
Adam<T>::Adam(const char* name, std::vector<Tensor<T>> parameters, AdamOptions options, bool decoupled)
    : Optimizer<T>(name, std::move(parameters), options.lr), options_(options), decoupled_(decoupled) {
  detail::check_option(name, "betas[0]", options.betas[0], 0, 1);
  detail::check_option(name, "betas[1]", options.betas[1], 0, 1);
  detail::check_option(name, "eps", options.eps);
  detail::check_option(name, "weight_decay", options.weight_decay);
  this->add_buffers("exp_avg");
  this->add_buffers("exp_avg_sq");
  if (options.amsgrad) this->add_buffers("max_exp_avg_sq");
}

template <Real T>
void Adam<T>::step() {
  const AdamOptions& o = options_;
  const double lr = this->lr();
  std::array numbers{0.0,
                     0.0,
                     o.betas[0],
                     1 - o.betas[0],
                     o.betas[1],
                     1 - o.betas[1],
                     decoupled_ ? 0 : o.weight_decay,
                     decoupled_ ? 1 - lr * o.weight_decay : 1};
  std::int64_t corrected = 0;  // the step count that the first two are for, which is nearly always the same
  this->update(
      choose([](auto... b) { return in_place<formulas::AdamUpdate<b...>, T>(); }, o.amsgrad,
             !decoupled_ && o.weight_decay > 0),
      [&](std::int64_t t) -> const auto& {
        if (t != corrected) {
          const double root = std::sqrt(1 - std::pow(o.betas[1], static_cast<double>(t)));
          numbers[0] = lr * root / (1 - std::pow(o.betas[0], static_cast<double>(t)));
          numbers[1] = o.eps * root;
          corrected = t;
        }
        return numbers;
      });
}

#define XGRAD_INSTANTIATE(T) template class Adam<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
