// Recorded graphs as text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/location.hpp>

namespace xgrad {

/// Leaves by name, as a state dict has them: "rnn.weight_ih_l0".
using LeafNames = std::vector<std::pair<std::string, AnyTensor>>;

/// The graph of `outputs` in the DOT language: `dot -Tsvg`. One box for each op with its name, shapes,
/// attributes, module path and time step, and one for each leaf with its name and shape; arrows point from
/// operand to result. The path and step are those of the `named_scope` an op was recorded in; outside of any,
/// the path is what the names of the leaves it reads have in common. Backward frees the graph: write it out
/// before.
std::string to_dot(std::span<const AnyTensor> outputs, const LeafNames& names = {});
std::string to_dot(const AnyTensor& output, const LeafNames& names = {});

/// The same, with leaves named by any list of pairs of a name and a tensor.
template <class Names>
requires requires(const Names& names) { names.begin()->first, names.begin()->second; }
std::string to_dot(const AnyTensor& output, const Names& names) {
  return to_dot(output, LeafNames(names.begin(), names.end()));
}

/// Number of nodes that backward from `output` could reach, leaves included.
std::int64_t count_nodes(const AnyTensor& output);

namespace detail {

/// A leaf whose gradient backward would compute, and the oldest op that reads it.
struct GraphLeaf {
  const Node* node;
  Shape shape;
  std::string_view reader;
  Location at;
};
std::vector<GraphLeaf> leaves_of(const AnyTensor& output);

}  // namespace detail

}  // namespace xgrad
