// Finding the part of a graph that leads to the inputs of grad().
#include <xgrad/autograd/tape/selection.hpp>

#include <algorithm>
#include <functional>

#include <xgrad/autograd/tape/sink.hpp>

namespace xgrad::detail {

Selection::~Selection() {
  for (const Ref<Node>& node : visited_) {
    Pass::mark(*node, false);
    pass_.release(*node);
  }
  for (const Ref<Node>& node : hidden_) Pass::mark(*node, true);
}

// Depth first, with a stack of its own.
void Selection::find(std::span<const AnyTensor> outputs, std::span<const AnyTensor> inputs) {
  active_ = true;
  captured_.resize(inputs.size());
  hide_outer_marks();
  for (std::size_t i = 0; i < inputs.size(); ++i)
    captures_.push_back({Ref<Node>::share(inputs[i].node()), inputs[i].output(), i});
  std::ranges::sort(captures_, std::less(), node_of);
  for (const AnyTensor& input : inputs) oldest_input_ = std::min(oldest_input_, input.node()->sequence());
  PoolVector<Node*> order;
  PoolVector<std::pair<Node*, std::size_t>> stack;
  const auto enter = [&](Node* node) {
    if (!node || node->is_leaf()) return;
    if (visited_.size() == visited_.capacity()) visited_.reserve(2 * visited_.size() + 8);
    pass_.claim(*node);  // nothing fails between this and push_back
    if (Pass::marked(*node)) return;
    visited_.push_back(Ref<Node>::share(node));
    Pass::mark(*node, true);  // for now: seen
    stack.push_back({node, 0});
  };
  for (const AnyTensor& output : outputs) {
    enter(output.node());
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next < node->edges().size()) {
        Node* child = node->edges()[next++].node.get();
        enter(child);
      } else {
        order.push_back(node);
        stack.pop_back();
      }
    }
  }
  for (Node* node : order) Pass::mark(*node, false);
  for (Node* node : order)  // inputs before their users
    Pass::mark(*node, !captures_of(*node).empty() || visits(*node));
}

// Takes the marks of the passes around this one away for as long as it lasts.
void Selection::hide_outer_marks() {
  for (const Selection* outer = outer_; outer; outer = outer->outer_)
    for (const Ref<Node>& node : outer->visited_)
      if (Pass::marked(*node)) {
        hidden_.push_back(node);
        Pass::mark(*node, false);
      }
}

bool Selection::wants(const Edge& edge) const {
  const Node* node = edge.node.get();
  if (!node) return false;
  if (!active_) return takes_gradient(*node);
  return node->is_leaf() ? !captures_of(*node).empty() : Pass::marked(*node);
}

bool Selection::visits(const Node& node) const {
  return !active_ || may_lead_to_input(node) ||
         std::ranges::any_of(node.edges(), [&](const Edge& edge) { return wants(edge); });
}

// Whether an input might have been reached through this node, which was freed and has let go of what it read:
// one that is older might. Freed nodes that still have their edges are followed like others.
bool Selection::may_lead_to_input(const Node& node) const {
  return node.has(Node::released) && oldest_input_ < node.sequence() &&
         std::ranges::none_of(node.edges(), [](const Edge& edge) { return bool(edge.node); });
}

std::span<const Selection::Capture> Selection::captures_of(const Node& node) const {
  const auto found = std::ranges::equal_range(captures_, &node, std::less(), node_of);
  return {found.begin(), found.end()};
}

void Selection::capture(const Node& node, std::span<GradientSlot> slots) {
  for (const Capture& c : captures_of(node)) {
    slots[c.output].donated = false;
    captured_[c.index] = slots[c.output].value;
  }
}

}  // namespace xgrad::detail
