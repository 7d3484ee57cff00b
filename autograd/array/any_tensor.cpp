// The untyped handle: making, filling and copying.
#include <xgrad/autograd/array/any_tensor.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/rows.hpp>

namespace xgrad {

AnyTensor AnyTensor::full(const Shape& shape, DType dtype, double value) {
  AnyTensor result = empty(shape, dtype);
  dispatch(dtype, [&]<Real T>() {
    launch([to = reinterpret_cast<T*>(result.mutable_bytes()), n = shape.elements(), value] {
      std::fill_n(to, n, static_cast<T>(value));
    });
  });
  return result;
}

AnyTensor AnyTensor::zeros(const Shape& shape, DType dtype) {
  AnyTensor result = empty(shape, dtype);
  result.fill_zero();
  return result;
}

void AnyTensor::fill_zero() {
  launch([to = mutable_bytes(), n = size_in_bytes()] { std::memset(to, 0, n); });
}

void add_into(AnyTensor& into, const AnyTensor& from) {
  dispatch(into.dtype(), [&]<Real T>() {
    launch([n = into.elements(), x = reinterpret_cast<const T*>(from.bytes()),
            to = reinterpret_cast<T*>(into.mutable_bytes())] { kernels::add(n, x, to); });
  });
}

AnyTensor copy_of(const AnyTensor& tensor) {
  detail::require_defined("copy_of", tensor);
  AnyTensor result = AnyTensor::empty(tensor.shape(), tensor.dtype());
  copy_into(result, tensor);
  return result;
}

void copy_into(AnyTensor& into, const AnyTensor& from) {
  launch([to = into.mutable_bytes(), from = from.bytes(), n = from.size_in_bytes()] {
    std::memcpy(to, from, n);
  });
}

void detail::undefined_tensor(std::string_view function) {
  throw ValueError(
      fmt::format("{}: the tensor is undefined (default constructed, or a gradient before any backward); "
                  "give it a value first",
                  function));
}

}  // namespace xgrad
