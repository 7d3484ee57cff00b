// Towards which inputs grad() goes: the part of a graph that a selective backward pass visits.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <xgrad/autograd/tape/pass.hpp>

namespace xgrad::detail {

/// Nothing is selected before find(): then a pass goes everywhere. Claims the nodes that it finds, and marks
/// those from which an input can be reached, for as long as it lives.
class Selection {
 public:
  /// `outer`: the selection of the pass in whose hook this one runs, whose marks are hidden meanwhile; or
  /// null.
  Selection(const Pass& pass, Selection* outer) : pass_(pass), outer_(outer) {}
  Selection(const Selection&) = delete;
  ~Selection();

  void find(std::span<const AnyTensor> outputs, std::span<const AnyTensor> inputs);
  bool active() const { return active_; }
  /// Whether the gradient that goes along this edge is asked for.
  bool wants(const Edge& edge) const;
  /// Whether the pass has to visit the node.
  bool visits(const Node& node) const;
  /// Takes the gradients of this node's outputs that are asked for.
  void capture(const Node& node, std::span<GradientSlot> slots);
  /// The gradients of the inputs, undefined where none came.
  std::vector<AnyTensor> take() { return std::move(captured_); }

 private:
  template <class T>
  using PoolVector = std::vector<T, pool::Allocator<T>>;
  struct Capture {
    Ref<Node> node;
    std::uint32_t output;
    std::size_t index;  // of the input
  };
  static const Node* node_of(const Capture& capture) { return capture.node.get(); }
  std::span<const Capture> captures_of(const Node& node) const;
  bool may_lead_to_input(const Node& node) const;
  void hide_outer_marks();

  const Pass& pass_;
  Selection* outer_;
  bool active_ = false;
  std::uint64_t oldest_input_ = std::numeric_limits<std::uint64_t>::max();
  PoolVector<Ref<Node>> visited_;  // by find
  PoolVector<Ref<Node>> hidden_;   // marked by a pass around this one
  PoolVector<Capture> captures_;   // by node
  std::vector<AnyTensor> captured_;
};

}  // namespace xgrad::detail
