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

inline GradientSlot* Engine::take_slots(std::size_t outputs) {
  if (outputs == 1 && free_slot_) return std::exchange(free_slot_, nullptr);
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
  if (node->is_leaf()) return &leaves_[static_cast<Leaf*>(node)];
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

void Engine::add(const Edge& edge, AnyTensor&& gradient, Ownership ownership, Location at) {
  GradientSlot& target = *slot(edge);
  if (!target.value.defined()) {
    target = {std::move(gradient), ownership};
  } else if (!options_.create_graph && target.ownership == Ownership::owned) {
    add_into(target.value, gradient);
  } else if (!options_.create_graph && ownership == Ownership::owned) {
    add_into(gradient, target.value);
    target = {std::move(gradient), Ownership::owned};
  } else {
    target = {run_formula(primitive(Opcode::add), {{&target.value}, {&gradient}}, at), Ownership::owned};
  }
}

GradientSlot& Engine::destination(const Edge& edge, bool& accumulate, GradientSlot* reusable) {
  const Node& from = *edge.node;
  GradientSlot& target = *slot(edge);
  accumulate = target.value.defined();
  if (accumulate && target.ownership == Ownership::shared) target.value = copy_of(target.value);
  if (!accumulate)
    target.value = reusable ? std::move(reusable->value)
                            : AnyTensor::empty(from.output_shape(edge.output), from.dtype_);
  target.ownership = Ownership::owned;
  return target;
}

void GradientSink::check(const AnyTensor& gradient) const {
  check_finite(node_.name(), gradient, node_.location(), true);
}

bool GradientSink::selected(std::size_t i) const { return engine_.selection_.wants(edge(i)); }

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
  engine_.add(edge(i), std::move(gradient), ownership, node_.location());
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
  if (Pending* before = waiting(edge)) {
    std::swap(*before, pending_.back());
    flush_last();
  }
  slot(edge);
  pending_.push_back({edge, std::move(gradient)});
}

void Engine::flush_pending() {
  while (!pending_.empty()) flush_last();
}

void Engine::flush_last() {
  const Pending p = std::move(pending_.back());
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
