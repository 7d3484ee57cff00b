// A node of the graph: one recorded op, or a leaf. Nodes point only at what they read.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/location.hpp>
#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {
class GradientSink;
struct GradientSlot;
}  // namespace xgrad

namespace xgrad::detail {

class Node;

/// Where a value came from: output number `output` of `node`. Null for a constant.
struct Edge {
  Ref<Node> node;
  std::uint32_t output = 0;
};

using GradientHook = std::function<AnyTensor(const AnyTensor&)>;

struct NodeHook {
  std::uint32_t output;
  std::uint64_t id;
  GradientHook function;
};

/// A recorded op or a leaf. Its edges lie right before the object, one for each input, empty where no
/// gradient is wanted; what else is of no fixed length, after it.
class Node {
 public:
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  virtual std::string_view name() const = 0;
  virtual Shape output_shape(std::size_t output) const = 0;

  /// Takes the gradients of the outputs (undefined where none came) and sends those of the inputs to `sink`.
  virtual void backward(std::span<GradientSlot> gradients, GradientSink& sink) = 0;

  /// Lets go of what was saved for backward.
  virtual void release_saved() noexcept {}

  /// One line for graph exports: attributes such as axes; may be empty.
  virtual std::string attributes() const { return {}; }

  std::span<Edge> edges() const {
    return {reinterpret_cast<Edge*>(const_cast<Node*>(this)) - inputs_, inputs_};
  }
  std::size_t outputs() const { return outputs_; }
  std::uint64_t sequence() const { return sequence_; }
  std::source_location location() const { return location_; }
  std::uint32_t scope() const { return scope_; }
  /// Where it was recorded, for an error's text: see describe().
  std::string where() const { return describe(location_, scope_); }
  DType dtype() const { return dtype_; }
  bool is_leaf() const { return leaf_; }

  // Few nodes have hooks: they are kept in a table beside, which any thread may ask.
  bool has_hooks() const { return has(hooked); }
  std::vector<NodeHook> hooks() const;
  std::uint64_t add_hook(std::uint32_t output, GradientHook function);
  void remove_hook(std::uint64_t id);

  void retain() { references_.add(); }
  void release() noexcept {
    if (references_.remove()) destroy_chain(this);
  }
  bool unshared() const { return references_.is_one(); }

 protected:
  Node(DType dtype, std::source_location location, std::size_t inputs, std::size_t outputs, bool leaf = false)
      : scope_(this_thread.scope),
        sequence_(++this_thread.sequence),
        location_(location),
        inputs_(static_cast<std::uint32_t>(inputs)),
        outputs_(static_cast<std::uint32_t>(outputs)),
        dtype_(dtype),
        leaf_(leaf) {
    std::uninitialized_value_construct_n(edges().data(), inputs);
    this_thread.count(this_thread.live_nodes, 1);
  }
  virtual ~Node() {
    if (has(hooked)) [[unlikely]]
      forget_hooks();
    std::destroy_n(edges().data(), inputs_);
    this_thread.count(this_thread.live_nodes, -1);
  }

  static constexpr std::uint32_t most_inputs = (1 << 24) - 1, most_outputs = (1 << 20) - 1;
  /// Memory for a node of so many inputs: where the object goes, of which it and what follows it take
  /// `bytes`.
  static void* allocate(std::size_t inputs, std::size_t bytes) {
    return static_cast<Edge*>(pool::allocate(inputs * sizeof(Edge) + bytes, pool::Use::node)) + inputs;
  }
  /// Ends the object and gives its memory back: what `destroy` does.
  template <class N>
  static void end(N* node, std::size_t bytes_behind = 0) noexcept {
    const std::size_t inputs = node->inputs_;
    node->~N();
    pool::deallocate(reinterpret_cast<Edge*>(node) - inputs, inputs * sizeof(Edge) + sizeof(N) + bytes_behind,
                     pool::Use::node);
  }

  /// Makes input `i` that output, and numbers the node after it.
  void connect(std::size_t i, Edge edge) {
    if (!edge.node) return;
    if (edge.node->sequence_ >= sequence_)  // it comes from another thread
      sequence_ = this_thread.sequence = edge.node->sequence_ + 1;
    new (&edges()[i]) Edge(std::move(edge));
  }

