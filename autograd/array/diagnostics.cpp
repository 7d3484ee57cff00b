// Looking for NaN and infinity in results.
#include <xgrad/autograd/array/diagnostics.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad {

void check_finite(std::string_view op, const AnyTensor& value, Location at, bool in_backward) {
  dispatch(value.dtype(), [&]<Real T>() {
    const std::span elements(reinterpret_cast<const T*>(value.bytes()),
                             static_cast<std::size_t>(value.elements()));
    const auto bad = std::ranges::find_if(elements, [](T x) { return !std::isfinite(x); });
    if (bad != elements.end())
      throw NonFiniteError(fmt::format("anomaly: {} of '{}' holds {} at element {} of shape {}{}",
                                       in_backward ? "a gradient" : "the result", op,
                                       static_cast<double>(*bad), bad - elements.begin(),
                                       to_string(value.shape()), describe(at)));
  });
}

}  // namespace xgrad
