// The backward pass.
#include <xgrad/autograd/tape/engine.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <unordered_set>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/mode.hpp>

namespace xgrad::detail {

// Frees the slots, and leaves the node to other passes; a selection does so at its own end.
[[gnu::always_inline]] inline void Engine::leave(Node& node, std::size_t outputs) noexcept {
  GradientSlot* const slots = std::exchange(node.slots_, nullptr);
  if (!selection_.active()) pass_.release(node);
  if (!slots) return;
  if (outputs == 1 && !free_slot_) {
    if (slots->value.defined()) *slots = {};
    slots->donated = false;
    free_slot_ = slots;
    return;
  }
  std::destroy_n(slots, outputs);
  pool::deallocate(slots, outputs * sizeof(GradientSlot));
}

Engine::~Engine() {
  this_thread.engine = outer_;
  if (next_) leave(*next_, next_->outputs());  // these two only after an exception
  for (const Queued& queued : heap_) leave(*queued.node, queued.node->outputs());
  for (const Ref<Node>& node : readers_) pass_.release(*node);
  if (free_slot_) pool::deallocate(free_slot_, sizeof(GradientSlot));
}

void Engine::backward(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds) {
  const CallSite call(at_);
  const recording_scope recording(options_.create_graph);
  seed(outputs, seeds);
  if (Leaf::any_hooked()) [[unlikely]]
    count_readers();
  run();
  run_leaf_hooks();
  if (in_replay()) [[unlikely]]
    for (LeafSlot& entry : leaves_)
      if (entry.slot.value.defined()) entry.leaf->repeat_in_replay(true);
  Leaf::Sums sums;
  for (LeafSlot& entry : leaves_)
    if (entry.slot.value.defined() && entry.leaf->prepare(entry.slot.value, sums))
      entry.sum = static_cast<std::uint32_t>(sums.size());
  for (LeafSlot& entry : leaves_)  // only now, so that an exception on the way changes no gradient
    if (entry.slot.value.defined())
      entry.leaf->accumulate(entry.slot.value, entry.sum ? &sums[entry.sum - 1] : nullptr);
}

void Engine::seed(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds) {
  outputs_ = outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const AnyTensor& output = outputs[i];
    if (!output.defined()) throw GraphError("backward: the tensor is undefined (default constructed)");
    if (!output.requires_grad())
      throw GraphError(
          fmt::format("backward: this tensor of shape {} needs no gradient: nothing it was computed from has "
                      "requires_grad, or it "
                      "was computed under no_grad or detached; call set_requires_grad() on the inputs before "
                      "computing it",
                      to_string(output.shape())));
    AnyTensor gradient = i >= seeds.size()       ? AnyTensor()
                         : options_.create_graph ? seeds[i]
                                                 : seeds[i].detached();
    if (!gradient.defined()) {
      if (output.elements() != 1)
        throw GraphError(
            fmt::format("backward: a gradient can be implied for one element only, and this tensor has "
                        "shape {}; reduce it with sum() or mean(), or pass its gradient",
                        to_string(output.shape())));
      gradient = AnyTensor::full(output.shape(), output.dtype(), 1);
    } else if (gradient.shape() != output.shape() || gradient.dtype() != output.dtype()) {
      throw ShapeError(
          fmt::format("backward: the gradient has shape {} and the tensor {}; they must be equal, and of "
                      "one element type",
                      to_string(gradient.shape()), to_string(output.shape())));
    }
    if (const Edge edge = output.edge(); selection_.wants(edge))
      add(edge, {std::move(gradient)}, at_);
  }
}

inline Ref<Node> Engine::take_newest() {
  if (next_) return std::move(next_);
  std::pop_heap(heap_.begin(), heap_.end());
  Ref<Node> node = std::move(heap_.back().node);
  heap_.pop_back();
  return node;
}

void Engine::run() {
  for (;;) {
    // Deferred gradients may wait for more of their kind, but not for hooks, which may change what they read.
    if (const Node* next = newest(); !pending_.empty() && !(next && next->batches_ && !next->has_hooks()))
      flush_pending();
    if (!newest()) return;
    visit(*take_newest());
  }
}

