// The untyped handle: making, filling and copying.
#include <xgrad/autograd/array/any_tensor.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad {

AnyTensor AnyTensor::full(const Shape& shape, DType dtype, double value) {
  AnyTensor result = empty(shape, dtype);
  dispatch(dtype, [&]<Real T>() {
    launch(kernels::on(result.device()).of<T>().fill, static_cast<T>(value), writes<T>(result),
           result.elements());
  });
  return result;
}

AnyTensor AnyTensor::zeros(const Shape& shape, DType dtype) {
  AnyTensor result = empty(shape, dtype);
  result.fill_zero();
  return result;
}

void AnyTensor::fill_zero() { launch(kernels::on(device()).zero, writes_bytes(*this), size_in_bytes()); }

void detail::add_into(AnyTensor& into, const AnyTensor& from) {
  dispatch(into.dtype(), [&]<Real T>() {
    launch(kernels::on(into.device()).of<T>().add, into.elements(), reads<T>(from), writes<T>(into));
  });
}

AnyTensor detail::copy_of(const AnyTensor& tensor) {
  detail::require_defined("copy_of", tensor);
  AnyTensor result = AnyTensor::empty(tensor.shape(), tensor.dtype());
  copy_into(result, tensor);
  return result;
}

void detail::copy_into(AnyTensor& into, const AnyTensor& from) {
  launch(kernels::on(into.device()).copy, reads_bytes(from), writes_bytes(into), from.size_in_bytes());
}

void detail::undefined_tensor(std::string_view function) {
  throw ValueError(
      fmt::format("{}: the tensor is undefined (default constructed, or a gradient before any backward); "
                  "give it a value first",
                  function));
}

}  // namespace xgrad
