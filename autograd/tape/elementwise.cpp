// Formulas on tensors: computing, recording, and the backward pass.
#include <xgrad/autograd/tape/elementwise.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/formula/loop_plan.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/array/schedule.hpp>
#include <xgrad/autograd/tape/sink.hpp>

namespace xgrad {

namespace {

constexpr int max_inputs = FormulaInfo::max_inputs;
constexpr std::uint64_t bit(int k) { return std::uint64_t{1} << k; }

// Calls f(k) for each bit k that is set, lowest first.
template <class F>
void for_each_bit(std::uint64_t bits, F f) {
  for (; bits; bits &= bits - 1) f(std::countr_zero(bits));
}

std::uint8_t count_bits(std::uint64_t bits) {  // few: cheaper than std::popcount without the instruction
  std::uint8_t n = 0;
  for_each_bit(bits, [&](int) { ++n; });
  return n;
}

Shape block_shape(const Shape& whole, int blocks) {
  Shape shape = whole;
  if (blocks > 1) shape.set(shape.rank() - 1, shape.back() / blocks);
  return shape;
}

// A number in the element type, where a loop can read it.
struct NumberCell {
  alignas(8) std::byte bytes[8];
  void set(double value, DType dtype) {
    if (dtype == DType::float32)
      new (bytes) float(static_cast<float>(value));
    else
      new (bytes) double(value);
  }
  double value(DType dtype) const {
    return dtype == DType::float32 ? static_cast<double>(*reinterpret_cast<const float*>(bytes))
                                   : *reinterpret_cast<const double*>(bytes);
  }
};
constexpr NumberCell zero_cell{};

// Where the cell's number lies, for a loop to be run now, or again in a Replay.
const std::byte* lasting(const NumberCell& cell) {
  if (!this_thread.schedule) [[likely]]
    return cell.bytes;
  return static_cast<const std::byte*>(this_thread.schedule->keep(cell.bytes, sizeof cell.bytes));
}

Shape common_shape(const FormulaInfo& info, std::span<const FormulaArgument> arguments) {
  Shape shape;
  for (const FormulaArgument& a : arguments) {
    if (!a.tensor) continue;
    if (!a.tensor->defined())
      throw ValueError(
          fmt::format("{}: an operand is undefined (a default-constructed tensor, a gradient before any "
                      "backward, or a module without parameters); give it a value first",
                      info.name));
    if (a.blocks > 1 && (a.tensor->rank() == 0 || a.tensor->shape().back() % a.blocks != 0))
      throw ShapeError(fmt::format("{}: the last axis of {} does not divide into {} equal blocks", info.name,
                                   to_string(a.tensor->shape()), a.blocks));
    shape = broadcast(info.name, shape, block_shape(a.tensor->shape(), a.blocks));
  }
  return shape;
}

// A formula's arguments, and what one look at them tells; sets of arguments have a bit for each. `count`: how
// many arguments, where that is known to the compiler.
template <std::size_t count>
struct Call {
  Call(const FormulaInfo& formula, std::span<const FormulaArgument, count> given, Location where)
      : info(formula), arguments(given), at(where) {
    const bool recording = is_recording();
    const AnyTensor* some = nullptr;
    for (std::size_t k = 0; k < arguments.size(); ++k) {
      const FormulaArgument& a = arguments[k];
      if (!a.tensor) {
        numbers |= 1u << k;
        continue;
      }
      if (!some) some = a.tensor;
      alike = alike && a.blocks == 1 && a.tensor->defined() &&
              (a.tensor == some || a.tensor->shape() == some->shape());
      blocked = blocked || a.blocks > 1;
      if (a.expiring && is_once(k)) expiring |= 1u << k;
      if (!recording || !needs_gradient(*a.tensor)) continue;
      wanted |= 1u << k;
      reads |= info.reads[k];
    }
    if (!alike) common = common_shape(info, arguments);
    shape = alike ? &some->shape() : &common;
    dtype = some->dtype();
    reads &= bit(info.leaf_gradient(0)) - 1;
  }
  Call(const Call&) = delete;

  AnyTensor& temporary(std::size_t k) const { return const_cast<AnyTensor&>(*arguments[k].tensor); }

