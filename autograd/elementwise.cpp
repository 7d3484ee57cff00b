// Formulas on tensors: computing, recording, and the backward pass.
#include "autograd/elementwise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>

#include "autograd/error.hpp"
#include "autograd/loop_plan.hpp"
#include "autograd/mode.hpp"
#include "autograd/op.hpp"
#include "autograd/sink.hpp"

namespace xgrad {

using kernels::Loop;
using kernels::LoopInput;
using kernels::LoopOutput;

namespace {

constexpr int max_inputs = FormulaInfo::max_inputs;
constexpr std::uint64_t bit(int k) { return std::uint64_t{1} << k; }

Shape block_shape(const AnyTensor& tensor, int blocks) {
  Shape shape = tensor.shape();
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
};
constexpr NumberCell zero_cell{};

// What backward reads of one leaf of the adjoint: a tensor of forward, or a number.
struct SavedTensor {
  AnyTensor tensor;
  std::uint32_t version;
  std::int32_t leaf;
};
struct SavedNumber {
  double value;
  std::int64_t leaf;
};

// An argument that is a column block, and the first argument that is a block of the same tensor.
struct BlockArgument {
  std::uint8_t block = 0, blocks = 1, first = 0;
};

// A recorded formula. Behind the object, in its block of memory: edges, saved tensors, saved numbers, then, where
// there are any, captured constants and the block arguments.
class FormulaNode final : public Node {
 public:
  /// `reads`: on return, the leaves of the adjoint that backward will read, a bit each.
  static Ref<FormulaNode> make(const FormulaInfo& info, std::span<const FormulaArgument> arguments, const Shape& shape,
                               DType dtype, Location at, const double* captured, std::uint64_t& reads);

  std::string_view name() const override { return info_.name; }
  const Shape& output_shape(std::size_t) const override { return shape_; }
  void backward(std::span<GradientSlot> gradients, GradientSink& sink) override;
  void release_saved() noexcept override;
  void save(std::span<const FormulaArgument> arguments, std::span<const AnyTensor> outputs, std::span<const AnyTensor> kept);

 private:
  FormulaNode(const FormulaInfo& info, const Shape& shape, DType dtype, Location at)
      : Node(dtype, at, false), info_(info), shape_(shape) {}
  void destroy() noexcept override;

  template <class A>
  A* behind(std::size_t bytes) { return reinterpret_cast<A*>(reinterpret_cast<std::byte*>(this + 1) + bytes); }
  std::size_t edge_bytes() const { return static_cast<std::size_t>(info_.inputs) * sizeof(Edge); }
  std::size_t number_offset() const { return edge_bytes() + tensors_made_ * sizeof(SavedTensor); }
  std::size_t constant_offset() const { return number_offset() + numbers_ * sizeof(SavedNumber); }
  std::size_t block_offset() const {
    return constant_offset() + (captured_ ? static_cast<std::size_t>(info_.adjoint->captured) * sizeof(double) : 0);
  }
  std::size_t total_bytes() const {
    return sizeof(FormulaNode) + block_offset() + (blocked_ ? static_cast<std::size_t>(info_.inputs) * sizeof(BlockArgument) : 0);
  }
  std::span<SavedTensor> saved_tensors() { return {behind<SavedTensor>(edge_bytes()), tensors_}; }
  std::span<SavedNumber> saved_numbers() { return {behind<SavedNumber>(number_offset()), numbers_}; }
  using Constants = std::array<double, Program::max_constants>;
  const double* constants(const Program& adjoint, Constants& merged) {
    if (!captured_) return adjoint.constants.data();
    merged = adjoint.constants;
    std::copy_n(behind<double>(constant_offset()), adjoint.captured, merged.data());
    return merged.data();
  }
  BlockArgument block(int k) { return blocked_ ? behind<BlockArgument>(block_offset())[k] : BlockArgument{0, 1, static_cast<std::uint8_t>(k)}; }
  void check_unchanged(const SavedTensor& saved) const;

