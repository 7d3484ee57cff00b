// The backward pass, and what a node's backward can ask of it.
#include <xgrad/autograd/tape/engine.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <new>

#include <xgrad/autograd/tape/elementwise.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/array/schedule.hpp>

namespace xgrad {

inline void Engine::free_slots(Node& node, std::size_t outputs) noexcept {
  GradientSlot* const slots = std::exchange(node.slots_, nullptr);
  if (!slots) return;
  if (outputs == 1 && !spare_) {
    if (slots->value.defined()) *slots = {};
    slots->ownership = Ownership::shared;
    spare_ = slots;
    return;
  }
  std::destroy_n(slots, outputs);
  pool::deallocate(slots, outputs * sizeof(GradientSlot));
}

Engine::~Engine() {
  this_thread.engine = outer_;
  if (next_) free_slots(*next_, next_->outputs());  // these two only after an exception
  for (const Queued& queued : heap_) free_slots(*queued.node, queued.node->outputs());
  if (spare_) pool::deallocate(spare_, sizeof(GradientSlot));
  for (const Ref<Node>& node : visited_) node->wanted_ = false;
  for (const Ref<Node>& node : hidden_) node->wanted_ = true;
}

bool Engine::wants(const Edge& edge) const {
  Node* node = edge.node.get();
  if (!node) return false;
  if (!selective_) return takes_gradient(*node);
  if (!node->is_leaf()) return node->wanted_;
  return !captures_of(*node).empty();
}

std::span<const Engine::Capture> Engine::captures_of(const Node& node) const {
  const auto found = std::ranges::equal_range(captures_, &node, std::less(), node_of);
  return {found.begin(), found.end()};
}

// Leaves are shared between threads, so what is found out about them is kept here, not in them: a list, and
// once it is long a hash table of the places in it.
GradientSlot& Engine::leaf_slot(Leaf* leaf) {
  constexpr std::size_t few = 8;
  if (leaves_.size() <= few) {
    for (LeafSlot& entry : leaves_)
      if (entry.leaf.get() == leaf) return entry.slot;
    if (leaves_.size() < few) return leaves_.emplace_back(Ref<Leaf>::share(leaf)).slot;
  }
  if (leaf_index_.size() < 2 * (leaves_.size() + 1)) {
    leaf_index_.assign(std::max<std::size_t>(64, 4 * leaf_index_.size()), 0);
    for (std::uint32_t i = 0; i < leaves_.size(); ++i) leaf_index_[place_of(leaves_[i].leaf.get())] = i + 1;
  }
  const std::size_t at = place_of(leaf);
  if (leaf_index_[at]) return leaves_[leaf_index_[at] - 1].slot;
  leaves_.emplace_back(Ref<Leaf>::share(leaf));
  leaf_index_[at] = static_cast<std::uint32_t>(leaves_.size());
  return leaves_.back().slot;
}

// Where the leaf is in the table, or is to go.
std::size_t Engine::place_of(const Leaf* leaf) const {
  const std::size_t mask = leaf_index_.size() - 1;
  std::size_t at = (reinterpret_cast<std::uintptr_t>(leaf) >> 4) & mask;
  while (leaf_index_[at] && leaves_[leaf_index_[at] - 1].leaf.get() != leaf) at = (at + 1) & mask;
  return at;
}

inline GradientSlot* Engine::take_slots(std::size_t outputs) {
  if (outputs == 1 && spare_) return std::exchange(spare_, nullptr);
  auto* slots = static_cast<GradientSlot*>(pool::allocate(outputs * sizeof(GradientSlot)));
  std::uninitialized_default_construct_n(slots, outputs);
  return slots;
}

[[gnu::always_inline]] inline void Engine::enqueue(Ref<Node> node) {
  if (const Node* last = newest(); !last || last->sequence_ < node->sequence_) std::swap(node, next_);
  if (node) push(std::move(node));
}

void Engine::push(Ref<Node> node) {
  const std::uint64_t sequence = node->sequence_;
  heap_.push_back({sequence, std::move(node)});
  std::push_heap(heap_.begin(), heap_.end());
}

[[gnu::always_inline]] inline GradientSlot* Engine::slot(const Edge& edge) {
  Node* node = edge.node.get();
  if (node->is_leaf()) return &leaf_slot(static_cast<Leaf*>(node));
  if (!node->slots_) {
    node->slots_ = take_slots(node->outputs_);
    enqueue(edge.node);
  } else if (outer_ && next_.get() != node &&
             std::ranges::none_of(heap_, [&](const Queued& q) { return q.node.get() == node; })) {
    throw GraphError(
        fmt::format("backward: a backward pass over '{}' is under way, and this one, started in a hook, "
                    "meets it there; differentiate another graph, or after that pass",
                    node->name()));
  }
  return &node->slots_[edge.output];
}

// Whether an input might have been reached through this node, which was freed and has let go of what it read:
// one that is older might. Freed nodes that still have their edges are followed like others.
bool Engine::may_lead_to_input(const Node& node) const {
  return node.released_ && oldest_input_ < node.sequence_ &&
         std::ranges::none_of(node.edges(), [](const Edge& edge) { return bool(edge.node); });
}

// Takes the marks of the passes around this one away for as long as it lasts.
void Engine::hide_outer_marks() {
  for (const Engine* engine = outer_; engine; engine = engine->outer_)
    for (const Ref<Node>& node : engine->visited_)
      if (node->wanted_) {
        node->wanted_ = false;
        hidden_.push_back(node);
      }
}

// Marks the nodes from which an input can be reached: depth first, with a stack of its own.
void Engine::find_wanted(std::span<const AnyTensor> outputs, std::span<const AnyTensor> inputs) {
  selective_ = true;
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
      if (next < node->inputs_) {
        Node* child = node->edges()[next++].node.get();
        enter(child);
      } else {
        order.push_back(node);
        stack.pop_back();
      }
    }
  }
  for (Node* node : order) node->wanted_ = false;
  for (Node* node : order) {  // inputs before their users
    node->wanted_ = !captures_of(*node).empty() || may_lead_to_input(*node) ||
                    std::ranges::any_of(node->edges(), [&](const Edge& e) { return wants(e); });
  }
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
    const Edge edge = output.edge();
    if (!wants(edge)) continue;
    GradientSlot& target = *slot(edge);
    if (target.value.defined())
      target = {run_formula(primitive(Opcode::add), {{&target.value}, {&gradient}}, at_), Ownership::owned};
    else
      target = {std::move(gradient), Ownership::shared};
  }
}

