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

struct SavedTensor {
  AnyTensor tensor;
  std::uint32_t version;
};

// A recorded formula. Behind the object, in its block: edges, saved tensors, saved numbers, constants.
class FormulaNode final : public Node {
 public:
  static Ref<FormulaNode> make(const FormulaInfo& info, std::span<const FormulaArgument> arguments, const Shape& shape,
                               DType dtype, Location at, FormulaConstants constants);

  std::string_view name() const override { return info_.name; }
  const Shape& output_shape(std::size_t) const override { return shape_; }
  void backward(std::span<GradientSlot> gradients, GradientSink& sink) override;
  void release_saved() noexcept override;

  /// Leaves of the adjoint that backward will read.
  std::uint64_t reads() const { return reads_; }
  void save(std::span<const FormulaArgument> arguments, std::span<const AnyTensor> outputs);

 private:
  struct Argument {
    std::uint8_t block, blocks, first;  // first argument that is a block of the same tensor
    bool needed;
  };

  FormulaNode(const FormulaInfo& info, const Shape& shape, DType dtype, Location at)
      : Node(dtype, at, false), info_(info), shape_(shape) {}
  void destroy() noexcept override;

  int saved_index(int leaf) const { return std::popcount(saved_ & (bit(leaf) - 1)); }
  int number_index(int leaf) const { return std::popcount(numbers_ & (bit(leaf) - 1)); }
  bool is_broadcast(int k, const Shape& input) const { return argument_[k].blocks == 1 && input != shape_; }
  const AnyTensor& unpack(int leaf) const;
  void check_unchanged(int leaf, const SavedTensor& saved) const;

  void backward_kernel(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted);
  void backward_recorded(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted);
  AnyTensor recorded_leaf(int leaf, std::span<GradientSlot> gradients);

  const FormulaInfo& info_;
  Shape shape_;
  std::uint64_t saved_ = 0, numbers_ = 0, reads_ = 0;
  SavedTensor* tensor_ = nullptr;
  double* number_ = nullptr;
  const double* constants_ = nullptr;
  Argument* argument_ = nullptr;
  std::size_t block_bytes_ = 0;
};

Ref<FormulaNode> FormulaNode::make(const FormulaInfo& info, std::span<const FormulaArgument> arguments,
                                   const Shape& shape, DType dtype, Location at, FormulaConstants constants) {
  const std::size_t n = arguments.size();
  std::uint64_t reads = 0, numbers = 0;
  for (std::size_t k = 0; k < n; ++k) {
    if (!arguments[k].tensor)
      numbers |= bit(static_cast<int>(k));
    else if (arguments[k].tensor->requires_grad())
      reads |= info.reads[k];
  }
  const std::uint64_t saveable = reads & (bit(info.leaf_gradient(0)) - 1);  // not the gradients themselves
  const std::uint64_t saved = saveable & ~numbers;
  numbers &= saveable;
  const auto n_saved = static_cast<std::size_t>(std::popcount(saved)), n_numbers = static_cast<std::size_t>(std::popcount(numbers));
  const std::size_t n_constants = constants.adjoint ? static_cast<std::size_t>(info.recorded_adjoint->constant_count) : 0;
  const std::size_t bytes = sizeof(FormulaNode) + n * sizeof(Edge) + n_saved * sizeof(SavedTensor) +
                            (n_numbers + n_constants) * sizeof(double) + n * sizeof(Argument);

  auto* memory = static_cast<std::byte*>(pool::allocate(bytes));
  auto* node = new (memory) FormulaNode(info, shape, dtype, at);
  node->block_bytes_ = bytes;
  node->saved_ = saved;
  node->numbers_ = numbers;
  node->reads_ = reads;
  memory += sizeof(FormulaNode);
  auto* edges = reinterpret_cast<Edge*>(memory);
  node->tensor_ = reinterpret_cast<SavedTensor*>(memory += n * sizeof(Edge));
  node->number_ = reinterpret_cast<double*>(memory += n_saved * sizeof(SavedTensor));
  auto* own_constants = reinterpret_cast<double*>(memory += n_numbers * sizeof(double));
  node->argument_ = reinterpret_cast<Argument*>(memory + n_constants * sizeof(double));
  std::uninitialized_value_construct_n(node->tensor_, n_saved);
  std::copy_n(constants.adjoint, n_constants, own_constants);
  node->constants_ = constants.adjoint ? own_constants : info.recorded_adjoint->constants.data();
  for (std::size_t k = 0; k < n; ++k) {
    const FormulaArgument& a = arguments[k];
    const bool needed = a.tensor && a.tensor->requires_grad();
    new (edges + k) Edge(needed ? a.tensor->edge() : Edge{});
    std::size_t first = k;
    if (a.blocks > 1)
      for (first = 0; arguments[first].tensor != a.tensor || arguments[first].blocks != a.blocks;) ++first;
    node->argument_[k] = {static_cast<std::uint8_t>(a.block), static_cast<std::uint8_t>(a.blocks),
                          static_cast<std::uint8_t>(first), needed};
  }
  node->connect(edges, n, static_cast<std::size_t>(info.outputs + info.kept));
  return Ref<FormulaNode>::adopt(node);
}