  const FormulaInfo& info;
  std::span<const FormulaArgument, count> arguments;
  Location at;
  const Shape* shape;  // of the outputs
  DType dtype;
  bool alike = true;                      // every tensor has this shape and is read whole
  bool blocked = false;                   // some tensor is read in column blocks
  std::uint32_t numbers = 0, wanted = 0;  // arguments that are numbers; whose gradients are to be had
  std::uint32_t expiring = 0;             // temporaries that no other argument is, too
  std::uint64_t reads = 0;                // leaves of the adjoint that backward will read, gradients aside

 private:
  Shape common;  // of tensors that are not alike

  bool is_once(std::size_t k) const {
    for (std::size_t j = 0; j < arguments.size(); ++j)
      if (j != k && arguments[j].tensor == arguments[k].tensor) return false;
    return true;
  }
};

// What backward reads of one leaf of the adjoint: a tensor of forward, or a number. A tensor's shape is the
// node's, or where those differ stands apart.
struct SavedTensor {
  Ref<Storage> storage;
  std::int64_t offset;
  std::uint32_t version;
  std::int32_t leaf;
};
struct SavedNumber {
  NumberCell cell;
  std::int64_t leaf;
};

// An argument that is a column block, and the first argument that is a block of the same tensor.
struct BlockArgument {
  std::uint8_t block = 0, blocks = 1, first = 0;
};

// A recorded formula. Behind the object: its extents, saved tensors, saved numbers, then, where there are
// any, the saved tensors' shapes, captured constants and the block arguments.
class FormulaNode final : public Node {
 public:
  template <std::size_t count>
  static Ref<FormulaNode> make(const Call<count>& call, std::span<const AnyTensor> outputs,
                               std::span<const AnyTensor> kept, const double* captured);

  std::string_view name() const override { return info_.name; }
  Shape output_shape(std::size_t) const override { return shape(); }
  void backward(std::span<GradientSlot> gradients, GradientSink& sink) override;
  void release_saved() noexcept override;

 private:
  // What decides the layout.
  struct Parts {
    std::uint8_t rank, tensors, numbers;
    bool alike, captured, blocked;
    std::uint16_t bytes_behind = 0;  // the object
  };

  FormulaNode(const auto& call, Parts parts)
      : Node(call.dtype, call.at, call.arguments.size(),
             static_cast<std::size_t>(call.info.outputs + call.info.kept)),
        parts_(parts),
        info_(call.info) {
    const std::uint32_t* const from = call.shape->begin();
    auto* const to = reinterpret_cast<std::uint32_t*>(this + 1);
    std::copy_n(from, 2, to);  // by one instruction
    if (parts.rank > 2) [[unlikely]]
      std::copy_n(from + 2, parts.rank - 2, to + 2);
  }
  void destroy() noexcept override;

  // Two extents at least, and as many as keep what follows at multiples of 8.
  static std::size_t extent_bytes(Parts parts) {
    return sizeof(std::uint64_t) * (parts.rank > 2 ? (parts.rank + 1) / 2 : 1);
  }
  static std::uint16_t bytes_behind(const FormulaInfo& info, Parts parts) {
    std::size_t bytes =
        extent_bytes(parts) + parts.tensors * sizeof(SavedTensor) + parts.numbers * sizeof(SavedNumber);
    if (!parts.alike) bytes += parts.tensors * sizeof(Shape);
    if (parts.captured) bytes += static_cast<std::size_t>(info.adjoint->captured) * sizeof(double);
    if (parts.blocked) bytes += static_cast<std::size_t>(info.inputs) * sizeof(BlockArgument);
    return static_cast<std::uint16_t>(bytes);
  }

  // The arrays behind the object, in this order; once release_saved has run, the extents only.
  std::span<const std::uint32_t> extents() const {
    return {reinterpret_cast<const std::uint32_t*>(this + 1), parts_.rank};
  }
  SavedTensor* first_tensor() {
    return reinterpret_cast<SavedTensor*>(reinterpret_cast<std::byte*>(this + 1) + extent_bytes(parts_));
  }
  SavedNumber* first_number() { return reinterpret_cast<SavedNumber*>(first_tensor() + parts_.tensors); }
  Shape* first_shape() { return reinterpret_cast<Shape*>(first_number() + parts_.numbers); }
  double* first_constant() {
    return reinterpret_cast<double*>(first_shape() + (parts_.alike ? 0 : parts_.tensors));
  }
  BlockArgument* first_block() {
    return reinterpret_cast<BlockArgument*>(first_constant() +
                                            (parts_.captured ? info_.adjoint->captured : 0));
  }

