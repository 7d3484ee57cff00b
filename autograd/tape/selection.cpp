// Finding the part of a graph that leads to the inputs of grad().
#include <xgrad/autograd/tape/selection.hpp>

#include <algorithm>
#include <functional>

#include <xgrad/autograd/tape/sink.hpp>

namespace xgrad::detail {

Selection::~Selection() {
  for (const Ref<Node>& node : visited_) node->wanted_ = false;
  for (const Ref<Node>& node : hidden_) node->wanted_ = true;
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
    if (!node || node->is_leaf() || node->wanted_) return;
    node->wanted_ = true;  // for now: seen
    visited_.push_back(Ref<Node>::share(node));
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
  for (Node* node : order) node->wanted_ = false;
  for (Node* node : order)  // inputs before their users
    node->wanted_ = !captures_of(*node).empty() || visits(*node);
}

// Takes the marks of the passes around this one away for as long as it lasts.
void Selection::hide_outer_marks() {
  for (const Selection* outer = outer_; outer; outer = outer->outer_)
    for (const Ref<Node>& node : outer->visited_)
      if (node->wanted_) {
        node->wanted_ = false;
        hidden_.push_back(node);
      }
}

bool Selection::wants(const Edge& edge) const {
  const Node* node = edge.node.get();
  if (!node) return false;
  if (!active_) return takes_gradient(*node);
  return node->is_leaf() ? !captures_of(*node).empty() : node->wanted_;
}

bool Selection::visits(const Node& node) const {
  return !active_ || may_lead_to_input(node) ||
         std::ranges::any_of(node.edges(), [&](const Edge& edge) { return wants(edge); });
}

// Whether an input might have been reached through this node, which was freed and has let go of what it read:
// one that is older might. Freed nodes that still have their edges are followed like others.
bool Selection::may_lead_to_input(const Node& node) const {
  return node.released_ && oldest_input_ < node.sequence() &&
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
