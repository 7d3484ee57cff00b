// RMSprop.
#include <xgrad/optim/rmsprop.hpp>

#include <xgrad/optim/formulas.hpp>

namespace xgrad::optim {

template <Real T>
RMSprop<T>::RMSprop(std::vector<Tensor<T>> parameters, RMSpropOptions options)
    : Optimizer<T>("RMSprop", std::move(parameters), options.lr), options_(options) {
  detail::check_option("RMSprop", "alpha", options.alpha, 0, 1);
  detail::check_option("RMSprop", "eps", options.eps);
  detail::check_option("RMSprop", "weight_decay", options.weight_decay);
  detail::check_option("RMSprop", "momentum", options.momentum);
  this->add_buffers("square_avg");
  if (options.centered) this->add_buffers("grad_avg");
  if (options.momentum > 0) this->add_buffers("momentum_buffer");
}

template <Real T>
void RMSprop<T>::step() {
  const auto& o = options_;
  const auto formula = choose([](auto... b) { return in_place<formulas::RMSpropUpdate<b...>, T>(); },
                              o.centered, o.momentum > 0, o.weight_decay > 0);
  const std::array numbers{this->lr(), o.alpha, 1 - o.alpha, o.eps, o.weight_decay, o.momentum, 0.0};
  this->update(
      formula, [&](std::int64_t) -> const auto& { return numbers; });
}

#define XGRAD_INSTANTIATE(T) template class RMSprop<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