  Shape shape() const { return Shape(extents()); }  // of every output
  std::span<SavedTensor> saved_tensors() { return {first_tensor(), parts_.tensors}; }
  std::span<SavedNumber> saved_numbers() { return {first_number(), parts_.numbers}; }
  Shape saved_shape(const SavedTensor& saved) {
    return parts_.alike ? shape() : first_shape()[&saved - first_tensor()];
  }
  using Constants = std::array<double, Program::max_constants>;
  const double* constants(const Program& adjoint, Constants& merged) {
    if (!parts_.captured) return adjoint.constants.data();
    merged = adjoint.constants;
    std::copy_n(first_constant(), adjoint.captured, merged.data());
    return merged.data();
  }
  BlockArgument block(int k) {
    return parts_.blocked ? first_block()[k] : BlockArgument{0, 1, static_cast<std::uint8_t>(k)};
  }

  void save(const auto& call, std::span<const AnyTensor> outputs, std::span<const AnyTensor> kept);
  void save_blocks(const auto& call);
  void check_unchanged(const SavedTensor& saved) {
    if (saved.storage->version() != saved.version) [[unlikely]]
      throw_changed(saved);
  }
  [[noreturn]] void throw_changed(const SavedTensor& saved);

  class Targets;
  std::uint32_t passed_on(const GradientSink& sink, std::uint32_t wanted);
  void pass_on(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t passed);
  template <class Plan>
  void run_adjoint(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted,
                   bool overwrite);
  template <class Plan>
  void lay_leaves(Plan& plan, std::span<const GradientSlot> gradients);
  void run_to_one(FlatLoop& loop, int k, GradientSink& sink, GradientSlot* spare);
  void find_targets(Targets& targets, GradientSink& sink, std::uint32_t wanted, GradientSlot* spare);
  bool join_earlier(Targets& targets, int k, const GradientSink& sink, std::uint32_t wanted);
  bool blocks_fill(int k, const AnyTensor& buffer, std::uint32_t wanted);
  bool repeats_block(int k, std::uint32_t wanted);
  bool is_whole(int k, const GradientSink& sink) {
    return parts_.alike || (block(k).blocks == 1 && sink.shape(static_cast<std::size_t>(k)) == shape());
  }
  void backward_recorded(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted);
  AnyTensor recorded_leaf(int leaf, std::span<GradientSlot> gradients);

  Parts parts_;
  const FormulaInfo& info_;
};

template <std::size_t count>
Ref<FormulaNode> FormulaNode::make(const Call<count>& call, std::span<const AnyTensor> outputs,
                                   std::span<const AnyTensor> kept, const double* captured) {
  Parts parts{.rank = static_cast<std::uint8_t>(call.shape->rank()),
              .tensors = count_bits(call.reads & ~std::uint64_t{call.numbers}),
              .numbers = count_bits(call.reads & call.numbers),
              .alike = call.alike,
              .captured = captured != nullptr,
              .blocked = call.blocked};
  parts.bytes_behind = bytes_behind(call.info, parts);
  auto* node = new (allocate(call.arguments.size(), sizeof(FormulaNode) + parts.bytes_behind))
      FormulaNode(call, parts);
  for (std::size_t k = 0; k < call.arguments.size(); ++k)
    if (call.wanted >> k & 1)
      node->connect(
          k, call.expiring >> k & 1 ? call.temporary(k).take_edge() : call.arguments[k].tensor->edge());
  node->save(call, outputs, kept);
  if (captured) std::copy_n(captured, call.info.adjoint->captured, node->first_constant());
  if (call.blocked) node->save_blocks(call);
  return Ref<FormulaNode>::adopt(node);
}

void FormulaNode::save(const auto& call, std::span<const AnyTensor> outputs,
                       std::span<const AnyTensor> kept) {
  SavedTensor* tensor = first_tensor();
  SavedNumber* number = first_number();
  for_each_bit(call.reads, [&](int leaf) {
    const auto i = static_cast<std::size_t>(leaf);
    const std::size_t first_kept = static_cast<std::size_t>(info_.inputs) + outputs.size();
    const AnyTensor* value = i < call.arguments.size() ? call.arguments[i].tensor
                             : i < first_kept          ? &outputs[i - call.arguments.size()]
                                                       : &kept[i - first_kept];
    if (!value) {
      new (number) SavedNumber{{}, leaf};
      number++->cell.set(call.arguments[i].number, call.dtype);
      return;
    }
    new (tensor) SavedTensor{value->storage(), value->offset(), value->version(), leaf};
    if (!parts_.alike) new (first_shape() + (tensor - first_tensor())) Shape(value->shape());
    ++tensor;
  });
}

void FormulaNode::save_blocks(const auto& call) {
  for (std::size_t k = 0; k < call.arguments.size(); ++k) {
    const FormulaArgument& a = call.arguments[k];
    std::size_t first = k;
    if (a.blocks > 1)
      for (first = 0; call.arguments[first].tensor != a.tensor || call.arguments[first].blocks != a.blocks;)
        ++first;
    new (first_block() + k)
        BlockArgument{static_cast<std::uint8_t>(a.block), static_cast<std::uint8_t>(a.blocks),
                      static_cast<std::uint8_t>(first)};
  }
}

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
                  to_string(saved_shape(saved)), describe(location())));
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
    if (!last) slot.ownership = Ownership::shared;
    last ? sink.add(i, std::move(slot.value), slot.ownership) : sink.add(i, slot.value, Ownership::shared);
  }
}

