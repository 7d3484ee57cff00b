// Running a struct op, and the node that records it.
#pragma once

#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <xgrad/autograd/array/diagnostics.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/short_memory.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/op_interface.hpp>

namespace xgrad::detail {

// What every recorded struct op has. The outputs' shapes and what was saved lie after the object.
class RecordedOp : public Node {
 public:
  Shape output_shape(std::size_t k) const override { return shapes_[one_shape_ ? 0 : k]; }
  void release_saved() noexcept override { std::destroy_n(saved_, std::exchange(saved_count_, 0)); }

 protected:
  struct Parts {
    std::span<const AnyTensor* const> inputs;
    std::span<const AnyTensor* const> outputs;
    std::span<SavedValue> saved;
    bool one_shape;  // of all outputs

    Parts(std::span<const AnyTensor* const> in, std::span<const AnyTensor* const> out,
          std::span<SavedValue> kept);
    std::size_t shapes() const { return one_shape ? 1 : outputs.size(); }
    std::size_t bytes() const { return shapes() * sizeof(Shape) + saved.size() * sizeof(SavedValue); }
  };

  // `after`: parts.bytes() of memory.
  RecordedOp(DType dtype, Location at, const Parts& parts, std::byte* after);
  ~RecordedOp() override;

  std::size_t bytes_behind() const { return bytes_behind_; }
  std::size_t input(std::string_view call, std::size_t i) const;
  AnyTensor unpack(std::size_t i, bool recorded);
  void check_gradients(std::size_t count) const;
  void check_recorded(std::size_t i, const AnyTensor& gradient) const;

 private:
  Shape* shapes_;
  SavedValue* saved_;
  std::size_t saved_count_ = 0, bytes_behind_;
  bool one_shape_;
};

/// A recorded struct op.
template <class Op, Real T>
class OpNode final : public RecordedOp {
 public:
  static void record(Op&& op, Location at, std::span<const AnyTensor* const> inputs,
                     std::span<Tensor<T>> outputs, Saver<T>& saver) {
    PoolVector<const AnyTensor*> list;
    const AnyTensor* first = &outputs[0];
    if (outputs.size() > 1) {
      list.reserve(outputs.size());
      for (const Tensor<T>& y : outputs) list.push_back(&y);
    }
    const Parts parts(inputs,
                      outputs.size() > 1 ? std::span<const AnyTensor* const>(list) : std::span(&first, 1),
                      saver.values_);
    auto* memory = static_cast<std::byte*>(allocate(inputs.size(), sizeof(OpNode) + parts.bytes()));
    const auto node =
        Ref<OpNode>::adopt(new (memory) OpNode(std::move(op), at, parts, memory + sizeof(OpNode)));
    for (std::size_t k = 0; k < outputs.size(); ++k) outputs[k].attach(node, static_cast<std::uint32_t>(k));
  }

  std::string_view name() const override { return Op::name; }
  std::string attributes() const override {
    if constexpr (requires { op_.attributes(); }) return op_.attributes();
    return {};
  }