inline Ref<Node> Engine::take_newest() {
  if (next_) return std::move(next_);
  std::pop_heap(heap_.begin(), heap_.end());
  Ref<Node> node = std::move(heap_.back().node);
  heap_.pop_back();
  return node;
}

inline void Engine::visit(Node& node) {
  struct Slots {  // freed however the visit ends
    Engine& engine;
    Node& node;
    std::size_t
        outputs;  // read at once: right after `released_`, in the same word, is written it would have to wait
    ~Slots() { engine.free_slots(node, outputs); }
  } cleanup{*this, node, node.outputs()};
  const std::span<GradientSlot> slots(node.slots_, cleanup.outputs);
  if (node.hooked_) run_hooks(node, slots);
  if (!captures_.empty()) capture(node, slots);
  if (selective_ && std::ranges::none_of(node.edges(), [&](const Edge& e) { return wants(e); }) &&
      !may_lead_to_input(node))
    return;
  if (node.released_)
    throw GraphError(
        fmt::format("backward: the graph of '{}' was freed by an earlier backward through it{}; pass "
                    "{{.retain_graph = true}} to the earlier one, or detach() what is carried over",
                    node.name(), describe(node.location_)));
  if (this_thread.schedule) [[unlikely]]
    this_thread.schedule->check_inside(node);
  const bool frees_graph = !options_.retain_graph && !options_.create_graph;
  const ProfiledOp timed(this_thread.profile ? node.name() : std::string_view(), true);
  GradientSink sink(*this, node, options_.create_graph, frees_graph, selective_);
  node.backward(slots, sink);
  if (frees_graph) free_graph(node);
}

