// The backward pass of a formula: one fused loop, or recorded ops under create_graph.
#include <xgrad/autograd/tape/formula_node.hpp>

#include <fmt/format.h>

#include <vector>

#include <xgrad/autograd/array/diagnostics.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/structural.hpp>

namespace xgrad::detail {

void FormulaNode::destroy() noexcept {
  std::destroy_n(first_tensor(), parts_.tensors);
  end(this, parts_.bytes_behind);
}

void FormulaNode::release_saved() noexcept {
  std::destroy_n(first_tensor(), std::exchange(parts_.tensors, std::uint8_t{0}));
}

void FormulaNode::throw_changed(const SavedTensor& saved) {
  const bool input = saved.leaf < info_.inputs;
  throw GraphError(
      fmt::format("backward of '{}': {} {}, of shape {}, was changed in place after the op saved it{}; "
                  "compute with clone() of it, "
                  "or change it after backward",
                  info_.name, input ? "input" : "result", input ? saved.leaf : saved.leaf - info_.inputs,
                  to_string(saved_shape(saved)), where()));
}

void FormulaNode::backward(std::span<GradientSlot> gradients, GradientSink& sink) {
  std::uint32_t wanted = 0;
  for_each_bit(info_.differentiable, [&](int k) {
    if (sink.wants(static_cast<std::size_t>(k))) wanted |= 1u << k;
  });
  if (!wanted) return;
  bool recorded = sink.create_graph();
  for (int k = 0; k < info_.kept; ++k)  // what came of a second derivative
    recorded = recorded || gradients[static_cast<std::size_t>(info_.outputs + k)].value.defined();
  if (recorded) return backward_recorded(gradients, sink, wanted);
  const std::uint32_t passed = passed_on(sink, wanted);
  if (const std::uint32_t computed = wanted & ~passed)
    parts_.alike ? run_adjoint<FlatLoop>(gradients, sink, computed, passed == 0)
                 : run_adjoint<LoopPlan>(gradients, sink, computed, passed == 0);
  if (passed) pass_on(gradients, sink, passed);
}

// The inputs whose gradient is that of an output as it is.
std::uint32_t FormulaNode::passed_on(const GradientSink& sink, std::uint32_t wanted) {
  std::uint32_t passed = wanted & info_.passing;
  if (!parts_.alike)
    for_each_bit(passed, [&](int k) {
      if (!is_whole(k, sink)) passed &= ~(1u << k);
    });
  return passed;
}

void FormulaNode::pass_on(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t passed) {
  for (; passed; passed &= passed - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(passed));
    GradientSlot& slot = gradients[static_cast<std::size_t>(info_.passes[i])];
    if (!slot.value.defined()) continue;
    const bool last = (passed & (passed - 1)) == 0;
    if (!last) slot.donated = false;
    last ? sink.add(i, std::move(slot)) : sink.add(i, {slot.value});
  }
}

// Where the adjoint loop leaves the gradients of the inputs; sets of inputs have a bit for each.
class FormulaNode::Targets {
 public:
  struct Target {
    GradientSlot* slot;
    bool accumulate;
    bool free_tail;  // what lies after it may be overwritten
  };

  Target& operator[](int k) { return targets_[static_cast<std::size_t>(k)]; }
  bool in_loop(int k) const { return (direct | apart) >> k & 1; }

  GradientSlot* make_apart(const Shape& shape, DType dtype) {
    if (slots_apart_.empty()) slots_apart_.reserve(max_inputs);
    return &slots_apart_.emplace_back(donate(AnyTensor::empty(shape, dtype)));
  }

  std::uint32_t direct = 0;  // written where the engine accumulates them
  std::uint32_t apart =
      0;  // into a buffer of their own, then added: one loop must not write to one place twice
  std::uint32_t twins = 0;  // the same expression as an earlier one

 private:
  std::array<Target, max_inputs> targets_;  // uninitialised but for those in the loop
  std::vector<GradientSlot, pool::Allocator<GradientSlot>> slots_apart_;
};

