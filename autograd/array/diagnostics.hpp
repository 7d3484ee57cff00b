// Looking for NaN and infinity in results.
#pragma once

#include <string_view>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/location.hpp>

namespace xgrad::detail {

/// Throws NonFiniteError that names the op where `value` holds a NaN or infinity.
void check_finite(std::string_view op, const AnyTensor& value, Location at, bool in_backward);

}  // namespace xgrad::detail
