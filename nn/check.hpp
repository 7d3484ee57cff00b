// Whether a module names all that a loss trains.
#pragma once

#include <string>
#include <vector>

#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

namespace detail {
std::vector<std::string> check(const Visitor& visitor, const AnyTensor& loss);
}

/// For a module with constructors, whose `visit` may leave out a member: throws GraphError that lists the
/// leaves on which `loss`, computed and not yet gone backward, depends and which no name of the module
/// reaches: no optimizer would train them, and no file hold them. Returns the names of the parameters on
/// which it does not depend.
template <Module M, Real T>
std::vector<std::string> check(const M& m, const Tensor<T>& loss) {
  return detail::check(detail::described(m), loss);
}

}  // namespace xgrad::nn
