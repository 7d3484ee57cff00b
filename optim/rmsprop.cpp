// RMSprop.
#include <xgrad/optim/rmsprop.hpp>

#include <xgrad/autograd/kernels/optimizer.hpp>

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
  this->each([&](std::int64_t n, T* p, const T* g, std::int64_t, std::size_t k) {
    T* mean = o.centered ? this->buffer(1, k) : nullptr;
    T* momentum = o.momentum > 0 ? this->buffer(o.centered ? 2 : 1, k) : nullptr;
    kernels::update_loops<T>().rmsprop(n, p, g, this->buffer(0, k), mean, momentum,
                                       {this->lr(), o.alpha, o.eps, o.weight_decay, o.momentum});
  });
}

template class RMSprop<float>;
template class RMSprop<double>;

}  // namespace xgrad::optim
