// What a node's backward can ask of the pass: where gradients accumulate, and which wait.
#include <xgrad/autograd/tape/sink.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/array/diagnostics.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/engine.hpp>
#include <xgrad/autograd/tape/run_formula.hpp>
#include <xgrad/autograd/tape/structural.hpp>

namespace xgrad {

using namespace detail;

inline GradientSlot* Engine::take_slots(std::size_t outputs) {
  if (outputs == 1 && free_slot_) return std::exchange(free_slot_, nullptr);
  auto* slots = static_cast<GradientSlot*>(pool::allocate(outputs * sizeof(GradientSlot)));
  std::uninitialized_default_construct_n(slots, outputs);
  return slots;
}

[[gnu::always_inline]] inline void Engine::enqueue(Ref<Node> node) {
  if (const Node* last = newest(); last && node->sequence_ < last->sequence_) return push(std::move(node));
  if (next_) push(std::move(next_));
  next_ = std::move(node);
}

void Engine::push(Ref<Node>&& node) {
  heap_.emplace_back(node->sequence_, std::move(node));
  std::push_heap(heap_.begin(), heap_.end());
}

// Makes room first, for what comes after a claim must not fail.
inline void Engine::claim(Node& node) {
  if (heap_.size() == heap_.capacity()) heap_.reserve(2 * heap_.size() + 8);
  pass_.claim(node);
}

[[gnu::always_inline]] inline GradientSlot* Engine::slot(const Edge& edge) {
  Node* node = edge.node.get();
  if (node->is_leaf()) return &leaves_.entry(static_cast<Leaf*>(node)).slot;
  // Where this pass frees the graph, no other gets to a node that a single edge leads to.
  if (!frees_graph() || !node->references_.is_one()) claim(*node);
  if (!node->slots_) {
    enqueue(edge.node);
    node->slots_ = take_slots(node->outputs_);
  } else if (outer_ && next_.get() != node &&
             std::ranges::none_of(heap_, [&](const Queued& q) { return q.node.get() == node; })) {
    throw GraphError(
        fmt::format("backward: a backward pass over '{}' is under way, and this one, started in a hook, "
                    "meets it there; differentiate another graph, or after that pass",
                    node->name()));
  }
  return &node->slots_[edge.output];
}

[[gnu::always_inline]] inline void Engine::accumulate(const Edge& edge, GradientSlot&& gradient, Location at) {
  GradientSlot& target = *slot(edge);
  if (!target.value.defined()) {
    target = std::move(gradient);
  } else if (!options_.create_graph && target.donated) {
    add_into(target.value, gradient.value);
  } else if (!options_.create_graph && gradient.donated) {
    add_into(gradient.value, target.value);
    target = std::move(gradient);
  } else {
    target = donate(run_formula(primitive(Opcode::add), {{&target.value}, {&gradient.value}}, at));
  }
}

void Engine::add(const Edge& edge, GradientSlot&& gradient, Location at) {
  accumulate(edge, std::move(gradient), at);
}

GradientSlot& Engine::destination(const Edge& edge, bool& accumulate, GradientSlot* reusable) {
  const Node& from = *edge.node;
  GradientSlot& target = *slot(edge);
  accumulate = target.value.defined();
  if (accumulate && !target.donated) target.value = copy_of(target.value);
  if (!accumulate)
    target.value = reusable ? std::move(reusable->value)
                            : AnyTensor::empty(from.output_shape(edge.output), from.dtype_);
  target.donated = true;
  return target;
}

void GradientSink::check(const AnyTensor& gradient) const {
  check_finite(node_.name(), gradient, node_.location(), true);
}

bool GradientSink::selected(std::size_t i) const { return engine_.selection_.wants(edge(i)); }

void GradientSink::add(std::size_t i, GradientSlot&& gradient) {
  const Shape expected = shape(i);
  if (gradient.value.shape() != expected) {
    if (!broadcasts_to(expected, gradient.value.shape()))
      throw ShapeError(fmt::format("{}: its vjp gave a gradient of shape {} for input {}, which has shape {}",
                                   node_.name(), to_string(gradient.value.shape()), i, to_string(expected)));
    gradient = donate(sum_to(gradient.value, expected, node_.location()));
  }
  if (this_thread.anomaly) check(gradient.value);
  engine_.accumulate(edge(i), std::move(gradient), node_.location());
}

Engine::Pending* Engine::waiting(const Edge& edge) {
  const auto found = std::ranges::find_if(pending_, [&](const Pending& p) {
    return p.edge.node.get() == edge.node.get() && p.edge.output == edge.output;
  });
  return found != pending_.end() ? &*found : nullptr;
}

// Keeps the gradient until no more come that it could take in. Its target enters the heap at once: its turn
// comes after that of everything it was computed from.
void Engine::defer(const Edge& edge, DeferredGradient&& gradient) {
  if (Pending* before = waiting(edge)) flush(before);
  slot(edge);
  pending_.push_back({edge, std::move(gradient)});
}

void Engine::flush_pending() {
  while (!pending_.empty()) flush(&pending_.back());
}

void Engine::flush(Pending* pending) {
  const Pending p = std::move(*pending);
  if (pending != &pending_.back()) *pending = std::move(pending_.back());
  pending_.pop_back();
  bool accumulate = false;
  AnyTensor& into = destination(p.edge, accumulate, nullptr).value;
  p.gradient.write(p.gradient, into, accumulate);
}

GradientSlot& GradientSink::destination(std::size_t i, bool& accumulate, GradientSlot* reusable) {
  return engine_.destination(edge(i), accumulate, reusable);
}

DeferredGradient* GradientSink::waiting(std::size_t i) {
  Engine::Pending* const pending = engine_.waiting(edge(i));
  return pending ? &pending->gradient : nullptr;
}

void GradientSink::add(std::size_t i, DeferredGradient&& gradient) {
  if (node_.batches_ && !edge(i).node->batches_ && !this_thread.anomaly)
    return engine_.defer(edge(i), std::move(gradient));
  write(i, [&](AnyTensor& into, bool accumulate) { gradient.write(gradient, into, accumulate); });
}

}  // namespace xgrad