// Where the adjoint loop leaves the gradients of the inputs; sets of inputs have a bit for each.
class FormulaNode::Targets {
 public:
  struct Target {
    GradientSlot* slot;
    bool accumulate;
    bool free_tail;  // what lies behind may be overwritten
  };

  Target& operator[](int k) { return targets_[static_cast<std::size_t>(k)]; }
  bool in_loop(int k) const { return (direct | apart) >> k & 1; }

  GradientSlot* make_apart(const Shape& shape, DType dtype) {
    if (slots_apart_.empty()) slots_apart_.reserve(max_inputs);
    return &slots_apart_.emplace_back(AnyTensor::empty(shape, dtype), Ownership::owned);
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
                               GradientSlot* spare) {
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
                        : &sink.destination(i, target.accumulate, whole ? spare : nullptr);
    AnyTensor& buffer = target.slot->value;
    const bool overwrites = spare && !spare->value.defined();  // a gradient that the loop still reads
    if (overwrites) spare = nullptr;
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
    if (this_thread.schedule) [[unlikely]]
      detail::hold_in_replay(saved.storage);
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
void FormulaNode::run_to_one(FlatLoop& loop, int k, GradientSink& sink, GradientSlot* spare) {
  for (int j = 0; j < info_.inputs; ++j) loop.no_output(j);
  bool accumulate = false;
  AnyTensor& into = sink.destination(static_cast<std::size_t>(k), accumulate, spare).value;
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
    return g.value.defined() && g.ownership == Ownership::owned;
  };
  const auto found = overwrite ? std::ranges::find_if(gradients, ours) : gradients.end();
  GradientSlot* const spare = found != gradients.end() ? &*found : nullptr;
  if constexpr (std::same_as<Plan, FlatLoop>)
    if ((wanted & (wanted - 1)) == 0) return run_to_one(plan, std::countr_zero(wanted), sink, spare);
  Targets targets;
  find_targets(targets, sink, wanted, spare);
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
    first.ownership = Ownership::shared;
    sink.add(static_cast<std::size_t>(k), first.value, Ownership::shared);
  });
  for_each_bit(targets.apart, [&](int k) {
    sink.add(static_cast<std::size_t>(k), std::move(targets[k].slot->value), Ownership::owned);
  });
}

AnyTensor FormulaNode::recorded_leaf(int leaf, std::span<GradientSlot> gradients) {
  const int g = leaf - info_.leaf_gradient(0);
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
  auto results = evaluate(adjoint, leaves, constants(adjoint, merged), location(), wanted);
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
    sink.add(i, std::move(gradient), Ownership::shared);
  }
}

// Room for what a formula keeps, made only when it keeps something.
class KeptValues {
 public:
  AnyTensor& at(int k) {
    if (values_.empty()) values_.resize(max_inputs);
    return values_[static_cast<std::size_t>(k)];
  }
  std::span<const AnyTensor> values() const { return values_; }

