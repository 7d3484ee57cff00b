// Nodes: numbering, release without recursion, and leaves.
#include "autograd/node.hpp"

#include <algorithm>
#include <new>

#include "autograd/elementwise.hpp"
#include "autograd/error.hpp"
#include "autograd/schedule.hpp"
#include "autograd/thread_state.hpp"

namespace xgrad {

// Ending a node releases its edges, which come back here: they queue up instead of recursing.
void Node::destroy_chain(Node* node) noexcept {
  ThreadState& thread = this_thread;
  node->next_dead_ = thread.dead;
  thread.dead = node;
  if (std::exchange(thread.burying, true)) return;
  while (Node* dead = thread.dead) {
    thread.dead = dead->next_dead_;
    dead->destroy();
  }
  thread.burying = false;
}

Leaf::Leaf(const Shape& shape, DType dtype) : Node(dtype, {}, 1, true), shape_(shape) { connect({}); }

Ref<Leaf> Leaf::make(const Shape& shape, DType dtype) {
  return Ref<Leaf>::adopt(new (pool::allocate(sizeof(Leaf), pool::Use::node)) Leaf(shape, dtype));
}

void Leaf::destroy() noexcept {
  this->~Leaf();
  pool::deallocate(this, sizeof(Leaf), pool::Use::node);
}

std::unique_lock<std::mutex> Leaf::locked() const {
  return single_threaded() ? std::unique_lock(mutex_, std::defer_lock) : std::unique_lock(mutex_);
}

AnyTensor Leaf::grad() const {
  const auto lock = locked();
  return grad_;
}

void Leaf::set_grad(AnyTensor value) {
  if (this_thread.schedule) [[unlikely]]
    this_thread.schedule->sets_gradient_of(*this);
  const auto lock = locked();
  grad_ = std::move(value);
}

void Leaf::bind_grad(const AnyTensor& value) {
  const auto lock = locked();
  if (grad_.storage().get() != value.storage().get() || grad_.offset() != value.offset() || grad_.node())
    grad_ = value;
}

void Leaf::accumulate(GradientSlot slot) {
  const auto lock = locked();
  AnyTensor& value = slot.value;
  const bool recorded = value.node() != nullptr || (grad_.defined() && grad_.node());
  if (!grad_.defined())
    grad_ = recorded || (value.unique() && detail::may_overwrite(value))
                ? std::move(value)
                : copy_of(value);  // nobody else writes into a gradient
  else if (recorded)
    grad_ = run_formula(primitive(Opcode::add), {{&grad_}, {&value}}, Location::current());
  else if (grad_.unique() && detail::may_overwrite(grad_))
    add_into(grad_, value);
  else
    grad_ = run_formula(primitive(Opcode::add), {{&grad_}, {&value}}, Location::current());
}

}  // namespace xgrad
