// Ops that are no formula: a struct with `forward` and `vjp`.
//
//   template <Real T>
//   struct Reverse {                                    // y[i] = x[n - 1 - i]
//     static constexpr std::string_view name = "reverse";
//     Tensor<T> forward(const Tensor<T>& x) const;      // plain computation: nothing is recorded here
//     Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {reverse(g)}; }  // in ops
//   };
//   template <Real T>
//   Tensor<T> reverse(const Tensor<T>& x, Location at = Location::current()) {
//     return apply(Reverse<T>{}, at, x);
//   }
//
// `forward` may take a `Saver<T>&` first, to keep inputs, results or other tensors for `vjp`. It may return a
// std::vector of tensors; `vjp` then takes a std::span of gradients, undefined where none came.
//
// An op that is often used on small arrays may also have
//   bool backward(const Saved<T>&, std::span<GradientSlot> gradients, GradientSink& sink) const;
// which hands the gradients of the inputs to the sink itself, and returns false where it leaves that to
// `vjp`, having done nothing. It is not asked under create_graph.
#pragma once

#include <array>
#include <span>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/tape/op_node.hpp>
#include <xgrad/autograd/tape/structural.hpp>

namespace xgrad {

/// Computes `op.forward(inputs...)` and records the op when an input needs gradients.
template <class Op, Real T, std::same_as<Tensor<T>>... Rest>
auto apply(Op op, Location at, const Tensor<T>& first, const Rest&... rest) {
  const std::array<const AnyTensor*, 1 + sizeof...(Rest)> inputs{&first, &rest...};
  return detail::apply_to<T>(std::move(op), at, inputs, first, rest...);
}

/// The same for an op over any number of inputs: `op.forward(std::span<const Tensor<T>>)`.
template <class Op, Real T>
auto apply(Op op, Location at, std::span<const Tensor<T>> list) {
  detail::PoolVector<const AnyTensor*> inputs;
  inputs.reserve(list.size());
  for (const Tensor<T>& x : list) inputs.push_back(&x);
  return detail::apply_to<T>(std::move(op), at, std::span<const AnyTensor* const>(inputs), list);
}

/// Indices have no gradient: the op is computed, and nothing recorded.
template <class Op>
auto apply(const Op& op, Location, const Indices& x) {
  const detail::ProfiledOp timed(Op::name);
  const detail::IndexOp scope(std::span(&x, 1));
  return op.forward(x);
}
template <class Op>
Indices apply(const Op& op, Location, std::span<const Indices> list) {
  const detail::ProfiledOp timed(Op::name);
  const detail::IndexOp scope(list);
  return op.forward(list);
}

}  // namespace xgrad
