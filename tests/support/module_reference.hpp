// Modules held against PyTorch's: state dict, results, gradients and buffers of a case of
// modules.safetensors.
#pragma once

#include <string>

#include <xgrad/nn/module.hpp>
#include <xgrad/nn/safetensors.hpp>
#include <xgrad/ops/integer.hpp>
#include <xgrad/ops/reduce.hpp>
#include "near.hpp"
#include "tensors.hpp"

namespace xgrad::testing {

/// What tests/reference/families/modules.py writes.
class ModuleReference {
 public:
  ModuleReference()
      : tensors_(nn::load_safetensors(XGRAD_SOURCE_DIR "/tests/reference/modules.safetensors").tensors) {}

  /// Loads the state by name and compares a call, `call(module, x, masks)`: one line for each thing that is
  /// off.
  template <class M, class F>
  std::string check(const std::string& name, M& module, F call, double limit = 1e-9) const {
    const std::string prefix = name + "/";
    nn::load_state_dict(module, under(prefix + "state/"));
    auto x = numbered(prefix + "x");
    const auto masks = numbered(prefix + "mask");
    for (Tensor<double>& input : x) input.set_requires_grad();
    std::string wrong;
    const Tensor<double> y = call(static_cast<const M&>(module), x, masks);
    compare(wrong, "y", y, *find(prefix + "y"), limit);
    if (!wrong.empty()) return wrong;
    sum(y * Tensor<double>(*find(prefix + "v"))).backward();
    for (std::size_t k = 0; k < x.size(); ++k)
      compare(wrong, "gx" + std::to_string(k), x[k].grad(), *find(prefix + "gx" + std::to_string(k)), limit);
    for (const auto& [key, p] : nn::named_parameters<double>(module))
      compare(wrong, "grad/" + key, p.grad(), *find(prefix + "grad/" + key), limit);
    const nn::StateDict state = nn::state_dict(module);
    for (const auto& [key, wanted] : under(prefix + "after/"))
      compare(wrong, key + " after", Tensor<double>(*state.find(key)), wanted, limit);
    return wrong;
  }
  /// The same for a module that is called with one tensor.
  template <class M>
  std::string check(const std::string& name, M&& module) const {
    return check(name, module, [](const auto& m, const auto& x, const auto&) { return m(x[0]); });
  }

 private:
  const AnyTensor* find(const std::string& key) const {
    const AnyTensor* found = tensors_.find(key);
    if (!found) throw ValueError("modules.safetensors has no " + key);
    return found;
  }
  nn::StateDict under(const std::string& prefix) const {
    nn::StateDict result;
    for (const auto& [key, tensor] : tensors_)
      if (key.starts_with(prefix)) result.push_back({key.substr(prefix.size()), tensor});
    return result;
  }
  std::vector<Tensor<double>> numbered(const std::string& prefix) const {
    std::vector<Tensor<double>> result;
    while (const AnyTensor* x = tensors_.find(prefix + std::to_string(result.size())))
      result.push_back(Tensor<double>(*x).clone());
    return result;
  }
  static void compare(std::string& wrong, const std::string& what, const Tensor<double>& got,
                      const AnyTensor& wanted, double limit) {
    const Tensor<double> want =
        wanted.dtype() == DType::int64 ? to_tensor<double>(Indices(wanted)) : Tensor<double>(wanted);
    if (!got.defined()) {
      wrong += what + " is undefined\n";
      return;
    }
    if (const std::string line = off(got, want.shape(), list(want), limit); !line.empty())
      wrong += what + ": " + line + "\n";
  }

  nn::StateDict tensors_;
};

}  // namespace xgrad::testing