  void backward(std::span<GradientSlot> slots, GradientSink& sink) override {
    const View saved(*this, sink, slots);
    if constexpr (requires { op_.backward(saved, slots, sink); })
      if (!sink.create_graph() && op_.backward(saved, slots, sink)) return;
    Gradients<T> gradients;
    bool values_read = false;
    {
      const SettingScope<&ThreadState::values_read> watched(sink.create_graph() ? &values_read : nullptr);
      const anomaly inside(false);  // what comes of it is checked, under this op's name
      if constexpr (requires(const Tensor<T>& g) { op_.vjp(saved, g); }) {
        const Tensor<T> g(slots[0].value);
        slots[0].value = {};  // so that a vjp that passes it on passes on what may be overwritten
        static_assert(std::convertible_to<decltype(op_.vjp(saved, g)), Gradients<T>>,
                      "xgrad: the vjp of a struct op returns Gradients<T>, one for each input");
        gradients = op_.vjp(saved, g);
      } else if constexpr (requires(std::span<const Tensor<T>> g) { op_.vjp(saved, g); }) {
        std::vector<Tensor<T>, pool::Allocator<Tensor<T>>> g(slots.size());
        for (std::size_t k = 0; k < slots.size(); ++k)
          if (slots[k].value.defined()) g[k] = Tensor<T>(std::move(slots[k].value));
        static_assert(
            std::convertible_to<decltype(op_.vjp(saved, std::span<const Tensor<T>>(g))), Gradients<T>>,
            "xgrad: the vjp of a struct op returns Gradients<T>, one for each input");
        gradients = op_.vjp(saved, std::span<const Tensor<T>>(g));
      } else {
        static_assert(sizeof(Op) == 0,
                      "xgrad: a struct op has `Gradients<T> vjp(const Saved<T>&, const Tensor<T>& gradient) "
                      "const`, or with "
                      "a std::span of gradients for several results");
      }
    }
    check_gradients(gradients.size());
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!sink.wants(i)) continue;
      GradientSlot& slot = gradients[i].slot_;
      if (!slot.value.defined()) continue;
      if (values_read) check_recorded(i, slot.value);
      slot.donated = slot.donated || slot.value.unique();
      sink.add(i, std::move(slot));
    }
  }

 private:
  class View final : public Saved<T> {
   public:
    View(OpNode& node, const GradientSink& sink, std::span<const GradientSlot> slots)
        : node_(node), sink_(sink), donated_(slots[0].donated) {}
    Tensor<T> operator[](std::size_t i) const override {
      return Tensor<T>(node_.unpack(i, sink_.create_graph()));
    }
    bool needs(std::size_t i) const override { return sink_.wants(node_.input("needs", i)); }
    Shape shape(std::size_t i) const override { return sink_.shape(node_.input("shape", i)); }
    bool gradient_donated() const override { return donated_ && !sink_.create_graph(); }
    bool recording() const override { return sink_.create_graph(); }

   private:
    OpNode& node_;
    const GradientSink& sink_;
    bool donated_;
  };

  OpNode(Op&& op, Location at, const Parts& parts, std::byte* after)
      : RecordedOp(dtype_of<T>, at, parts, after), op_(std::move(op)) {}
  void destroy() noexcept override { end(this, bytes_behind()); }

  Op op_;
};

// forward(saver, inputs…) or forward(inputs…), with nothing recorded.
template <Real T, class Op, class... In>
auto run_forward(Op& op, Saver<T>& saver, const In&... in) {
  const no_grad scope;
  const anomaly inside(false);  // the result is checked, under this op's name
  if constexpr (requires { op.forward(saver, in...); })
    return op.forward(saver, in...);
  else
    return op.forward(in...);
}

template <Real T, class Op, class... In>
auto compute_and_record(Op&& op, Location at, std::span<const AnyTensor* const> inputs, const In&... in) {
  const CallSite call(at);
  bool needed = false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i]->defined()) undefined_input(Op::name, i);
    needed = needed || needs_gradient(*inputs[i]);
  }
  const ProfiledOp timed(Op::name);
  Saver<T> saver;
  auto result = run_forward<T>(op, saver, in...);
  constexpr bool single = std::same_as<decltype(result), Tensor<T>>;
  std::span<Tensor<T>> outputs;
  if constexpr (single)
    outputs = {&result, 1};
  else
    outputs = {result.data(), result.size()};
  for (Tensor<T>& y : outputs) {
    if (y.node()) y = y.detach();  // an op that hands an input through
    if (this_thread.anomaly) check_finite(Op::name, y, at, false);
  }
  if (needed && is_recording() && !outputs.empty())
    OpNode<Op, T>::record(std::move(op), at, inputs, outputs, saver);
  return result;
}

// Whether forward takes these inputs, with or without a saver, and what it returns will do.
template <class Op, class T, class... In>
concept ComputesFrom = requires(Op& op, Saver<T>& saver, const In&... in) {
  { op.forward(saver, in...) } -> OpResult<T>;
}
|| requires(Op& op, const In&... in) {
  { op.forward(in...) } -> OpResult<T>;
};

template <Real T, class Op, class... In>
auto apply_to(Op&& op, Location at, std::span<const AnyTensor* const> inputs, const In&... in) {
  static_assert(NamedOp<Op>,
                "xgrad: a struct op has a name: `static constexpr std::string_view name = \"…\";`");
  static_assert(ComputesFrom<Op, T, In...>,
                "xgrad: a struct op has a `forward` that takes the given tensors (a `Saver<T>&` may come "
                "first) and returns "
                "a Tensor<T> or a std::vector of them");
  if constexpr (NamedOp<Op> && ComputesFrom<Op, T, In...>)
    return or_error(Op::name, [&] { return compute_and_record<T>(std::move(op), at, inputs, in...); });
  else
    return Tensor<T>();
}

}  // namespace xgrad::detail
