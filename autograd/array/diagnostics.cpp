// Looking for NaN and infinity in results.
#include <xgrad/autograd/array/diagnostics.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::detail {

void check_finite(std::string_view op, const AnyTensor& value, Location at, bool in_backward) {
  dispatch(value.dtype(), [&]<Real T>() {
    const T* const elements = reinterpret_cast<const T*>(value.bytes());
    const std::int64_t at_element = kernels::on(value.device()).of<T>().find_nonfinite(elements, value.elements());
    if (at_element < value.elements())
      throw NonFiniteError(fmt::format("anomaly: {} of '{}' holds {} at element {} of shape {}{}",
                                       in_backward ? "a gradient" : "the result", op,
                                       static_cast<double>(elements[at_element]), at_element,
                                       to_string(value.shape()), describe(at)));
  });
}

}  // namespace xgrad::detail
