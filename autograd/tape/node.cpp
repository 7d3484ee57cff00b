// Nodes: numbering, release without recursion, and leaves.
#include <xgrad/autograd/tape/node.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <unordered_map>

#include <xgrad/autograd/array/kernel_list.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/run_formula.hpp>
#include <xgrad/autograd/tape/sink.hpp>

namespace xgrad {

using namespace detail;

// What an untyped tensor knows of where it came from.
void AnyTensor::retain(Node* node) noexcept { node->retain(); }
void AnyTensor::release(Node* node) noexcept { node->release(); }
bool AnyTensor::requires_grad() const { return needs_gradient(*this); }
bool AnyTensor::is_leaf() const { return !node_ || node_->is_leaf(); }

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

namespace {

struct HookTable {
  std::mutex mutex;
  std::unordered_map<const Node*, std::vector<NodeHook>> hooks;
  std::uint64_t last_id = 0;
  std::atomic<int> hooked_leaves = 0;
};

HookTable& hook_table() {
  static auto& table = *new HookTable;  // never destroyed: nodes may end after static destruction began
  return table;
}

}  // namespace

std::vector<NodeHook> Node::hooks() const {
  HookTable& table = hook_table();
  const std::lock_guard lock(table.mutex);
  const auto found = table.hooks.find(this);
  return found != table.hooks.end() ? found->second : std::vector<NodeHook>();
}

std::uint64_t Node::add_hook(std::uint32_t output, GradientHook function) {
  // By reference, so that nothing of the hook's own is run when hooks() copies it.
  const auto own = std::make_shared<GradientHook>(std::move(function));
  HookTable& table = hook_table();
  const std::lock_guard lock(table.mutex);
  table.hooks[this].push_back({output, ++table.last_id, [own](const AnyTensor& g) { return (*own)(g); }});
  if (!hooked_) table.hooked_leaves += leaf_;
  hooked_ = true;
  return table.last_id;
}

void Node::remove_hook(std::uint64_t id) {
  GradientHook removed;  // ended after the lock: it may hold the last handle to a node
  HookTable& table = hook_table();
  const std::lock_guard lock(table.mutex);
  const auto entry = table.hooks.find(this);
  if (entry == table.hooks.end()) return;
  std::vector<NodeHook>& hooks = entry->second;
  const auto found = std::ranges::find(hooks, id, &NodeHook::id);
  if (found == hooks.end()) return;
  removed = std::move(found->function);
  hooks.erase(found);
  if (!hooks.empty()) return;
  table.hooks.erase(entry);
  table.hooked_leaves -= leaf_;
  hooked_ = false;
}

void Node::forget_hooks() noexcept {
  HookTable& table = hook_table();
  std::vector<NodeHook> forgotten;  // as above
  const std::lock_guard lock(table.mutex);
  const auto entry = table.hooks.find(this);
  forgotten = std::move(entry->second);
  table.hooks.erase(entry);
  table.hooked_leaves -= leaf_;
}

bool Leaf::any_hooked() { return hook_table().hooked_leaves.load(std::memory_order_relaxed) > 0; }

Leaf::Leaf(const Shape& shape, DType dtype) : Node(dtype, {}, 0, 1, true), shape_(shape) {}

Ref<Leaf> Leaf::make(const Shape& shape, DType dtype) {
  return Ref<Leaf>::adopt(new (allocate(0, sizeof(Leaf))) Leaf(shape, dtype));
}

void Leaf::destroy() noexcept { end(this); }

std::unique_lock<std::mutex> Leaf::locked() const {
  return single_threaded() ? std::unique_lock(mutex_, std::defer_lock) : std::unique_lock(mutex_);
}

AnyTensor Leaf::grad() const {
  const auto lock = locked();
  return grad_;
}

void Leaf::set_grad(AnyTensor value) {
  if (in_replay()) [[unlikely]]
    repeat_in_replay(false);
  const auto lock = locked();
  grad_ = std::move(value);
}

void Leaf::bind_grad(const AnyTensor& value) {
  const auto lock = locked();
  if (grad_.storage().get() != value.storage().get() || grad_.offset() != value.offset() || grad_.node())
    grad_ = value;
}

namespace {

struct GradientEffect final : KernelList::Effect {
  explicit GradientEffect(Leaf& of) : leaf(Ref<Leaf>::share(&of)) {}
  void note() override { value = leaf->grad(); }
  void repeat() override { leaf->bind_grad(value); }
  Ref<Leaf> leaf;
  AnyTensor value;
};

}  // namespace

void Leaf::repeat_in_replay(bool adds) {
  KernelList& list = *this_thread.replay;
  if (list.has_effect(this)) return;
  if (adds && grad().defined())
    throw GraphError(fmt::format(
        "backward: inside the function of a Replay, a leaf of shape {} has a gradient from before; call "
        "zero_grad() first in the function: every run then computes the gradients anew",
        to_string(shape_)));
  list.add_effect(this, std::make_unique<GradientEffect>(*this));
}

void Node::check_inside_replay() const {
  if (sequence_ <= this_thread.replay->first_sequence())
    throw GraphError(fmt::format(
        "backward: inside the function of a Replay, the pass reaches '{}', which was recorded before it{}; "
        "compute it inside the function, or detach() its result",
        name(), describe(location_)));
}

void Leaf::accumulate(GradientSlot slot) {
  const auto lock = locked();
  AnyTensor& value = slot.value;
  const bool recorded = value.node() != nullptr || (grad_.defined() && grad_.node());
  if (!grad_.defined())
    grad_ = recorded || (value.unique() && may_overwrite(value))
                ? std::move(value)
                : copy_of(value);  // nothing else writes into a gradient
  else if (recorded)
    grad_ = run_formula(primitive(Opcode::add), {{&grad_}, {&value}}, Location::current());
  else if (grad_.unique() && may_overwrite(grad_))
    add_into(grad_, value);
  else
    grad_ = run_formula(primitive(Opcode::add), {{&grad_}, {&value}}, Location::current());
}

}  // namespace xgrad
