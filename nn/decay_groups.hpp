// The parameters of a module that weight decay is for, and the others.
#pragma once

#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// A module's parameters in two lists.
template <Real T>
struct DecayGroups {
  using plain_data = void;
  std::vector<Tensor<T>> decay, no_decay;
};

namespace detail {
// For each of parameters(visitor), whether it decays.
std::vector<bool> decays(const Visitor& visitor);
}  // namespace detail

/// Biases, the parameters of modules that are called …Norm…, and all with fewer than two axes do not decay;
/// each list is in declared order.
///
///   auto [decay, no_decay] = nn::decay_groups(net);
///   optim::AdamW opt(decay, {.weight_decay = 0.1});
///   opt.add_group(no_decay, {.weight_decay = 0});
template <class T = void, class M>
DecayGroups<detail::Element<T, M>> decay_groups(const M& m) {
  const std::vector<bool> decays = detail::decays(detail::described(m));
  const auto all = parameters<T>(m);
  DecayGroups<detail::Element<T, M>> result;
  for (std::size_t k = 0; k < all.size(); ++k) (decays[k] ? result.decay : result.no_decay).push_back(all[k]);
  return result;
}

}  // namespace xgrad::nn
