// The struct ops that formulas themselves need: broadcasting, its adjoint, and column blocks.
#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/formula/info.hpp>
#include <xgrad/autograd/formula/loop_plan.hpp>
#include <xgrad/autograd/tape/op.hpp>

namespace xgrad::detail {

namespace {

// into = from (broadcast), or into += from summed: one identity loop does both.
void run_identity(const AnyTensor& from, AnyTensor& into, const Shape& loop_shape, bool sum) {
  LoopPlan plan(loop_shape, nullptr);
  plan.input(0, from);
  plan.output(0, into, 0, 1, sum, true);
  const FormulaInfo& identity = primitive(Opcode::identity);
  // The adjoint loop is the one that can sum; the identity's adjoint reads the gradient, its third leaf.
  if (!sum) return identity.run_forward(from.dtype(), plan.finish());
  LoopPlan adjoint(loop_shape, nullptr);
  adjoint.number(0, from.bytes());
  adjoint.number(1, from.bytes());
  adjoint.input(2, from);
  adjoint.output(0, into, 0, 1, true, true);
  identity.run_backward(from.dtype(), adjoint.finish());
}

template <Real T>
struct SumTo {
  static constexpr std::string_view name = "sum_to";
  Shape shape;
  Tensor<T> forward(const Tensor<T>& x) const {
    AnyTensor result = AnyTensor::zeros(shape, dtype_of<T>);
    run_identity(x, result, x.shape(), true);
    return Tensor<T>(std::move(result));
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    return {Tensor<T>(broadcast_to(g, saved.shape(0)))};
  }
};

template <Real T>
struct BroadcastTo {
  static constexpr std::string_view name = "broadcast_to";
  Shape shape;
  Tensor<T> forward(const Tensor<T>& x) const {
    AnyTensor result = AnyTensor::empty(shape, dtype_of<T>);
    run_identity(x, result, shape, false);
    return Tensor<T>(std::move(result));
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    return {Tensor<T>(sum_to(g, saved.shape(0)))};
  }
};

template <Real T>
struct ColumnBlock {
  static constexpr std::string_view name = "column_block";
  int block, blocks;
  Tensor<T> forward(const Tensor<T>& x) const {
    Shape shape = x.shape();
    shape.set(shape.rank() - 1, shape.back() / blocks);
    AnyTensor result = AnyTensor::empty(shape, dtype_of<T>);
    LoopPlan plan(shape, nullptr);
    plan.input(0, x, block, blocks);
    plan.output(0, result, 0, 1, false, true);
    primitive(Opcode::identity).run_forward(dtype_of<T>, plan.finish());
    return Tensor<T>(std::move(result));
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    return {Tensor<T>(from_column_block(g, block, blocks, Location::current()))};
  }
};

template <Real T>
struct FromColumnBlock {
  static constexpr std::string_view name = "from_column_block";
  int block, blocks;
  Tensor<T> forward(const Tensor<T>& x) const {
    Shape shape = x.shape();
    shape.set(shape.rank() - 1, shape.back() * blocks);
    AnyTensor result = AnyTensor::zeros(shape, dtype_of<T>);
    LoopPlan plan(x.shape(), nullptr);
    plan.input(0, x);
    plan.output(0, result, block, blocks, false, false);
    primitive(Opcode::identity).run_forward(dtype_of<T>, plan.finish());
    return Tensor<T>(std::move(result));
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    return {Tensor<T>(column_block(g, block, blocks, Location::current()))};
  }
};

// Applies the op that `make` gives for the tensor's element type.
AnyTensor apply_to(const AnyTensor& x, Location at, auto make) {
  return dispatch(x.dtype(), [&]<Real T>() -> AnyTensor {
    return apply(make.template operator()<T>(), at, Tensor<T>(x));
  });
}

}  // namespace

AnyTensor broadcast_to(const AnyTensor& tensor, const Shape& shape, Location at) {
  require_defined("broadcast_to", tensor);
  if (tensor.shape() == shape) return tensor;
  if (!broadcasts_to(tensor.shape(), shape))
    throw ShapeError(fmt::format(
        "broadcast_to: {} does not broadcast to {}; each extent, from the right, must be equal or 1",
        to_string(tensor.shape()), to_string(shape)));
  return apply_to(tensor, at, [&]<Real T> { return BroadcastTo<T>{shape}; });
}

AnyTensor sum_to(const AnyTensor& tensor, const Shape& shape, Location at) {
  require_defined("sum_to", tensor);
  return tensor.shape() == shape ? tensor : apply_to(tensor, at, [&]<Real T> { return SumTo<T>{shape}; });
}

AnyTensor column_block(const AnyTensor& tensor, int block, int blocks, Location at) {
  return apply_to(tensor, at, [&]<Real T> { return ColumnBlock<T>{block, blocks}; });
}

AnyTensor from_column_block(const AnyTensor& part, int block, int blocks, Location at) {
  return apply_to(part, at, [&]<Real T> { return FromColumnBlock<T>{block, blocks}; });
}

}  // namespace xgrad::detail
