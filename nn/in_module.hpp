// Errors that say in which module they came up.
#pragma once

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/error.hpp>

namespace xgrad::nn::detail {

/// Adds the path of the module that `parameter` belongs to, "decoder.out": known once the whole module was
/// asked for its parameters, as an optimizer's are. Without memory for that the error stays as it is.
void name_module(Error& error, const AnyTensor& parameter) noexcept;

/// f(), the call of a module that has this parameter, which may be undefined.
template <class F>
decltype(auto) in_module(const AnyTensor& parameter, F f) {
  try {
    return f();
  } catch (Error& error) {
    name_module(error, parameter);
    throw;
  }
}

}  // namespace xgrad::nn::detail