 private:
  std::vector<AnyTensor, pool::Allocator<AnyTensor>> values_;
};

// Memory for a result: that of a temporary that is read here for the last time, or new.
[[gnu::always_inline]] inline Ref<Storage> new_storage(const auto& call, std::int64_t elements) {
  std::uint64_t free = call.alike ? call.expiring & ~call.reads : 0;
  for (; free; free &= free - 1) {
    AnyTensor& temporary = call.temporary(static_cast<std::size_t>(std::countr_zero(free)));
    if (!temporary.defined() || !temporary.owns_tail() || !temporary.storage()->fits(elements) ||
        !detail::may_overwrite(temporary))
      continue;
    temporary.storage()->raise_version();
    return temporary.take_storage();
  }
  return Ref<Storage>::adopt(Storage::make(elements, call.dtype));
}

void check_destination(const auto& call, const AnyTensor& destination) {
  if (destination.shape() != *call.shape || destination.dtype() != call.dtype)
    throw ShapeError(fmt::format("{}: the result has shape {} and its destination {}", call.info.name,
                                 to_string(*call.shape), to_string(destination.shape())));
  const auto end = [](const AnyTensor& x) {
    return x.bytes() + x.elements() * static_cast<std::int64_t>(size_of(x.dtype()));
  };
  for (const FormulaArgument& a : call.arguments)
    if (call.wanted && a.tensor && a.tensor->bytes() < end(destination) &&
        destination.bytes() < end(*a.tensor))
      throw GraphError(fmt::format(
          "{}: the destination overlaps an operand, which backward may have to read; compute into "
          "another tensor, or under no_grad",
          call.info.name));
}

// Makes the results that do not come with memory of their own. Returns whether all were made here.
bool make_results(const auto& call, std::span<AnyTensor> outputs) {
  bool all = true;
  for (const AnyTensor& output : outputs) {  // first, before a temporary gives its memory away
    if (!output.defined()) continue;
    check_destination(call, output);
    all = false;
  }
  for (AnyTensor& output : outputs)
    if (!output.defined()) output = AnyTensor(new_storage(call, call.shape->elements()), 0, *call.shape);
  return all;
}

// The steps that the wanted results (a bit each) depend on.
std::array<bool, Program::max_instructions> steps_behind(const Program& program, std::uint32_t wanted) {
  std::array<bool, Program::max_instructions> needed{};
  for (int k = 0; k < program.output_count; ++k)
    if ((wanted & (1u << k)) && program.outputs[static_cast<std::size_t>(k)] >= 0)
      needed[static_cast<std::size_t>(program.outputs[static_cast<std::size_t>(k)])] = true;
  for (int s = program.instructions - 1; s >= 0; --s) {
    const Instruction& step = program.code[static_cast<std::size_t>(s)];
    if (!needed[static_cast<std::size_t>(s)] || arity(step.op) == 0) continue;
    for (const std::int16_t operand : {step.a, step.b, step.c})
      if (operand >= 0) needed[static_cast<std::size_t>(operand)] = true;
  }
  return needed;
}

}  // namespace

void FormulaInfo::launch_copy(kernels::LoopKernel kernel, const kernels::Loop& loop,
                              const kernels::LoopSizes& sizes, int constants) {
  const auto keep = [&]<class X>(const X*& list, int n) {
    if (list)
      list = static_cast<const X*>(this_thread.schedule->keep(list, static_cast<std::size_t>(n) * sizeof(X)));
  };
  kernels::Loop copy = loop;
  keep(copy.inputs, sizes.inputs);
  keep(copy.outputs, sizes.outputs);
  keep(copy.constants, constants);
  launch([=] { kernels::run_loop(kernel, copy, [&] { return sizes; }); });
}