  void backward_kernel(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted);
  void backward_recorded(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted);
  AnyTensor recorded_leaf(int leaf, std::span<GradientSlot> gradients);
  class Targets;
  void run_adjoint(std::span<GradientSlot> gradients, Targets& targets);

  const FormulaInfo& info_;
  Shape shape_;
  std::uint8_t tensors_ = 0, tensors_made_ = 0, numbers_ = 0;
  bool captured_ = false, blocked_ = false;
};

Ref<FormulaNode> FormulaNode::make(const FormulaInfo& info, std::span<const FormulaArgument> arguments,
                                   const Shape& shape, DType dtype, Location at, const double* captured,
                                   std::uint64_t& reads) {
  const std::size_t n = arguments.size();
  reads = 0;
  bool blocked = false;
  for (std::size_t k = 0; k < n; ++k) {
    if (arguments[k].tensor && needs_gradient(*arguments[k].tensor)) reads |= info.reads[k];
    blocked |= arguments[k].blocks > 1;
  }
  std::size_t tensors = 0, numbers = 0;
  for (int leaf = 0; leaf < info.leaf_gradient(0); ++leaf) {
    if (!(reads & bit(leaf))) continue;
    leaf < info.inputs && !arguments[static_cast<std::size_t>(leaf)].tensor ? ++numbers : ++tensors;
  }
  const auto n_constants = captured ? static_cast<std::size_t>(info.adjoint->captured) : 0;
  const std::size_t bytes = sizeof(FormulaNode) + n * sizeof(Edge) + tensors * sizeof(SavedTensor) +
                            numbers * sizeof(SavedNumber) + n_constants * sizeof(double) +
                            (blocked ? n * sizeof(BlockArgument) : 0);
  auto* node = new (pool::allocate(bytes)) FormulaNode(info, shape, dtype, at);
  node->tensors_ = node->tensors_made_ = static_cast<std::uint8_t>(tensors);
  node->numbers_ = static_cast<std::uint8_t>(numbers);
  node->captured_ = captured != nullptr;
  node->blocked_ = blocked;
  auto* edges = node->behind<Edge>(0);
  for (std::size_t k = 0; k < n; ++k) {
    const FormulaArgument& a = arguments[k];
    if (!a.tensor || !needs_gradient(*a.tensor))
      new (edges + k) Edge{};
    else
      new (edges + k) Edge(a.expiring ? const_cast<AnyTensor*>(a.tensor)->take_edge() : a.tensor->edge());
  }
  for (SavedTensor& saved : node->saved_tensors()) new (&saved) SavedTensor;
  std::copy_n(captured, n_constants, node->behind<double>(node->constant_offset()));
  for (std::size_t k = 0; k < n && blocked; ++k) {
    const FormulaArgument& a = arguments[k];
    std::size_t first = k;
    if (a.blocks > 1)
      for (first = 0; arguments[first].tensor != a.tensor || arguments[first].blocks != a.blocks;) ++first;
    new (node->behind<BlockArgument>(node->block_offset()) + k) BlockArgument{
        static_cast<std::uint8_t>(a.block), static_cast<std::uint8_t>(a.blocks), static_cast<std::uint8_t>(first)};
  }
  node->connect(edges, n, static_cast<std::size_t>(info.outputs + info.kept));
  return Ref<FormulaNode>::adopt(node);
}

void FormulaNode::destroy() noexcept {
  release_saved();
  std::destroy_n(edges().data(), edges().size());
  const std::size_t bytes = total_bytes();
  this->~FormulaNode();
  pool::deallocate(this, bytes);
}

void FormulaNode::release_saved() noexcept {
  std::destroy_n(saved_tensors().data(), tensors_);
  tensors_ = 0;
}

void FormulaNode::save(std::span<const FormulaArgument> arguments, std::span<const AnyTensor> outputs,
                       std::span<const AnyTensor> kept) {
  if (tensors_ + numbers_ == 0) return;
  std::uint64_t reads = 0;
  for (std::size_t k = 0; k < arguments.size(); ++k)
    if (edges()[k].node) reads |= info_.reads[k];
  SavedTensor* tensor = saved_tensors().data();
  SavedNumber* number = saved_numbers().data();
  for (int leaf = 0; leaf < info_.leaf_gradient(0); ++leaf) {
    if (!(reads & bit(leaf))) continue;
    const AnyTensor* value = nullptr;
    if (leaf < info_.inputs)
      value = arguments[static_cast<std::size_t>(leaf)].tensor;
    else if (leaf < info_.inputs + info_.outputs)
      value = &outputs[static_cast<std::size_t>(leaf - info_.inputs)];
    else
      value = &kept[static_cast<std::size_t>(leaf - info_.inputs - info_.outputs)];
    if (value)
      *tensor++ = {value->detached(), value->version(), leaf};
    else
      *number++ = {arguments[static_cast<std::size_t>(leaf)].number, leaf};
  }
}

void FormulaNode::check_unchanged(const SavedTensor& saved) const {
  if (saved.tensor.version() == saved.version) return;
  const bool input = saved.leaf < info_.inputs;
  throw GraphError(fmt::format(
      "backward of '{}': {} {}, of shape {}, was changed in place after the op saved it{}; compute with clone() of it, "
      "or change it after backward",
      info_.name, input ? "input" : "result", input ? saved.leaf : saved.leaf - info_.inputs,
      to_string(saved.tensor.shape()), describe(location())));
}

void FormulaNode::backward(std::span<GradientSlot> gradients, GradientSink& sink) {
  std::uint32_t wanted = 0;
  for (int k = 0; k < info_.inputs; ++k)
    if (info_.recorded_adjoint->outputs[static_cast<std::size_t>(k)] >= 0 && sink.wants(static_cast<std::size_t>(k))) wanted |= 1u << k;
  if (!wanted) return;
  const auto kept_gradients = gradients.subspan(static_cast<std::size_t>(info_.outputs));  // of a second derivative
  const bool recorded = sink.create_graph() ||
                        std::ranges::any_of(kept_gradients, [](const GradientSlot& slot) { return slot.value.defined(); });
  recorded ? backward_recorded(gradients, sink, wanted) : backward_kernel(gradients, sink, wanted);
}

// Where the adjoint loop leaves the gradient of each input.
class FormulaNode::Targets {
 public:
  enum class Kind : std::uint8_t { none, passed, computed, twin };  // twin: the same expression as an earlier one
  struct Target {
    AnyTensor buffer;
    Kind kind = Kind::none;
    bool accumulate = false, deliver = false, has_twin = false;
  };

