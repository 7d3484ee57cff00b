// Where a node's backward leaves the gradients of its inputs; owns accumulation and the reduction of
// broadcasts.
#pragma once

#include <xgrad/autograd/tape/node.hpp>

namespace xgrad {

/// An array handed on: a gradient on its way to one output of a node, or to an input.
struct GradientSlot {
  AnyTensor value;       ///< undefined: nothing has come yet
  bool donated = false;  ///< whether its new holder may overwrite it: this region, not what lies beside it
};
/// The array as a gradient that its receiver may overwrite.
inline GradientSlot donate(AnyTensor x) { return {std::move(x), true}; }

namespace detail {
/// A gradient that waits for more of its kind: `write` computes it of `a` and `b` into `into`, or adds it
/// to what is there.
struct DeferredGradient {
  void (*write)(const DeferredGradient&, AnyTensor& into, bool accumulate);
  AnyTensor a, b;
};
}  // namespace detail

/// Where the backward of a node or of a struct op leaves the gradients of its inputs.
class GradientSink {
 public:
  /// Whether the gradient of input `i` is wanted.
  bool wants(std::size_t i) const {
    return selective_ ? selected(i) : edge(i).node && detail::takes_gradient(*edge(i).node);
  }
  Shape shape(std::size_t i) const { return edge(i).node->output_shape(edge(i).output); }
  bool create_graph() const { return create_graph_; }
  /// Whether this visit is the node's last: what it saved is donated.
  bool saved_donated() const { return frees_graph_; }

  /// Hands over the gradient of input `i`, which is wanted: of its shape, or of one that it broadcasts to,
  /// which is summed.
  void add(std::size_t i, GradientSlot&& gradient);
  /// Not for create_graph.
  void add(std::size_t i, detail::DeferredGradient&& gradient);

  /// The deferred gradient for the place of input `i` that waits there, for nodes that `batch_gradients` to
  /// take their own into; null where none does.
  detail::DeferredGradient* waiting(std::size_t i);

  /// Where the gradient of input `i` accumulates. The caller writes into its value at once, and adds to what
  /// is there where `accumulate` comes back true; nothing more is to be done. Not for create_graph.
  /// `reusable`: a gradient of the same shape whose buffer may become this one's.
  GradientSlot& destination(std::size_t i, bool& accumulate, GradientSlot* reusable = nullptr);

  /// Has `f(into, accumulate)` write the gradient of input `i` there, or add it to what is there; nothing
  /// where it is not wanted. Not for create_graph.
  template <class F>
  void write(std::size_t i, F f) {
    if (!wants(i)) return;
    bool accumulate = false;
    AnyTensor& into = destination(i, accumulate).value;
    f(into, accumulate);
    if (detail::this_thread.anomaly) check(into);
  }

  /// Whether two inputs accumulate in the same place.
  bool same_target(std::size_t i, std::size_t j) const {
    return edge(i).node.get() == edge(j).node.get() && edge(i).output == edge(j).output;
  }

 private:
  friend detail::Engine;
  GradientSink(detail::Engine& engine, detail::Node& node, bool create_graph, bool frees_graph,
               bool selective)
      : engine_(engine),
        node_(node),
        create_graph_(create_graph),
        frees_graph_(frees_graph),
        selective_(selective) {}
  bool selected(std::size_t i) const;
  void check(const AnyTensor& gradient) const;
  const detail::Edge& edge(std::size_t i) const { return node_.edges()[i]; }

  detail::Engine& engine_;
  detail::Node& node_;
  bool create_graph_, frees_graph_, selective_;  // selective: only towards some inputs
};

}  // namespace xgrad