void FormulaNode::destroy() noexcept {
  release_saved();
  std::destroy_n(edges().data(), edges().size());
  const std::size_t bytes = block_bytes_;
  this->~FormulaNode();
  pool::deallocate(this, bytes);
}

void FormulaNode::release_saved() noexcept {
  std::destroy_n(tensor_, std::popcount(saved_));
  saved_ = 0;
}

void FormulaNode::save(std::span<const FormulaArgument> arguments, std::span<const AnyTensor> outputs) {
  for (std::uint64_t rest = saved_; rest; rest &= rest - 1) {
    const int leaf = std::countr_zero(rest);
    const AnyTensor& value = leaf < info_.inputs ? *arguments[static_cast<std::size_t>(leaf)].tensor
                                                 : outputs[static_cast<std::size_t>(leaf - info_.inputs)];
    tensor_[saved_index(leaf)] = {value.detached(), value.version()};
  }
  for (std::uint64_t rest = numbers_; rest; rest &= rest - 1) {
    const int leaf = std::countr_zero(rest);
    number_[number_index(leaf)] = arguments[static_cast<std::size_t>(leaf)].number;
  }
}

void FormulaNode::check_unchanged(int leaf, const SavedTensor& saved) const {
  if (saved.tensor.version() == saved.version) return;
  throw GraphError(fmt::format(
      "backward of '{}': {} {}, of shape {}, was changed in place after the op saved it{}; compute with clone() of it, "
      "or change it after backward",
      info_.name, leaf < info_.inputs ? "input" : "result", leaf < info_.inputs ? leaf : leaf - info_.inputs,
      to_string(saved.tensor.shape()), describe(location())));
}

const AnyTensor& FormulaNode::unpack(int leaf) const {
  const SavedTensor& saved = tensor_[saved_index(leaf)];
  check_unchanged(leaf, saved);
  return saved.tensor;
}

void FormulaNode::backward(std::span<GradientSlot> gradients, GradientSink& sink) {
  std::uint32_t wanted = 0;
  for (int k = 0; k < info_.inputs; ++k)
    if (argument_[k].needed && info_.adjoint->outputs[static_cast<std::size_t>(k)] >= 0 && sink.wants(static_cast<std::size_t>(k)))
      wanted |= 1u << k;
  if (!wanted) return;
  const auto kept_gradients = gradients.subspan(static_cast<std::size_t>(info_.outputs));  // of a second derivative
  const bool recorded = sink.create_graph() ||
                        std::ranges::any_of(kept_gradients, [](const GradientSlot& slot) { return slot.value.defined(); });
  recorded ? backward_recorded(gradients, sink, wanted) : backward_kernel(gradients, sink, wanted);
}