FormulaInfo analyzed(FormulaInfo info) {
  const Program& p = *info.recorded_adjoint;
  for (int k = 0; k < info.inputs; ++k) {
    const auto i = static_cast<std::size_t>(k);
    const int result = p.outputs[i];
    const auto needed = steps_behind(p, 1u << k);
    for (std::size_t s = 0; s < static_cast<std::size_t>(p.instructions); ++s)
      if (needed[s] && p.code[s].op == Opcode::input) info.reads[i] |= bit(p.code[s].a);
    info.same_as[i] = static_cast<std::int8_t>(k);
    for (int j = k - 1; j >= 0; --j)
      if (result >= 0 && info.adjoint->outputs[static_cast<std::size_t>(j)] == info.adjoint->outputs[i])
        info.same_as[i] = static_cast<std::int8_t>(j);
    if (result >= 0) info.differentiable |= 1u << k;
    info.passes[i] = -1;
    const int fast = info.adjoint->outputs[i];
    if (fast >= 0 && info.adjoint->code[static_cast<std::size_t>(fast)].op == Opcode::input) {
      const int leaf = info.adjoint->code[static_cast<std::size_t>(fast)].a;
      if (leaf >= info.leaf_gradient(0))
        info.passes[i] = static_cast<std::int8_t>(leaf - info.leaf_gradient(0));
      if (info.passes[i] >= 0) info.passing |= 1u << k;
    }
  }
  return info;
}

namespace {

template <class Plan>
[[gnu::always_inline]] inline void lay_arguments(Plan& plan, const auto& call,
                                                 std::array<NumberCell, max_inputs>& cells) {
  for (std::size_t k = 0; k < call.arguments.size(); ++k) {
    const FormulaArgument& a = call.arguments[k];
    if (!a.tensor) cells[k].set(a.number, call.dtype);
    a.tensor ? plan.input(static_cast<int>(k), *a.tensor, a.block, a.blocks)
             : plan.number(static_cast<int>(k), lasting(cells[k]));
  }
}

// Most calls: one result, nothing kept, and operands of one shape or numbers.
void compute_flat(const auto& call, const double* constants, AnyTensor& result) {
  const std::int64_t elements = call.shape->elements();
  FlatLoop loop(elements, constants);
  std::array<NumberCell, max_inputs> cells;
  lay_arguments(loop, call, cells);
  result = AnyTensor(new_storage(call, elements), 0, *call.shape);
  loop.output(0, result, 0, 1, false, true);
  call.info.run_forward(call.dtype, loop.finish());
}

// Records the call whose results these are.
[[gnu::always_inline]] inline void record(const auto& call, auto outputs, std::span<const AnyTensor> kept,
                                          const double* captured) {
  if (this_thread.anomaly)
    for (const AnyTensor& output : outputs) check_finite(call.info.name, output, call.at, false);
  if (!call.wanted) return;
  Ref<Node> node = FormulaNode::make(call, outputs, kept, captured);
  for (std::size_t k = 0; k + 1 < outputs.size(); ++k) outputs[k].attach(node, static_cast<std::uint32_t>(k));
  outputs.back().attach(std::move(node), static_cast<std::uint32_t>(outputs.size() - 1));
}

template <class Plan>
[[gnu::noinline]] void run_planned(const auto& call, std::span<AnyTensor> outputs,
                                   FormulaConstants constants) {
  KeptValues kept;
  Plan plan(*call.shape, constants.forward);
  std::array<NumberCell, max_inputs> cells;
  lay_arguments(plan, call, cells);
  const FormulaInfo& info = call.info;
  const bool free_tails = make_results(call, outputs);
  for (int k = 0; k < info.outputs; ++k)
    plan.output(k, outputs[static_cast<std::size_t>(k)], 0, 1, false, free_tails);
  for (int k = 0; k < info.kept; ++k) {
    if (call.reads >> info.leaf_output(info.outputs + k) & 1)
      plan.output(info.outputs + k, kept.at(k) = AnyTensor::empty(*call.shape, call.dtype), 0, 1, false,
                  free_tails);
    else
      plan.no_output(info.outputs + k);
  }
  info.run_forward(call.dtype, plan.finish());
  record(call, outputs, kept.values(), constants.adjoint);
}

template <std::size_t count>
void run(const FormulaInfo& info, std::span<const FormulaArgument, count> arguments,
         std::span<AnyTensor> outputs, Location at, FormulaConstants constants) {
  const Call<count> call(info, arguments, at);
  if (!constants.forward) constants.forward = info.forward->constants.data();
  if (!call.alike) return run_planned<LoopPlan>(call, outputs, constants);
  if (outputs.size() > 1 || info.kept > 0 || outputs[0].defined())
    return run_planned<FlatLoop>(call, outputs, constants);
  compute_flat(call, constants.forward, outputs[0]);
  record(call, outputs.first<1>(), {}, constants.adjoint);
}

}  // namespace

