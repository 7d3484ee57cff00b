// Stochastic gradient descent.
#include <xgrad/optim/sgd.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/optimizer.hpp>

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
  const auto& o = options_;
  this->each([&](std::int64_t n, T* p, const T* g, std::int64_t t, std::size_t k) {
    kernels::update_loops<T>().sgd(n, p, g, this->buffer(0, k),
                                   {this->lr(), o.momentum, o.dampening, o.weight_decay, o.nesterov, t == 1});
  });
}

template class SGD<float>;
template class SGD<double>;

}  // namespace xgrad::optim
