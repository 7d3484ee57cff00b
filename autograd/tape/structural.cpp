// The struct ops that formulas themselves need: broadcasting, its adjoint, and column blocks.
#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/formula/info.hpp>
#include <xgrad/autograd/formula/loop_plan.hpp>
#include <xgrad/autograd/tape/op.hpp>

namespace xgrad::detail {

namespace {

// Which of a tensor's column blocks; all of it where there is one.
struct Columns {
  int block = 0, blocks = 1;
};

// Copies columns of `from`, broadcast over `shape`, to columns of `into`.
void copy_to(AnyTensor& into, Columns to, const AnyTensor& from, Columns of, const Shape& shape) {
  LoopPlan plan(shape, nullptr);
  plan.input(0, from, of.block, of.blocks);
  plan.output(0, into, to.block, to.blocks, false, to.blocks == 1);
  primitive(Opcode::identity).run_forward(from.dtype(), plan.finish());
}

// Adds to `into` the sums of `from` over the axes that broadcasting gave it. The adjoint loop is the one that
// can sum; the identity's adjoint reads the gradient, its third leaf.
void sum_into(AnyTensor& into, const AnyTensor& from) {
  LoopPlan plan(from.shape(), nullptr);
  plan.number(0, from.bytes());
  plan.number(1, from.bytes());
  plan.input(2, from);
  plan.output(0, into, 0, 1, true, true);
  primitive(Opcode::identity).run_backward(from.dtype(), plan.finish());
}

template <Real T>
struct SumTo {
  static constexpr std::string_view name = "sum_to";
  Shape shape;
  Tensor<T> forward(const Tensor<T>& x) const {
    AnyTensor result = AnyTensor::zeros(shape, dtype_of<T>);
    sum_into(result, x);
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
    copy_to(result, {}, x, {}, shape);
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
    copy_to(result, {}, x, {block, blocks}, shape);
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
    copy_to(result, {block, blocks}, x, {}, x.shape());
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
