// Adam and AdamW.
#include <xgrad/optim/adam.hpp>

#include <cmath>

#include <xgrad/autograd/kernels/optimizer.hpp>

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
  kernels::AdamUpdate update{.beta1 = o.betas[0],
                             .beta2 = o.betas[1],
                             .eps = o.eps,
                             .step_size = 0,
                             .root_correction = 0,
                             .weight_decay = decoupled_ ? 0 : o.weight_decay,
                             .shrink = decoupled_ ? 1 - this->lr() * o.weight_decay : 1};
  std::int64_t corrected =
      0;  // the step count that `update` is made for: nearly always that of all parameters
  this->each([&](std::int64_t n, T* p, const T* g, std::int64_t t, std::size_t k) {
    if (t != corrected) {
      update.step_size = this->lr() / (1 - std::pow(o.betas[0], static_cast<double>(t)));
      update.root_correction = std::sqrt(1 - std::pow(o.betas[1], static_cast<double>(t)));
      corrected = t;
    }
    kernels::update_loops<T>().adam(n, p, g, this->buffer(0, k), this->buffer(1, k), this->buffer(2, k),
                                    update);
  });
}

template class Adam<float>;
template class Adam<double>;

}  // namespace xgrad::optim