// Every wanted gradient in one loop over the outputs' shape, each into the buffer where it accumulates.
void FormulaNode::backward_kernel(std::span<GradientSlot> gradients, GradientSink& sink, std::uint32_t wanted) {
  struct Target {
    AnyTensor buffer;
    bool accumulate = false, deliver = false;
  };
  std::array<Target, max_inputs> targets;
  std::uint32_t computed = 0, copies = 0;
  for (std::uint32_t rest = wanted; rest; rest &= rest - 1) {
    const int k = std::countr_zero(rest);
    const auto i = static_cast<std::size_t>(k);
    const Argument& argument = argument_[k];
    const Shape& input_shape = sink.shape(i);
    const bool reduced = is_broadcast(k, input_shape);
    if (argument.blocks == 1 && !reduced && info_.passes[i] >= 0) continue;
    const int twin = info_.same_as[i];
    if (argument.blocks == 1 && !reduced && twin < k && (computed & (1u << twin)) && argument_[twin].blocks == 1 &&
        !targets[static_cast<std::size_t>(twin)].accumulate && !is_broadcast(twin, sink.shape(static_cast<std::size_t>(twin)))) {
      copies |= 1u << k;
      continue;
    }
    Target& target = targets[i];
    computed |= 1u << k;
    if (argument.first != k && (computed & (1u << argument.first))) {  // another block of a buffer that is there
      target = {targets[argument.first].buffer, targets[argument.first].accumulate, false};
      continue;
    }
    bool clash = false;  // two gradients must not be added to one buffer in one loop
    for (int j = 0; j < k; ++j)
      clash |= (computed & (1u << j)) && targets[static_cast<std::size_t>(j)].accumulate && sink.same_target(i, static_cast<std::size_t>(j));
    if (clash)
      target.buffer = AnyTensor::empty(input_shape, dtype());
    else
      target.buffer = sink.destination(i, target.accumulate);
    target.deliver = !target.accumulate;
    int blocks_wanted = 0;
    for (int j = k; j < info_.inputs && argument.blocks > 1; ++j)
      blocks_wanted += argument_[j].first == k && (wanted & (1u << j));
    const bool partly_written = reduced || (argument.blocks > 1 && (blocks_wanted != argument.blocks ||
                                                                    block_shape(target.buffer, argument.blocks) != shape_));
    if (partly_written && !target.accumulate) {
      std::fill_n(target.buffer.mutable_bytes(), input_shape.elements() * static_cast<std::int64_t>(size_of(dtype())), std::byte{0});
      target.accumulate = true;
    }
  }

  if (computed) {
    LoopPlan plan(shape_, constants_);
    std::array<NumberCell, max_inputs> cells;
    for (int leaf = 0; leaf < info_.adjoint->inputs; ++leaf) {
      const int g = leaf - info_.leaf_gradient(0);
      if (g >= 0) {
        const AnyTensor& gradient = gradients[static_cast<std::size_t>(g)].value;
        gradient.defined() ? plan.input(leaf, gradient) : plan.number(leaf, zero_cell.bytes);
      } else if (saved_ & bit(leaf)) {
        const bool blocked = leaf < info_.inputs;
        plan.input(leaf, unpack(leaf), blocked ? argument_[leaf].block : 0, blocked ? argument_[leaf].blocks : 1);
      } else if (numbers_ & bit(leaf)) {
        cells[static_cast<std::size_t>(leaf)].set(number_[number_index(leaf)], dtype());
        plan.number(leaf, cells[static_cast<std::size_t>(leaf)].bytes);
      } else {
        plan.number(leaf, zero_cell.bytes);
      }
    }
    for (int k = 0; k < info_.inputs; ++k) {
      const auto i = static_cast<std::size_t>(k);
      if (!(computed & (1u << k))) {
        plan.no_output(k);
        continue;
      }
      Target& target = targets[i];
      plan.output(k, target.buffer, argument_[k].block, argument_[k].blocks, target.accumulate,
                  target.deliver && target.buffer.owns_tail());
    }
    info_.backward_kernel[static_cast<std::size_t>(dtype())](plan.finish());
  }

  for (std::uint32_t rest = wanted; rest; rest &= rest - 1) {
    const int k = std::countr_zero(rest);
    const auto i = static_cast<std::size_t>(k);
    const int twin = info_.same_as[i];
    const bool twinned = (copies & (1u << k)) != 0;
    if (twinned) {
      sink.add(i, targets[static_cast<std::size_t>(twin)].buffer, Ownership::shared);
    } else if (!(computed & (1u << k))) {
      GradientSlot& slot = gradients[static_cast<std::size_t>(info_.passes[i])];
      const bool last = (wanted >> (k + 1)) == 0;
      if (slot.value.defined())
        last ? sink.add(i, std::move(slot.value), slot.ownership) : sink.add(i, slot.value, Ownership::shared);
    } else if (targets[i].deliver) {
      bool has_twin = false;
      for (int j = k + 1; j < info_.inputs; ++j) has_twin |= (copies & (1u << j)) && info_.same_as[static_cast<std::size_t>(j)] == k;
      sink.add(i, has_twin ? targets[i].buffer : std::move(targets[i].buffer), has_twin ? Ownership::shared : Ownership::owned);
    }
  }
}

