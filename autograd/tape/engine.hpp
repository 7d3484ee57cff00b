// The backward pass: newest node first, by a heap of creation numbers.
#pragma once

#include <unordered_map>
#include <vector>

#include <xgrad/autograd/tape/leaf_slots.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/autograd/tape/pass.hpp>
#include <xgrad/autograd/tape/selection.hpp>
#include <xgrad/autograd/tape/sink.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::detail {

class Engine {
 public:
  Engine(BackwardOptions options, Location at)
      : options_(options),
        at_(at),
        outer_(this_thread.engine),
        pass_(outer_ ? &outer_->pass_ : nullptr),
        selection_(pass_, outer_ ? &outer_->selection_ : nullptr) {
    this_thread.engine = this;
  }
  Engine(const Engine&) = delete;
  ~Engine();

  /// Gradients of `outputs`, seeded with `seeds`, are added to every leaf that asks for one.
  void backward(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds);

  /// Gradients of `inputs` only, returned; undefined where there is no path.
  std::vector<AnyTensor> grad(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds,
                              std::span<const AnyTensor> inputs);

 private:
  friend GradientSink;
  template <class T>
  using PoolVector = std::vector<T, pool::Allocator<T>>;

  struct Queued {
    std::uint64_t sequence;
    Ref<Node> node;
    bool operator<(const Queued& other) const { return sequence < other.sequence; }
  };
  struct Pending {  // a deferred gradient that waits for others to be taken in
    Edge edge;
    DeferredGradient gradient;
  };

  bool frees_graph() const { return !options_.retain_graph && !options_.create_graph; }

  // The loop.
  void seed(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds);
  void run();
  void visit(Node& node);
  void run_hooks(Node& node, std::span<GradientSlot> slots);
  void free_graph(Node& node);

  // Hooks on leaves, which run as soon as all that will come has come.
  void count_readers();
  void settle_leaves(Node& read_by);
  void run_leaf_hooks();

  // The nodes to visit.
  void enqueue(Ref<Node> node);
  void push(Ref<Node>&& node);
  void claim(Node& node);
  Node* newest() const { return next_ || heap_.empty() ? next_.get() : heap_.front().node.get(); }
  Ref<Node> take_newest();

  // The gradients on their way (sink.cpp): those of a node's outputs hang on the node until its visit.
  GradientSlot* slot(const Edge& edge);
  GradientSlot* take_slots(std::size_t outputs);
  void leave(Node& node, std::size_t outputs) noexcept;
  void add(const Edge& edge, GradientSlot&& gradient, Location at);
  void accumulate(const Edge& edge, GradientSlot&& gradient, Location at);  // the same, inline
  GradientSlot& destination(const Edge& edge, bool& accumulate, GradientSlot* reusable);

  // Deferred gradients.
  Pending* waiting(const Edge& edge);
  void defer(const Edge& edge, DeferredGradient&& gradient);
  void flush_pending();
  void flush(Pending* pending);

  BackwardOptions options_;
  Location at_;
  Engine* outer_;  // the pass of which a hook started this one
  Pass pass_;
  Selection selection_;
  std::span<const AnyTensor> outputs_;
  // Nodes to visit, kept until then: a graph that backward() frees ends after the pass, node by node. The
  // newest of all may stand apart, as next_: most nodes are visited right after the one that sent them their
  // gradient, and so never enter the heap.
  Ref<Node> next_;
  PoolVector<Queued> heap_;
  GradientSlot* free_slot_ = nullptr;  // an empty one, for the next node of one output
  PoolVector<Pending> pending_;
  LeafSlots leaves_;
  PoolVector<Ref<Node>> readers_;                        // claimed to count the edges to hooked leaves
  std::unordered_map<const Node*, std::size_t> unread_;  // hooked leaves: edges to them not yet visited
};

}  // namespace xgrad::detail