void run_formula(const FormulaInfo& info, std::span<const FormulaArgument> arguments,
                 std::span<AnyTensor> outputs, Location at, FormulaConstants constants) {
  const ProfiledOp timed(info.name);
  switch (arguments.size()) {
    case 1:
      return run(info, arguments.first<1>(), outputs, at, constants);
    case 2:
      return run(info, arguments.first<2>(), outputs, at, constants);
    default:
      return run(info, arguments, outputs, at, constants);
  }
}

AnyTensor run_formula(const FormulaInfo& info, std::initializer_list<FormulaArgument> arguments,
                      Location at) {
  AnyTensor result;
  run_formula(info, {arguments.begin(), arguments.size()}, {&result, 1}, at);
  return result;
}

std::vector<AnyTensor> evaluate(const Program& program, std::span<const AnyTensor> leaves,
                                const double* constants, Location at, std::uint32_t wanted) {
  const auto needed = steps_behind(program, wanted);
  std::vector<AnyTensor> tensors(static_cast<std::size_t>(program.instructions));
  std::vector<double> numbers(tensors.size());
  DType dtype = DType::float32;
  for (const AnyTensor& leaf : leaves)
    if (leaf.defined()) dtype = leaf.dtype();
  const auto operand = [&](std::int16_t step) {
    const auto i = static_cast<std::size_t>(step);
    return tensors[i].defined() ? FormulaArgument{&tensors[i]} : FormulaArgument{nullptr, numbers[i]};
  };
  for (std::size_t s = 0; s < tensors.size(); ++s) {
    const Instruction& step = program.code[s];
    if (!needed[s]) continue;
    if (step.op == Opcode::input) {
      tensors[s] = leaves[static_cast<std::size_t>(step.a)];
    } else if (step.op == Opcode::constant) {
      numbers[s] = constants[step.a];
    } else {
      std::array<FormulaArgument, 3> operands;
      const auto n = static_cast<std::size_t>(arity(step.op));
      bool any = false;
      for (std::size_t k = 0; k < n; ++k) {
        operands[k] = operand(k == 0 ? step.a : k == 1 ? step.b : step.c);
        any |= operands[k].tensor != nullptr;
      }
      AnyTensor scalar;
      if (!any) scalar = AnyTensor::full({}, dtype, operands[0].number), operands[0] = {&scalar};
      std::array<AnyTensor, 1> result;
      run_formula(primitive(step.op), {operands.data(), n}, result, at);
      tensors[s] = std::move(result[0]);
    }
  }
  std::vector<AnyTensor> results(static_cast<std::size_t>(program.output_count));
  for (std::size_t k = 0; k < results.size(); ++k) {
    if (program.outputs[k] < 0 || !(wanted & (1u << k))) continue;
    const auto s = static_cast<std::size_t>(program.outputs[k]);
    results[k] = tensors[s].defined() ? tensors[s] : AnyTensor::full({}, dtype, numbers[s]);
  }
  return results;
}

std::string describe(const Location& at) {
  if (at.line() == 0) return {};
  return fmt::format(" (called in {}:{}, {})", at.file_name(), at.line(), at.function_name());
}

void check_finite(std::string_view op, const AnyTensor& value, Location at, bool in_backward) {
  const auto bad = [&]<class T>(const T* data) -> std::int64_t {
    for (std::int64_t i = 0, n = value.elements(); i < n; ++i)
      if (!std::isfinite(data[i])) return i;
    return -1;
  };
  const std::int64_t at_element = value.dtype() == DType::float32
                                      ? bad(reinterpret_cast<const float*>(value.bytes()))
                                      : bad(reinterpret_cast<const double*>(value.bytes()));
  if (at_element < 0) return;
  const double found = value.dtype() == DType::float32
                           ? static_cast<double>(reinterpret_cast<const float*>(value.bytes())[at_element])
                           : reinterpret_cast<const double*>(value.bytes())[at_element];
  throw NonFiniteError(fmt::format("anomaly: {} of '{}' holds {} at element {} of shape {}{}",
                                   in_backward ? "a gradient" : "the result", op, found, at_element,
                                   to_string(value.shape()), describe(at)));
}

}  // namespace xgrad