  explicit Targets(int inputs) : inputs_(inputs) {
    for (int k = 0; k < inputs; ++k) new (&(*this)[k]) Target;
  }
  Targets(const Targets&) = delete;
  ~Targets() { std::destroy_n(&(*this)[0], inputs_); }
  Target& operator[](int k) { return *std::launder(reinterpret_cast<Target*>(memory_) + k); }
  int size() const { return inputs_; }

  bool any_computed = false;
  bool flat = true;  // every gradient has the outputs' shape

 private:
  int inputs_;
  alignas(Target) std::byte memory_[max_inputs * sizeof(Target)];  // constructed as far as there are inputs
};

// Every wanted gradient in one loop over the outputs' shape, each into the buffer where it accumulates.
void FormulaNode::backward_kernel(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted) {
  using Kind = Targets::Kind;
  Targets targets(info_.inputs);
  for (int k = 0; k < info_.inputs; ++k) {
    if (!(wanted & (1u << k))) continue;
    const auto i = static_cast<std::size_t>(k);
    Targets::Target& target = targets[k];
    const BlockArgument argument = block(k);
    const Shape& input_shape = sink.shape(i);
    const bool whole = argument.blocks == 1 && input_shape == shape_;
    if (whole && info_.passes[i] >= 0) {
      target.kind = Kind::passed;
      continue;
    }
    if (const int twin = info_.same_as[i]; whole && twin < k && targets[twin].kind == Kind::computed &&
                                           targets[twin].deliver && targets[twin].buffer.shape() == shape_) {
      target.kind = Kind::twin;
      targets[twin].has_twin = true;
      continue;
    }
    target.kind = Kind::computed;
    targets.any_computed = true;
    targets.flat &= whole;
    std::uint32_t before = 0, after = 0;  // wanted blocks of the tensor that this is one of, a bit each
    for (int j = argument.first; blocked_ && j < info_.inputs; ++j)
      if (block(j).first == argument.first && (wanted & (1u << j))) (j < k ? before : after) |= 1u << block(j).block;
    const bool repeated = before & (1u << argument.block);
    if (argument.first != k && !repeated && targets[argument.first].kind == Kind::computed) {  // a buffer that is there
      target.buffer = targets[argument.first].buffer;
      target.accumulate = targets[argument.first].accumulate;
      continue;
    }
    bool clash = false;  // two gradients must not go to one buffer in one loop
    for (int j = 0; j < k; ++j) clash |= targets[j].kind == Kind::computed && sink.same_target(i, static_cast<std::size_t>(j));
    if (clash)
      target.buffer = AnyTensor::empty(input_shape, dtype());
    else
      target.buffer = sink.destination(i, target.accumulate);
    target.deliver = !target.accumulate;
    if (whole || target.accumulate) continue;
    const bool complete = argument.first == k && std::popcount(after) == argument.blocks;
    if (complete && block_shape(target.buffer, argument.blocks) == shape_) continue;
    // Sums, and blocks that leave gaps, start from zero.
    std::fill_n(target.buffer.mutable_bytes(), input_shape.elements() * static_cast<std::int64_t>(size_of(dtype())), std::byte{0});
    target.accumulate = true;
  }
  if (targets.any_computed) run_adjoint(gradients, targets);
  for (int k = 0; k < info_.inputs; ++k) {
    const auto i = static_cast<std::size_t>(k);
    Targets::Target& target = targets[k];
    if (target.kind == Kind::passed) {
      GradientSlot& slot = gradients[static_cast<std::size_t>(info_.passes[i])];
      if (!slot.value.defined()) continue;
      const bool last = (wanted >> (k + 1)) == 0;
      last ? sink.add(i, std::move(slot.value), slot.ownership) : sink.add(i, slot.value, Ownership::shared);
      if (!last) slot.ownership = Ownership::shared;
    } else if (target.kind == Kind::twin) {
      sink.add(i, targets[info_.same_as[i]].buffer, Ownership::shared);
    } else if (target.deliver) {
      if (target.has_twin)
        sink.add(i, target.buffer, Ownership::shared);
      else
        sink.add(i, std::move(target.buffer), Ownership::owned);
    }
  }
}

void FormulaNode::run_adjoint(std::span<GradientSlot> gradients, Targets& targets) {
  struct Leaf {
    const AnyTensor* tensor;
    const std::byte* number;
  };
  std::array<Leaf, LoopPlan::max_inputs> leaves;  // uninitialised beyond what is used
  std::array<NumberCell, max_inputs> cells;
  const int n = info_.adjoint->inputs, first_gradient = info_.leaf_gradient(0);
  for (int leaf = 0; leaf < first_gradient; ++leaf) leaves[static_cast<std::size_t>(leaf)] = {nullptr, zero_cell.bytes};
  bool flat = targets.flat;
  for (const SavedTensor& saved : saved_tensors()) {
    check_unchanged(saved);
    leaves[static_cast<std::size_t>(saved.leaf)].tensor = &saved.tensor;
    flat = flat && saved.tensor.shape() == shape_;
  }
  for (const SavedNumber& saved : saved_numbers()) {
    cells[static_cast<std::size_t>(saved.leaf)].set(saved.value, dtype());
    leaves[static_cast<std::size_t>(saved.leaf)].number = cells[static_cast<std::size_t>(saved.leaf)].bytes;
  }
  for (int leaf = first_gradient; leaf < n; ++leaf) {
    const AnyTensor& g = gradients[static_cast<std::size_t>(leaf - first_gradient)].value;
    leaves[static_cast<std::size_t>(leaf)] = {g.defined() ? &g : nullptr, zero_cell.bytes};
  }
  Constants merged;
  const double* values = constants(*info_.adjoint, merged);
  const auto kernel = info_.backward_kernel[static_cast<std::size_t>(dtype())];
  const auto free_tail = [](Targets::Target& t) { return t.deliver && t.buffer.owns_tail(); };
  if (flat && !blocked_) {
    std::array<LoopInput, LoopPlan::max_inputs> in;
    std::array<LoopOutput, max_inputs> out;
    Loop loop;
    loop.padded = true;
    for (std::size_t leaf = 0; leaf < static_cast<std::size_t>(n); ++leaf) {
      in[leaf].data = leaves[leaf].tensor ? leaves[leaf].tensor->bytes() : leaves[leaf].number;
      in[leaf].inner = leaves[leaf].tensor ? 1 : 0;
    }
    for (int k = 0; k < info_.inputs; ++k) {
      LoopOutput& o = out[static_cast<std::size_t>(k)];
      const bool computed = targets[k].kind == Targets::Kind::computed;
      o.data = computed ? targets[k].buffer.mutable_bytes() : nullptr;
      o.inner = 1;
      o.accumulate = targets[k].accumulate;
      loop.padded = loop.padded && (!computed || free_tail(targets[k]));
    }
    loop.inner = shape_.elements();
    loop.outer_rank = 0;
    loop.inputs = in.data();
    loop.outputs = out.data();
    loop.constants = values;
    return kernel(loop);
  }
  LoopPlan plan(shape_, values);
  for (int leaf = 0; leaf < n; ++leaf) {
    const Leaf& l = leaves[static_cast<std::size_t>(leaf)];
    const BlockArgument b = leaf < info_.inputs ? block(leaf) : BlockArgument{};
    l.tensor ? plan.input(leaf, *l.tensor, b.block, b.blocks) : plan.number(leaf, l.number);
  }
  for (int k = 0; k < info_.inputs; ++k) {
    Targets::Target& t = targets[k];
    if (t.kind == Targets::Kind::computed)
      plan.output(k, t.buffer, block(k).block, block(k).blocks, t.accumulate, free_tail(t));
    else
      plan.no_output(k);
  }
  kernel(plan.finish());
}

AnyTensor FormulaNode::recorded_leaf(int leaf, std::span<GradientSlot> gradients) {
  const int g = leaf - info_.leaf_gradient(0);
  if (g >= 0) {
    const AnyTensor& value = gradients[static_cast<std::size_t>(g)].value;
    return value.defined() ? value : AnyTensor::zeros(shape_, dtype());
  }
  for (const SavedNumber& saved : saved_numbers())
    if (saved.leaf == leaf) return AnyTensor::full({}, dtype(), saved.value);
  const SavedTensor& saved = *std::ranges::find(saved_tensors(), leaf, &SavedTensor::leaf);
  check_unchanged(saved);
  AnyTensor value = saved.tensor;
  if (leaf < info_.inputs) {
    const Edge& edge = edges()[static_cast<std::size_t>(leaf)];
    if (edge.node) value.attach(edge.node, edge.output);
    if (block(leaf).blocks > 1) value = column_block(value, block(leaf).block, block(leaf).blocks, location());
  } else {
    value.attach(Ref<Node>::share(this), static_cast<std::uint32_t>(leaf - info_.inputs));
  }
  return value;
}

// The adjoint program run with recorded ops: what makes gradients of gradients.
void FormulaNode::backward_recorded(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted) {
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
    if (gradient.shape() != shape_) gradient = broadcast_to(gradient, shape_, location());
    if (argument.blocks > 1) {
      Shape own = sink.shape(i);
      own.set(own.rank() - 1, own.back() / argument.blocks);
      gradient = from_column_block(sum_to(gradient, own, location()), argument.block, argument.blocks, location());
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

Shape common_shape(const FormulaInfo& info, std::span<const FormulaArgument> arguments) {
  Shape shape;
  for (const FormulaArgument& a : arguments) {
    if (!a.tensor) continue;
    if (!a.tensor->defined())
      throw ValueError(fmt::format("{}: an operand is undefined (a default-constructed tensor, or a module without "
                                   "parameters); give it a value first",
                                   info.name));
    if (a.blocks > 1 && (a.tensor->rank() == 0 || a.tensor->shape().back() % a.blocks != 0))
      throw ShapeError(fmt::format("{}: the last axis of {} does not divide into {} equal blocks", info.name,
                                   to_string(a.tensor->shape()), a.blocks));
    shape = broadcast(info.name, shape, block_shape(*a.tensor, a.blocks));
  }
  return shape;
}

}  // namespace

namespace {

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
      if (result >= 0 && info.adjoint->outputs[static_cast<std::size_t>(j)] == info.adjoint->outputs[i]) info.same_as[i] = static_cast<std::int8_t>(j);
    info.passes[i] = -1;
    const int fast = info.adjoint->outputs[i];
    if (fast >= 0 && info.adjoint->code[static_cast<std::size_t>(fast)].op == Opcode::input) {
      const int leaf = info.adjoint->code[static_cast<std::size_t>(fast)].a;
      if (leaf >= info.leaf_gradient(0)) info.passes[i] = static_cast<std::int8_t>(leaf - info.leaf_gradient(0));
    }
  }
  return info;
}

static void check_destination(const FormulaInfo& info, std::span<const FormulaArgument> arguments,
                              const AnyTensor& destination, const Shape& shape, DType dtype, bool recorded) {
  if (destination.shape() != shape || destination.dtype() != dtype)
    throw ShapeError(fmt::format("{}: the result has shape {} and its destination {}", info.name, to_string(shape),
                                 to_string(destination.shape())));
  const auto end = [](const AnyTensor& x) { return x.bytes() + x.elements() * static_cast<std::int64_t>(size_of(x.dtype())); };
  for (const FormulaArgument& a : arguments)
    if (recorded && a.tensor && a.tensor->bytes() < end(destination) && destination.bytes() < end(*a.tensor))
      throw GraphError(fmt::format("{}: the destination overlaps an operand, which backward may have to read; compute into "
                                   "another tensor, or under no_grad",
                                   info.name));
}

void run_formula(const FormulaInfo& info, std::span<const FormulaArgument> arguments, std::span<AnyTensor> outputs,
                 Location at, FormulaConstants constants) {
  const AnyTensor* some = nullptr;
  bool alike = true, needed = false;
  for (const FormulaArgument& a : arguments) {
    if (!a.tensor) continue;
    alike = alike && a.blocks == 1 && a.tensor->defined() && (!some || a.tensor->shape() == some->shape());
    if (!some) some = a.tensor;
    needed = needed || needs_gradient(*a.tensor);
  }
  needed = needed && is_recording();
  const Shape shape = alike ? some->shape() : common_shape(info, arguments);
  const DType dtype = some->dtype();

  Ref<FormulaNode> node;
  std::uint64_t reads = 0;
  if (needed) node = FormulaNode::make(info, arguments, shape, dtype, at, constants.adjoint, reads);

  bool free_tails = true;
  for (AnyTensor& output : outputs) {
    if (!output.defined()) {
      output = AnyTensor::empty(shape, dtype);
    } else {
      check_destination(info, arguments, output, shape, dtype, needed);
      free_tails = false;
    }
  }
  KeptValues kept;
  for (int k = 0; k < info.kept && node; ++k)
    if (reads & bit(info.leaf_output(info.outputs + k))) kept.at(k) = AnyTensor::empty(shape, dtype);

  std::array<NumberCell, max_inputs> cells;
  for (std::size_t k = 0; k < arguments.size(); ++k)
    if (!arguments[k].tensor) cells[k].set(arguments[k].number, dtype);
  const double* values = constants.forward ? constants.forward : info.forward->constants.data();
  const auto kernel = info.forward_kernel[static_cast<std::size_t>(dtype)];
  if (alike) {
    std::array<LoopInput, max_inputs> in;
    std::array<LoopOutput, max_inputs> out;
    for (std::size_t k = 0; k < arguments.size(); ++k) {
      in[k].data = arguments[k].tensor ? arguments[k].tensor->bytes() : cells[k].bytes;
      in[k].inner = arguments[k].tensor ? 1 : 0;
    }
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      out[k].data = outputs[k].mutable_bytes();
      out[k].inner = 1;
    }
    for (int k = 0; k < info.kept; ++k) {
      LoopOutput& o = out[outputs.size() + static_cast<std::size_t>(k)];
      o.data = kept.at(k).defined() ? kept.at(k).mutable_bytes() : nullptr;
      o.inner = 1;
    }
    Loop loop;
    loop.inner = shape.elements();
    loop.outer_rank = 0;
    loop.padded = free_tails;
    loop.inputs = in.data();
    loop.outputs = out.data();
    loop.constants = values;
    kernel(loop);
  } else {
    LoopPlan plan(shape, values);
    for (std::size_t k = 0; k < arguments.size(); ++k) {
      const FormulaArgument& a = arguments[k];
      a.tensor ? plan.input(static_cast<int>(k), *a.tensor, a.block, a.blocks) : plan.number(static_cast<int>(k), cells[k].bytes);
    }
    for (int k = 0; k < info.outputs; ++k) plan.output(k, outputs[static_cast<std::size_t>(k)], 0, 1, false, free_tails);
    for (int k = 0; k < info.kept; ++k)
      kept.at(k).defined() ? plan.output(info.outputs + k, kept.at(k), 0, 1, false, free_tails) : plan.no_output(info.outputs + k);
    kernel(plan.finish());
  }