void FormulaNode::find_targets(Targets& targets, GradientSink& sink, std::uint32_t wanted,
                               GradientSlot* reusable) {
  for_each_bit(wanted, [&](int k) {
    const auto i = static_cast<std::size_t>(k);
    const bool whole = is_whole(k, sink);
    bool taken = false;
    if (targets.direct) {  // there are others before it
      if (join_earlier(targets, k, sink, wanted)) return;
      for (int j = 0; j < k; ++j)
        taken = taken || (targets.in_loop(j) && sink.same_target(i, static_cast<std::size_t>(j)));
    }
    (taken ? targets.apart : targets.direct) |= 1u << k;
    Targets::Target& target = targets[k];
    target.accumulate = false;
    target.slot = taken ? targets.make_apart(sink.shape(i), dtype())
                        : &sink.destination(i, target.accumulate, whole ? reusable : nullptr);
    AnyTensor& buffer = target.slot->value;
    const bool overwrites = reusable && !reusable->value.defined();  // a gradient that the loop still reads
    if (overwrites) reusable = nullptr;
    target.free_tail = !target.accumulate && (parts_.alike || !overwrites) && buffer.owns_tail();
    if (whole || target.accumulate || blocks_fill(k, buffer, wanted)) return;
    buffer.fill_zero();
    target.accumulate = true;
  });
}

// Whether the gradient of input k needs no target of its own, for an earlier input's will do.
bool FormulaNode::join_earlier(Targets& targets, int k, const GradientSink& sink, std::uint32_t wanted) {
  const auto i = static_cast<std::size_t>(k);
  if (const int twin = info_.same_as[i];
      twin < k && targets.direct >> twin & 1 && !targets[twin].accumulate && is_whole(k, sink) &&
      is_whole(twin, sink) && !sink.same_target(i, static_cast<std::size_t>(twin))) {
    targets.twins |= 1u << k;
    return true;
  }
  const int first = block(k).first;
  if (first == k || !targets.in_loop(first) || repeats_block(k, wanted)) return false;
  targets[k] = targets[first];
  targets.direct |= 1u << k;
  return true;
}

// Whether the loop writes every element of the gradient that argument k is the first block of.
bool FormulaNode::blocks_fill(int k, const AnyTensor& buffer, std::uint32_t wanted) {
  std::uint32_t filled = 0;
  for (int j = k; j < info_.inputs; ++j)
    if (block(j).first == k && (wanted >> j & 1)) filled |= 1u << block(j).block;
  return block(k).first == k && filled + 1 == 1u << block(k).blocks &&
         block_shape(buffer.shape(), block(k).blocks) == shape();
}

// Whether an earlier argument is the same block of the same tensor.
bool FormulaNode::repeats_block(int k, std::uint32_t wanted) {
  for (int j = block(k).first; j < k; ++j)
    if (block(j).first == block(k).first && block(j).block == block(k).block && (wanted >> j & 1))
      return true;
  return false;
}

template <class Plan>
void FormulaNode::lay_leaves(Plan& plan, std::span<const GradientSlot> gradients) {
  const int first_gradient = info_.leaf_gradient(0);
  std::uint64_t rest = bit(first_gradient) - 1;
  for (const SavedTensor& saved : saved_tensors()) {
    check_unchanged(saved);
    if (in_replay()) [[unlikely]]
      hold_in_replay(saved.storage.get());
    const std::byte* data =
        saved.storage->data() + saved.offset * static_cast<std::int64_t>(size_of(dtype()));
    if constexpr (std::same_as<Plan, FlatLoop>) {
      plan.input(saved.leaf, data);
    } else {
      const BlockArgument b = saved.leaf < info_.inputs ? block(saved.leaf) : BlockArgument{};
      plan.input(saved.leaf, data, saved_shape(saved), dtype(), b.block, b.blocks);
    }
    rest &= ~bit(saved.leaf);
  }
  for (const SavedNumber& saved : saved_numbers()) {
    plan.number(static_cast<int>(saved.leaf), lasting(saved.cell));
    rest &= ~bit(static_cast<int>(saved.leaf));
  }
  for_each_bit(rest, [&](int leaf) { plan.number(leaf, zero_cell.bytes); });
  for (int k = 0; k < info_.outputs; ++k) {
    const AnyTensor& g = gradients[static_cast<std::size_t>(k)].value;
    g.defined() ? plan.input(first_gradient + k, g) : plan.number(first_gradient + k, zero_cell.bytes);
  }
}

// The only wanted gradient.
void FormulaNode::run_to_one(FlatLoop& loop, int k, GradientSink& sink, GradientSlot* reusable) {
  for (int j = 0; j < info_.inputs; ++j) loop.no_output(j);
  bool accumulate = false;
  AnyTensor& into = sink.destination(static_cast<std::size_t>(k), accumulate, reusable).value;
  loop.output(k, into, 0, 1, accumulate, !accumulate && into.owns_tail());
  info_.run_backward(dtype(), loop.finish());
  if (this_thread.anomaly) check_finite(info_.name, into, location(), true);
}

