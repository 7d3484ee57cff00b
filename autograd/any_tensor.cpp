// The untyped handle: making, copying, attaching to nodes.
#include "autograd/any_tensor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "autograd/elementwise.hpp"
#include "autograd/error.hpp"
#include "autograd/node.hpp"

namespace xgrad {

void AnyTensor::retain(Node* node) noexcept { node->retain(); }

void AnyTensor::release(Node* node) noexcept { node->release(); }

AnyTensor AnyTensor::full(const Shape& shape, DType dtype, double value) {
  AnyTensor result = empty(shape, dtype);
  if (dtype == DType::float32)
    std::fill_n(reinterpret_cast<float*>(result.mutable_bytes()), shape.elements(),
                static_cast<float>(value));
  else
    std::fill_n(reinterpret_cast<double*>(result.mutable_bytes()), shape.elements(), value);
  return result;
}

AnyTensor AnyTensor::zeros(const Shape& shape, DType dtype) {
  AnyTensor result = empty(shape, dtype);
  std::memset(result.mutable_bytes(), 0, static_cast<std::size_t>(shape.elements()) * size_of(dtype));
  return result;
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
  std::copy_n(tensor.bytes(), tensor.elements() * static_cast<std::int64_t>(size_of(tensor.dtype())),
              result.mutable_bytes());
  return result;
}

void detail::undefined_tensor(std::string_view function) {
  throw ValueError(
      fmt::format("{}: the tensor is undefined (default constructed, or a gradient before any backward); "
                  "give it a value first",
                  function));
}

}  // namespace xgrad