  if (this_thread.anomaly)
    for (const AnyTensor& output : outputs) check_finite(info.name, output, at, false);
  if (!node) return;
  node->save(arguments, outputs, kept.values());
  for (std::size_t k = 0; k < outputs.size(); ++k)
    outputs[k].attach(k + 1 < outputs.size() ? node : std::move(node), static_cast<std::uint32_t>(k));
}

AnyTensor run_formula(const FormulaInfo& info, std::initializer_list<FormulaArgument> arguments, Location at) {
  std::array<AnyTensor, 1> result;
  run_formula(info, {arguments.begin(), arguments.size()}, result, at);
  return std::move(result[0]);
}

std::vector<AnyTensor> evaluate(const Program& program, std::span<const AnyTensor> leaves, const double* constants,
                                Location at, std::uint32_t wanted) {
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
  const std::int64_t at_element = value.dtype() == DType::float32 ? bad(reinterpret_cast<const float*>(value.bytes()))
                                                                  : bad(reinterpret_cast<const double*>(value.bytes()));
  if (at_element < 0) return;
  const double found = value.dtype() == DType::float32
                           ? static_cast<double>(reinterpret_cast<const float*>(value.bytes())[at_element])
                           : reinterpret_cast<const double*>(value.bytes())[at_element];
  throw NonFiniteError(fmt::format("anomaly: {} of '{}' holds {} at element {} of shape {}{}; its inputs were finite",
                                   in_backward ? "a gradient" : "the result", op, found, at_element,
                                   to_string(value.shape()), describe(at)));
}

}  // namespace xgrad