AnyTensor FormulaNode::recorded_leaf(int leaf, std::span<GradientSlot> gradients) {
  const int g = leaf - info_.leaf_gradient(0);
  if (g >= 0) {
    const AnyTensor& value = gradients[static_cast<std::size_t>(g)].value;
    return value.defined() ? value : AnyTensor::zeros(shape_, dtype());
  }
  if (numbers_ & bit(leaf)) return AnyTensor::full({}, dtype(), number_[number_index(leaf)]);
  AnyTensor value = unpack(leaf);
  if (leaf < info_.inputs) {
    const Edge& edge = edges()[static_cast<std::size_t>(leaf)];
    if (edge.node) value.attach(edge.node, edge.output);
    if (argument_[leaf].blocks > 1) value = column_block(value, argument_[leaf].block, argument_[leaf].blocks, location());
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
  auto results = evaluate(*info_.recorded_adjoint, leaves, constants_, location(), wanted);
  for (int k = 0; k < info_.inputs; ++k) {
    if (!(wanted & (1u << k))) continue;
    const auto i = static_cast<std::size_t>(k);
    AnyTensor gradient = std::move(results[i]);
    const Argument& argument = argument_[k];
    if (gradient.shape() != shape_) gradient = broadcast_to(gradient, shape_, location());
    if (argument.blocks > 1) {
      Shape own = sink.shape(i);
      own.set(own.rank() - 1, own.back() / argument.blocks);
      gradient = from_column_block(sum_to(gradient, own, location()), argument.block, argument.blocks, location());
    }
    sink.add(i, std::move(gradient), Ownership::shared);
  }
}

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

void run_formula(const FormulaInfo& info, std::span<const FormulaArgument> arguments, std::span<AnyTensor> outputs,
                 Location at, FormulaConstants constants) {
  const AnyTensor* some = nullptr;
  bool alike = true, needed = false;
  for (const FormulaArgument& a : arguments) {
    if (!a.tensor) continue;
    alike = alike && a.blocks == 1 && a.tensor->defined() && (!some || a.tensor->shape() == some->shape());
    if (!some) some = a.tensor;
    needed = needed || a.tensor->requires_grad();
  }
  needed = needed && is_recording();
  const Shape shape = alike ? some->shape() : common_shape(info, arguments);
  const DType dtype = some->dtype();

  Ref<FormulaNode> node;
  if (needed) node = FormulaNode::make(info, arguments, shape, dtype, at, constants);

  std::array<AnyTensor, max_inputs> results;
  const int total = info.outputs + info.kept;
  bool free_tails = true;
  for (int k = 0; k < total; ++k) {
    const auto i = static_cast<std::size_t>(k);
    if (k >= info.outputs && !(node && (node->reads() & bit(info.leaf_output(k))))) continue;
    if (k < info.outputs && outputs[i].defined()) {
      if (outputs[i].shape() != shape || outputs[i].dtype() != dtype)
        throw ShapeError(fmt::format("{}: the result has shape {} and its destination {}", info.name, to_string(shape),
                                     to_string(outputs[i].shape())));
      results[i] = std::move(outputs[i]);
      free_tails = false;
    } else {
      results[i] = AnyTensor::empty(shape, dtype);
    }
  }

  std::array<NumberCell, max_inputs> cells;
  const double* values = constants.forward ? constants.forward : info.forward->constants.data();
  const auto kernel = info.forward_kernel[static_cast<std::size_t>(dtype)];
  for (std::size_t k = 0; k < arguments.size(); ++k)
    if (!arguments[k].tensor) cells[k].set(arguments[k].number, dtype);
  if (alike) {
    std::array<LoopInput, max_inputs> in;
    std::array<LoopOutput, max_inputs> out;
    for (std::size_t k = 0; k < arguments.size(); ++k) {
      in[k].data = arguments[k].tensor ? arguments[k].tensor->bytes() : cells[k].bytes;
      in[k].inner = arguments[k].tensor ? 1 : 0;
    }
    for (std::size_t k = 0; k < static_cast<std::size_t>(total); ++k) {
      out[k].data = results[k].defined() ? results[k].mutable_bytes() : nullptr;
      out[k].inner = 1;
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
    for (int k = 0; k < total; ++k) {
      const auto i = static_cast<std::size_t>(k);
      results[i].defined() ? plan.output(k, results[i], 0, 1, false, free_tails) : plan.no_output(k);
    }
    kernel(plan.finish());
  }

  if (node) node->save(arguments, results);
  for (std::size_t k = 0; k < static_cast<std::size_t>(info.outputs); ++k) {
    outputs[k] = std::move(results[k]);
    if (this_thread.anomaly) check_finite(info.name, outputs[k], at, false);
    if (node) outputs[k].attach(node, static_cast<std::uint32_t>(k));
  }
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
