// The untyped handle: making, copying, attaching to nodes.
#include <xgrad/autograd/array/any_tensor.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <xgrad/autograd/tape/elementwise.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/tape/node.hpp>

namespace xgrad {

void AnyTensor::retain(Node* node) noexcept { node->retain(); }

void AnyTensor::release(Node* node) noexcept { node->release(); }

AnyTensor AnyTensor::full(const Shape& shape, DType dtype, double value) {
  AnyTensor result = empty(shape, dtype);
  const auto fill = [n = shape.elements(), value]<Real T>(T* to) {
    launch([=] { std::fill_n(to, n, static_cast<T>(value)); });
  };
  std::byte* const to = result.mutable_bytes();
  dtype == DType::float32 ? fill(reinterpret_cast<float*>(to)) : fill(reinterpret_cast<double*>(to));
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

bool AnyTensor::requires_grad() const { return needs_gradient(*this); }

bool AnyTensor::is_leaf() const { return !node_ || node_->is_leaf(); }

void add_into(AnyTensor& into, const AnyTensor& from) {
  using namespace kernels;
  const std::array<LoopInput, 2> in{{{into.bytes(), 1, {}}, {from.bytes(), 1, {}}}};
  const LoopOutput out{into.mutable_bytes(), 1, false, {}};
  const Loop loop{.inner = into.elements(),
                  .outer_rank = 0,
                  .padded = into.owns_tail(),
                  .outer = {},
                  .inputs = in.data(),
                  .outputs = &out,
                  .constants = nullptr};
  primitive(Opcode::add).run_forward(into.dtype(), loop);
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