  /// Declares that this node's deferred gradients may wait until a node of another kind comes, so that its
  /// like can take theirs in (GradientSink::waiting): for the steps of a loop, which lend what those read
  /// where they hand it on, and give them no `op`.
  void batch_gradients() { batches_ = true; }

  virtual void destroy() noexcept = 0;

 private:
  friend class Engine;
  friend class Pass;
  friend GradientSink;
  friend class Selection;
  [[gnu::cold]] void check_inside_replay() const;
  static void destroy_chain(Node* node) noexcept;
  enum Flag : std::uint8_t { released = 1, hooked = 2 };  // its graph was freed; it has hooks
  bool has(Flag flag) const { return flags_.load(std::memory_order_relaxed) & flag; }
  void set(Flag flag) { flags_.fetch_or(flag, std::memory_order_relaxed); }
  void clear(Flag flag) { flags_.fetch_and(static_cast<std::uint8_t>(~flag), std::memory_order_relaxed); }
  void forget_hooks() noexcept;

  ReferenceCount references_;
  std::uint32_t scope_;
  std::uint64_t sequence_;
  union {
    GradientSlot* slots_ = nullptr;  // while backward is under way: one for each output
    Node* next_dead_;                // while it waits for its end
  };
  std::source_location location_;
  // What a pass or a hook changes is apart from what other threads read meanwhile as they record.
  std::uint32_t inputs_ : 24;
  std::atomic<std::uint8_t> claim_{0};  // see pass.hpp
  std::uint32_t outputs_ : 20;
  DType dtype_ : 2;
  bool leaf_ : 1, batches_ : 1 = false;
  std::atomic<std::uint8_t> flags_{0};
};

/// A tensor whose gradient is wanted: a parameter. Shared by every graph, and thread, that reads it.
class Leaf final : public Node {
 public:
  /// The one of these elements: of another handle to them, or new.
  static Ref<Leaf> of(const AnyTensor& elements);

  std::string_view name() const override { return "leaf"; }
  Shape output_shape(std::size_t) const override { return shape_; }
  void backward(std::span<GradientSlot>, GradientSink&) override {}

  /// Whether any leaf has a hook.
  static bool any_hooked();

  std::atomic<bool> requires_grad{true};
  AnyTensor grad() const;
  void set_grad(AnyTensor value);
  /// Sets the gradient unless it is that already.
  void bind_grad(const AnyTensor& value);

  /// Its longest name in a module: "decoder.out.weight"; empty before any gave it one.
  std::string label() const;
  void set_label(std::string_view name);

  /// The gradient with a recorded one added to it, and after how many changes that was.
  struct Sum {
    AnyTensor value;
    std::uint32_t changes;
  };
  using Sums = std::vector<Sum, pool::Allocator<Sum>>;
  /// Adds a whole backward pass's gradient, in two steps: whatever needs memory is done in the first, so that
  /// the second cannot fail, unless another thread changes the gradient in between. Returns whether it added
  /// a sum for the second one to take.
  bool prepare(AnyTensor& gradient, Sums& sums) const;
  void accumulate(AnyTensor& gradient, Sum* sum);

  /// Inside the function of a Replay: has every run leave this leaf with the gradient that the function
  /// leaves it with. Throws GraphError where one from outside is added to: kernels would do so again and
  /// again.
  void repeat_in_replay(bool adds);

 private:
  Leaf(const Shape& shape, DType dtype);
  void destroy() noexcept override;
  std::unique_lock<std::mutex> locked() const;
  Shape shape_;
  mutable std::mutex mutex_;
  AnyTensor grad_;
  std::string label_;
  std::uint32_t changes_ = 0;  // of grad_
};

/// AnyTensor::requires_grad, where a call would be too much.
inline bool takes_gradient(const Node& node) {
  return !node.is_leaf() || static_cast<const Leaf&>(node).requires_grad.load(std::memory_order_relaxed);
}
inline bool needs_gradient(const AnyTensor& x) { return x.node() && takes_gradient(*x.node()); }

}  // namespace xgrad::detail

inline xgrad::detail::Edge xgrad::AnyTensor::edge() const {
  return {detail::Ref<detail::Node>::share(node_), output_};
}
inline xgrad::detail::Edge xgrad::AnyTensor::take_edge() {
  return {detail::Ref<detail::Node>::adopt(std::exchange(node_, nullptr)), output_};
}
