// Stochastic gradient descent.
#include <xgrad/optim/sgd.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/optim/formulas.hpp>

namespace xgrad::optim {

template <Real T>
SGD<T>::SGD(std::vector<Tensor<T>> parameters, SGDOptions options)
    : Optimizer<T>("SGD", std::move(parameters), options.lr), options_(options) {
  detail::check_option("SGD", "momentum", options.momentum);
  detail::check_option("SGD", "dampening", options.dampening);
  detail::check_option("SGD", "weight_decay", options.weight_decay);
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0))
    throw ValueError("SGD: nesterov needs a momentum above 0 and no dampening");
  if (options.momentum != 0) this->add_buffers("momentum_buffer");
}

template <Real T>
void SGD<T>::step() {
  const double lr = this->lr(), decay = options_.weight_decay, momentum = options_.momentum;
  const std::array plain{lr, decay};
  if (momentum == 0)
    return this->update(
        choose([](auto decays) { return in_place<formulas::SGDUpdate<decays>, T>(); }, decay > 0),
        [&](std::int64_t) -> const auto& { return plain; });
  const std::array first{lr, decay, momentum, 0.0, 1.0},
      later{lr, decay, momentum, momentum, 1 - options_.dampening};
  this->update(
      choose([](auto... b) { return in_place<formulas::MomentumUpdate<b...>, T>(); }, options_.nesterov,
             decay > 0),
      [&](std::int64_t t) -> const auto& { return t == 1 ? first : later; });
}

#define XGRAD_INSTANTIATE(T) template class SGD<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