// Every wanted gradient in one loop over the outputs' shape, each into the buffer where it accumulates; with
// `overwrite`, one of them over a gradient that only this node still needs.
template <class Plan>
void FormulaNode::run_adjoint(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted,
                              bool overwrite) {
  Constants merged;
  Plan plan(extents(), constants(*info_.adjoint, merged));
  lay_leaves(plan, gradients);
  const auto ours = [](const GradientSlot& g) {
    return g.value.defined() && g.donated;
  };
  const auto found = overwrite ? std::ranges::find_if(gradients, ours) : gradients.end();
  GradientSlot* const reusable = found != gradients.end() ? &*found : nullptr;
  if constexpr (std::same_as<Plan, FlatLoop>)
    if ((wanted & (wanted - 1)) == 0) return run_to_one(plan, std::countr_zero(wanted), sink, reusable);
  Targets targets;
  find_targets(targets, sink, wanted, reusable);
  for (int k = 0; k < info_.inputs; ++k) {
    const Targets::Target& t = targets[k];
    if (targets.in_loop(k))
      plan.output(k, t.slot->value, block(k).block, block(k).blocks, t.accumulate, t.free_tail);
    else
      plan.no_output(k);
  }
  info_.run_backward(dtype(), plan.finish());
  if (this_thread.anomaly)
    for_each_bit(targets.direct,
                 [&](int k) { check_finite(info_.name, targets[k].slot->value, location(), true); });
  // Twins first: what is added afterwards may go to the place that they share.
  for_each_bit(targets.twins, [&](int k) {
    GradientSlot& first = *targets[info_.same_as[static_cast<std::size_t>(k)]].slot;
    first.donated = false;
    sink.add(static_cast<std::size_t>(k), {first.value});
  });
  for_each_bit(targets.apart, [&](int k) {
    sink.add(static_cast<std::size_t>(k), donate(std::move(targets[k].slot->value)));
  });
}

AnyTensor FormulaNode::recorded_leaf(int leaf, std::span<GradientSlot> gradients) {
  const int g = leaf - info_.leaf_gradient(0), count = static_cast<int>(gradients.size());
  if (g >= count)
    return AnyTensor::full({}, dtype(), gradients[static_cast<std::size_t>(g - count)].value.defined());
  if (g >= 0) {
    const AnyTensor& value = gradients[static_cast<std::size_t>(g)].value;
    return value.defined() ? value : AnyTensor::zeros(shape(), dtype());
  }
  for (const SavedNumber& saved : saved_numbers())
    if (saved.leaf == leaf) return AnyTensor::full({}, dtype(), saved.cell.value(dtype()));
  const SavedTensor& saved = *std::ranges::find(saved_tensors(), leaf, &SavedTensor::leaf);
  check_unchanged(saved);
  AnyTensor value(saved.storage, saved.offset, saved_shape(saved));
  if (leaf < info_.inputs) {
    const Edge& edge = edges()[static_cast<std::size_t>(leaf)];
    if (edge.node) value.attach(edge.node, edge.output);
    if (block(leaf).blocks > 1)
      value = column_block(value, block(leaf).block, block(leaf).blocks, location());
  } else {
    value.attach(Ref<Node>::share(this), static_cast<std::uint32_t>(leaf - info_.inputs));
  }
  return value;
}

// The adjoint program run with recorded ops: what makes gradients of gradients.
void FormulaNode::backward_recorded(std::span<GradientSlot> gradients, GradientSink& sink,
                                    std::uint32_t wanted) {
  std::uint64_t reads = 0;
  for (int k = 0; k < info_.inputs; ++k)
    if (wanted & (1u << k)) reads |= info_.reads[static_cast<std::size_t>(k)];
  std::vector<AnyTensor> leaves(static_cast<std::size_t>(info_.recorded_adjoint->inputs));
  for (int leaf = 0; leaf < info_.recorded_adjoint->inputs; ++leaf)
    if (reads & bit(leaf)) leaves[static_cast<std::size_t>(leaf)] = recorded_leaf(leaf, gradients);
  Constants merged;
  const Program& adjoint = *info_.recorded_adjoint;
  auto results = evaluate(adjoint, leaves, dtype(), constants(adjoint, merged), location(), wanted);
  for (int k = 0; k < info_.inputs; ++k) {
    if (!(wanted & (1u << k))) continue;
    const auto i = static_cast<std::size_t>(k);
    AnyTensor gradient = std::move(results[i]);
    const BlockArgument argument = block(k);
    if (gradient.shape() != shape()) gradient = broadcast_to(gradient, shape(), location());
    if (argument.blocks > 1) {
      Shape own = sink.shape(i);
      own.set(own.rank() - 1, own.back() / argument.blocks);
      gradient =
          from_column_block(sum_to(gradient, own, location()), argument.block, argument.blocks, location());
    }
    sink.add(i, {std::move(gradient)});
  }
}

}  // namespace xgrad::detail