inline void Engine::visit(Node& node) {
  struct Slots {  // freed however the visit ends
    Engine& engine;
    Node& node;
    std::size_t outputs;
    ~Slots() { engine.leave(node, outputs); }
  } cleanup{*this, node, node.outputs()};
  const std::span<GradientSlot> slots(node.slots_, cleanup.outputs);
  if (node.has_hooks()) run_hooks(node, slots);
  if (selection_.active()) {
    selection_.capture(node, slots);
    if (!selection_.visits(node)) return;
  }
  if (node.has(Node::released))
    throw GraphError(
        fmt::format("backward: the graph of '{}' was freed by an earlier backward through it{}; pass "
                    "{{.retain_graph = true}} to the earlier one, or detach() what is carried over",
                    node.name(), node.where()));
  if (in_replay()) [[unlikely]]
    node.check_inside_replay();
  const bool frees = frees_graph();
  const ProfiledOp timed(this_thread.profile ? node.name() : std::string_view(), true);
  GradientSink sink(*this, node, options_.create_graph, frees, selection_.active());
  node.backward(slots, sink);
  if (!unread_.empty()) [[unlikely]]
    settle_leaves(node);
  if (frees) free_graph(node);
}

// How many edges of the graph lead to each leaf that has a hook.
void Engine::count_readers() {
  std::unordered_set<const Node*> seen;
  const auto enter = [&](Node* node) {
    if (!node || node->is_leaf() || !seen.insert(node).second) return;
    readers_.push_back(Ref<Node>::share(node));
    pass_.claim(*node);
  };
  for (const AnyTensor& output : outputs_) enter(output.node());
  for (std::size_t i = 0; i < readers_.size(); ++i)
    for (const Edge& edge : readers_[i]->edges()) {
      enter(edge.node.get());
      if (edge.node && edge.node->is_leaf() && edge.node->has_hooks()) ++unread_[edge.node.get()];
    }
}

// Runs the hooks of leaves that no node but this one was still to send a gradient to.
void Engine::settle_leaves(Node& read_by) {
  for (const Edge& edge : read_by.edges()) {
    const auto found = edge.node ? unread_.find(edge.node.get()) : unread_.end();
    if (found == unread_.end() || --found->second > 0) continue;
    unread_.erase(found);
    if (Pending* const pending = waiting(edge)) flush(pending);
    LeafSlot& entry = leaves_.entry(static_cast<Leaf*>(edge.node.get()));
    run_hooks(*entry.leaf, {&entry.slot, 1});
    entry.hooks_ran = true;
  }
}

// Those of leaves that some node read and never sent a gradient to, or that are outputs themselves.
void Engine::run_leaf_hooks() {
  for (LeafSlot& entry : leaves_)
    if (entry.leaf->has_hooks() && !entry.hooks_ran) run_hooks(*entry.leaf, {&entry.slot, 1});
}

void Engine::run_hooks(Node& node, std::span<GradientSlot> slots) {
  for (const NodeHook& hook : node.hooks()) {  // a copy: a hook may remove itself
    GradientSlot& slot = slots[hook.output];
    if (!slot.value.defined()) continue;
    slot.donated = false;
    AnyTensor replaced = hook.function(slot.value);
    if (!replaced.defined()) continue;
    if (replaced.shape() != slot.value.shape())
      throw ShapeError(
          fmt::format("hook on '{}': returned a gradient of shape {} for one of shape {}; return the same "
                      "shape, or an undefined tensor to leave it",
                      node.name(), to_string(replaced.shape()), to_string(slot.value.shape())));
    slot.value = std::move(replaced);
  }
}

// Nodes that nothing else holds end right after their visit, while they are still in the cache. The outputs,
// which the caller holds, let go of what they were computed from.
inline void Engine::free_graph(Node& node) {
  if (node.unshared()) return;
  node.release_saved();
  node.set(Node::released);
  if (node.has_hooks()) node.forget_hooks();  // no pass comes here again, and a hook may hold the node's tensor
  for (const AnyTensor& output : outputs_)
    if (output.node() == &node) [[unlikely]]
      for (Edge& edge : node.edges()) edge.node = {};
}

}  // namespace xgrad::detail
