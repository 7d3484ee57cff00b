// Nodes: release without recursion, and hooks.
#include <xgrad/autograd/tape/node.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/core/error.hpp>

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
  if (!has(hooked)) table.hooked_leaves += leaf_;
  set(hooked);
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
  clear(hooked);
}

void Node::forget_hooks() noexcept {
  HookTable& table = hook_table();
  std::vector<NodeHook> forgotten;  // as above
  const std::lock_guard lock(table.mutex);
  const auto entry = table.hooks.find(this);
  forgotten = std::move(entry->second);
  table.hooks.erase(entry);
  table.hooked_leaves -= leaf_;
  clear(hooked);
}

bool Leaf::any_hooked() { return hook_table().hooked_leaves.load(std::memory_order_relaxed) > 0; }

void Node::check_inside_replay() const {
  if (sequence_ <= this_thread.replay->first_sequence())
    throw GraphError(fmt::format(
        "backward: inside the function of a Replay, the pass reaches '{}', which was recorded before it{}; "
        "compute it inside the function, or detach() its result",
        name(), where()));
}

}  // namespace xgrad
