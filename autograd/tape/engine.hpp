// The backward pass: newest node first, by a heap of creation numbers.
#pragma once

#include <deque>
#include <limits>
#include <vector>

#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/autograd/tape/sink.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

class Engine {
 public:
  Engine(BackwardOptions options, Location at)
      : options_(options), at_(at), outer_(std::exchange(this_thread.engine, this)) {}
  Engine(const Engine&) = delete;
  ~Engine();

  /// Gradients of `outputs`, seeded with `seeds`, are added to every leaf that asks for one.
  void backward(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds);

  /// Gradients of `inputs` only, returned; undefined where there is no path.
  std::vector<AnyTensor> grad(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds,
                              std::span<const AnyTensor> inputs);

 private:
  friend class GradientSink;
  template <class T>
  using PoolVector = std::vector<T, pool::Allocator<T>>;

  struct LeafSlot {
    explicit LeafSlot(Ref<Leaf> of) : leaf(std::move(of)) {}
    Ref<Leaf> leaf;
    GradientSlot slot;
  };
  struct Capture {
    Ref<Node> node;
    std::uint32_t output;
    std::size_t index;
  };
  static const Node* node_of(const Capture& capture) { return capture.node.get(); }
  struct Queued {
    std::uint64_t sequence;
    Ref<Node> node;
    bool operator<(const Queued& other) const { return sequence < other.sequence; }
  };
  struct Pending {  // a deferred gradient that waits for others to be taken in
    Edge edge;
    DeferredGradient gradient;
  };

  bool wants(const Edge& edge) const;
  bool may_lead_to_input(const Node& node) const;
  GradientSlot* slot(const Edge& edge);
  GradientSlot& leaf_slot(Leaf* leaf);
  std::size_t place_of(const Leaf* leaf) const;
  void hide_outer_marks();
  void find_wanted(std::span<const AnyTensor> outputs, std::span<const AnyTensor> inputs);
  void seed(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds);
  void run();
  void enqueue(Ref<Node> node);
  void push(Ref<Node> node);
  Node* newest() const { return next_ || heap_.empty() ? next_.get() : heap_.front().node.get(); }
  Ref<Node> take_newest();
  void visit(Node& node);
  void free_graph(Node& node);
  GradientSlot& destination(const Edge& edge, bool& accumulate, GradientSlot* spare);
  Pending* waiting(const Edge& edge);
  void defer(const Edge& edge, DeferredGradient&& gradient);
  void carry_out(const Edge& edge, const DeferredGradient& gradient);
  void carry_out_pending();
  void carry_out_last();
  bool may_wait(const Node& next) const;
  void run_hooks(Node& node, std::span<GradientSlot> slots);
  void capture(const Node& node, std::span<GradientSlot> slots);
  std::span<const Capture> captures_of(const Node& node) const;
  GradientSlot* take_slots(std::size_t outputs);
  void free_slots(Node& node, std::size_t outputs) noexcept;

  BackwardOptions options_;
  Location at_;
  Engine* outer_;           // the pass of which a hook started this one
  bool selective_ = false;  // grad(): only towards the inputs
  std::uint64_t oldest_input_ = std::numeric_limits<std::uint64_t>::max();  // of grad()
  std::span<const AnyTensor> outputs_;
  // Nodes to visit, kept until then: a graph that backward() frees ends behind the pass, node by node. The
  // newest of all may stand apart, as next_: most nodes are visited right after the one that sent them their
  // gradient, and so never enter the heap.
  Ref<Node> next_;
  PoolVector<Queued> heap_;
  GradientSlot* spare_ = nullptr;  // an empty one, for the next node of one output
  PoolVector<Pending> pending_;
  std::deque<LeafSlot, pool::Allocator<LeafSlot>> leaves_;  // slots stay where they are
  PoolVector<std::uint32_t> leaf_index_;  // open addressing by address: place in leaves_, plus one
  PoolVector<Ref<Node>> visited_;         // by find_wanted
  PoolVector<Ref<Node>> hidden_;          // marked by a pass around this one
  PoolVector<Capture> captures_;          // by node
  std::vector<AnyTensor> captured_;
};

}  // namespace xgrad