// Nodes that nobody else holds end right after their visit, while they are still in the cache. The outputs,
// which the caller holds, let go of what they were computed from.
inline void Engine::free_graph(Node& node) {
  if (node.references_.is_one()) return;
  node.release_saved();
  node.released_ = true;
  for (const AnyTensor& output : outputs_)
    if (output.node() == &node) [[unlikely]]
      for (Edge& edge : node.edges()) edge.node = {};
}

void Engine::run() {
  for (;;) {
    if (!pending_.empty() && !(newest() && may_wait(*newest()))) carry_out_pending();
    if (!newest()) return;
    visit(*take_newest());
  }
}

void Engine::run_hooks(Node& node, std::span<GradientSlot> slots) {
  for (const NodeHook& hook : node.hooks()) {  // a copy: a hook may remove itself
    GradientSlot& slot = slots[hook.output];
    if (!slot.value.defined()) continue;
    slot.ownership = Ownership::shared;
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

void Engine::capture(const Node& node, std::span<GradientSlot> slots) {
  for (const Capture& c : captures_of(node)) {
    slots[c.output].ownership = Ownership::shared;
    captured_[c.index] = slots[c.output].value;
  }
}

void Engine::backward(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds) {
  const RecordingScope recording(options_.create_graph);
  seed(outputs, seeds);
  run();
  for (LeafSlot& entry : leaves_)
    if (entry.leaf->hooked_) run_hooks(*entry.leaf, {&entry.slot, 1});
  if (this_thread.schedule) [[unlikely]]
    for (LeafSlot& entry : leaves_)
      if (entry.slot.value.defined()) this_thread.schedule->adds_to_gradient_of(*entry.leaf);
  for (LeafSlot& entry : leaves_)  // only now, so that an exception on the way changes no gradient
    if (entry.slot.value.defined()) entry.leaf->accumulate(std::move(entry.slot));
}

std::vector<AnyTensor> Engine::grad(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds,
                                    std::span<const AnyTensor> inputs) {
  const RecordingScope recording(options_.create_graph);
  captured_.resize(inputs.size());
  find_wanted(outputs, inputs);
  seed(outputs, seeds);
  run();
  for (LeafSlot& entry : leaves_) {
    if (entry.leaf->hooked_) run_hooks(*entry.leaf, {&entry.slot, 1});
    capture(*entry.leaf, {&entry.slot, 1});
  }
  return std::move(captured_);
}

void GradientSink::check(const AnyTensor& gradient) const {
  check_finite(node_.name(), gradient, node_.location(), true);
}

bool GradientSink::selected(std::size_t i) const { return engine_.wants(edge(i)); }

void GradientSink::add(std::size_t i, AnyTensor&& gradient, Ownership ownership) {
  const Shape expected = shape(i);
  if (gradient.shape() != expected) {
    if (!broadcasts_to(expected, gradient.shape()))
      throw ShapeError(fmt::format("{}: its vjp gave a gradient of shape {} for input {}, which has shape {}",
                                   node_.name(), to_string(gradient.shape()), i, to_string(expected)));
    gradient = sum_to(gradient, expected, node_.location());
    ownership = Ownership::owned;
  }
  if (this_thread.anomaly) check(gradient);
  GradientSlot& target = *engine_.slot(edge(i));
  if (!target.value.defined()) {
    target.value = std::move(gradient);
    target.ownership = ownership;
  } else if (!create_graph_ && target.ownership == Ownership::owned) {
    add_into(target.value, gradient);
  } else if (!create_graph_ && ownership == Ownership::owned) {
    add_into(gradient, target.value);
    target = {std::move(gradient), Ownership::owned};
  } else {
    target = {run_formula(primitive(Opcode::add), {{&target.value}, {&gradient}}, node_.location()),
              Ownership::owned};
  }
}

GradientSlot& Engine::destination(const Edge& edge, bool& accumulate, GradientSlot* spare) {
  const Node& from = *edge.node;
  GradientSlot& target = *slot(edge);
  accumulate = target.value.defined();
  if (accumulate && target.ownership == Ownership::shared) target.value = copy_of(target.value);
  if (!accumulate && from.outputs_ > 1) target.value = edge.node->gradient_home(edge.output);
  if (!target.value.defined()) {
    if (spare)
      target.value = std::move(spare->value);
    else
      target.value = AnyTensor::empty(from.output_shape(edge.output), from.dtype_);
  }
  target.ownership = Ownership::owned;
  return target;
}

void Engine::carry_out(const Edge& edge, const DeferredGradient& gradient) {
  bool accumulate = false;
  AnyTensor& into = destination(edge, accumulate, nullptr).value;
  gradient.write(gradient, into, accumulate);
}

Engine::Pending* Engine::waiting(const Edge& edge) {
  const auto found = std::ranges::find_if(pending_, [&](const Pending& p) {
    return p.edge.node.get() == edge.node.get() && p.edge.output == edge.output;
  });
  return found != pending_.end() ? &*found : nullptr;
}

// Keeps the gradient until no more come that it could take in, or what it reads is about to be overwritten.
// Its target enters the heap at once: its turn comes after that of everything it was computed from.
void Engine::defer(const Edge& edge, DeferredGradient&& gradient) {
  if (Pending* before = waiting(edge)) {
    std::swap(*before, pending_.back());
    carry_out_last();
  }
  slot(edge);
  pending_.push_back({edge, std::move(gradient)});
}

void Engine::carry_out_pending() {
  while (!pending_.empty()) carry_out_last();
}

void Engine::carry_out_last() {
  const Pending p = std::move(pending_.back());
  pending_.pop_back();
  carry_out(p.edge, p.gradient);
}

// Whether what is pending may wait until after that visit: not for hooks, which may change whatever it reads.
bool Engine::may_wait(const Node& next) const { return next.batches_ && !next.hooked_; }

GradientSlot& GradientSink::destination(std::size_t i, bool& accumulate, GradientSlot* spare) {
  return engine_.destination(edge(i), accumulate, spare);
}

DeferredGradient* GradientSink::waiting(std::size_t i) {
  Engine::Pending* const pending = engine_.waiting(edge(i));
  return pending ? &pending->gradient : nullptr;
}

void GradientSink::add(std::size_t i, DeferredGradient&& gradient) {
  if (node_.batches_ && !edge(i).node->batches_ && !this_thread.anomaly)
    return engine_.defer(edge(i), std::move(gradient));
  engine_.carry_out(edge(i), gradient);
  if (this_thread.anomaly) check(engine_.slot(edge(i))->value);
}

namespace detail {

std::vector<AnyTensor> grad(std::span<const AnyTensor> outputs, std::span<const AnyTensor> inputs,
                            const GradOptions& options, Location at) {
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].defined() || !inputs[i].requires_grad())
      throw GraphError(
          fmt::format("grad: input {} needs no gradient; call set_requires_grad() on it before computing "
                      "the outputs",
                      i));
  if (!options.grad_outputs.empty() && options.grad_outputs.size() != outputs.size())
    throw ValueError(
        fmt::format("grad: {} grad_outputs for {} output{}; give one for each, undefined for ones, or none",
                    options.grad_outputs.size(), outputs.size(), outputs.size() == 1 ? "" : "s"));
  Engine engine({.retain_graph = options.retain_graph, .create_graph = options.create_graph}, at);
  auto gradients = engine.grad(outputs, options.grad_outputs, inputs);
  for (std::size_t i = 0; i < gradients.size() && !options.allow_unused; ++i)
    if (!gradients[i].defined())
      throw GraphError(
          fmt::format("grad: the outputs do not depend on input {} of shape {}; pass {{.allow_unused = "
                      "true}} to get an undefined gradient for it",
                      i, to_string(inputs[i].shape())));
  return gradients;
}

}  // namespace detail

}  // namespace xgrad
