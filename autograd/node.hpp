// A node of the graph: one recorded op, or a leaf. Nodes point only at what they read.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <source_location>
#include <span>
#include <string_view>
#include <vector>

#include "autograd/any_tensor.hpp"
#include "autograd/thread_state.hpp"

namespace xgrad {

class Node;
class GradientSink;

/// Where a value came from: output number `output` of `node`. Null for a constant.
struct Edge {
  Ref<Node> node;
  std::uint32_t output = 0;
};

/// Who may write into a gradient that was handed over.
enum class Ownership : std::uint8_t {
  shared,  ///< others read it: add into a new buffer
  owned,   ///< this region is the receiver's to overwrite; what lies beside it may be another's
};

/// A gradient on its way to one output of a node.
struct GradientSlot {
  AnyTensor value;  // undefined: nothing has come yet
  Ownership ownership = Ownership::shared;
};

using GradientHook = std::function<AnyTensor(const AnyTensor&)>;

struct NodeHook {
  std::uint32_t output;
  std::uint64_t id;
  GradientHook function;
};

class Node {
 public:
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  virtual std::string_view name() const = 0;
  virtual const Shape& output_shape(std::size_t output) const = 0;

  /// Takes the gradients of the outputs (undefined where none came) and sends those of the inputs to `sink`.
  virtual void backward(std::span<GradientSlot> gradients, GradientSink& sink) = 0;

  /// Lets go of what was saved for backward.
  virtual void release_saved() noexcept {}

  /// A region into which the gradient of this output, of several, is best written; undefined: anywhere.
  virtual AnyTensor gradient_home(std::size_t) { return {}; }

  /// One line for graph exports: attributes such as axes; may be empty.
  virtual std::string attributes() const { return {}; }

  std::span<Edge> edges() const { return {edges_, inputs_}; }
  std::size_t outputs() const { return outputs_; }
  std::uint64_t sequence() const { return sequence_; }
  std::source_location location() const { return location_; }
  std::uint32_t scope() const { return scope_; }
  DType dtype() const { return dtype_; }
  bool is_leaf() const { return leaf_; }
  bool has_hooks() const { return hooks_ && !hooks_->empty(); }

  void retain() { references_.add(); }
  void release() noexcept {
    if (references_.remove()) destroy_chain(this);
  }

 protected:
  Node(DType dtype, std::source_location location, std::size_t outputs, bool leaf = false)
      : scope_(this_thread.scope),
        location_(location),
        outputs_(static_cast<std::uint32_t>(outputs)),
        dtype_(dtype),
        leaf_(leaf) {
    this_thread.count(this_thread.live_nodes, 1);
  }
  virtual ~Node() { this_thread.count(this_thread.live_nodes, -1); }

  /// Declares that this node's deferred gradients may wait until a node of another kind comes, so that its
  /// like can take theirs in (GradientSink::waiting): for the steps of a loop, which overwrite nothing that
  /// they or their like handed to the sink.
  void batch_gradients() { batches_ = true; }

  /// Numbers the node after its inputs. To be called once `edges` stand.
  void connect(std::span<Edge> edges);

  /// Ends the object and gives its memory back.
  virtual void destroy() noexcept = 0;

 private:
  friend class Engine;
  friend class GradientSink;
  friend struct NodeHooks;
  static void destroy_chain(Node* node) noexcept;

  ReferenceCount references_;
  std::uint32_t scope_;
  std::uint64_t sequence_ = 0;
  union {
    GradientSlot* slots_ = nullptr;  // while backward is under way: one for each output
    Node* next_dead_;                // while it waits for its end
  };
  std::source_location location_;
  std::unique_ptr<std::vector<NodeHook>> hooks_;
  Edge* edges_ = nullptr;
  std::uint32_t inputs_ = 0, outputs_ : 27;  // a split over time has as many outputs as steps
  DType dtype_ : 1;
  bool leaf_ : 1, released_ : 1 = false, wanted_ : 1 = false, batches_ : 1 = false;
};

/// A tensor whose gradient is wanted: a parameter. Shared by every graph, and thread, that reads it.
class Leaf final : public Node {
 public:
  static Ref<Leaf> make(const Shape& shape, DType dtype);

  std::string_view name() const override { return "leaf"; }
  const Shape& output_shape(std::size_t) const override { return shape_; }
  void backward(std::span<GradientSlot>, GradientSink&) override {}

  std::atomic<bool> requires_grad{true};
  AnyTensor grad() const;
  void set_grad(AnyTensor value);
  /// Sets the gradient unless it is that already.
  void bind_grad(const AnyTensor& value);

  /// Adds a whole backward pass's gradient.
  void accumulate(GradientSlot slot);

 private:
  Leaf(const Shape& shape, DType dtype);
  void destroy() noexcept override;
  std::unique_lock<std::mutex> locked() const;
  Shape shape_;
  mutable std::mutex mutex_;
  AnyTensor grad_;
};

inline void Node::connect(std::span<Edge> edges) {
  edges_ = edges.data();
  inputs_ = static_cast<std::uint32_t>(edges.size());
  std::uint64_t& next = this_thread.sequence;
  for (const Edge& edge : edges)
    if (edge.node) next = std::max(next, edge.node->sequence_);  // it may come from another thread
  sequence_ = ++next;
}

inline Edge AnyTensor::edge() const { return {Ref<Node>::share(node_), output_}; }
inline Edge AnyTensor::take_edge() { return {Ref<Node>::adopt(std::exchange(node_, nullptr)), output_}; }

/// AnyTensor::requires_grad, where a call would be too much.
inline bool takes_gradient(const Node& node) {
  return !node.is_leaf() || static_cast<const Leaf&>(node).requires_grad.load(std::memory_order_relaxed);
}
inline bool needs_gradient(const AnyTensor& x) { return x.node() && takes_gradient(*x.node()); }

}  // namespace xgrad
