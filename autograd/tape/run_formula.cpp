// Computing formulas, and recording them.
#include <xgrad/autograd/tape/run_formula.hpp>

#include <fmt/format.h>

#include <array>
#include <vector>

#include <xgrad/autograd/array/diagnostics.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/formula_node.hpp>

namespace xgrad::detail {

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

namespace {

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
  std::uint64_t free = call.alike ? call.donated & ~call.reads : 0;
  for (; free; free &= free - 1) {
    AnyTensor& temporary = call.temporary(static_cast<std::size_t>(std::countr_zero(free)));
    if (!temporary.defined() || !temporary.owns_tail() || !temporary.storage()->fits(elements) ||
        !may_overwrite(temporary))
      continue;
    temporary.storage()->raise_version();
    return temporary.take_storage();
  }
  return Ref<Storage>::adopt(Storage::make(elements, call.dtype));
}

bool overlap(const AnyTensor& a, const AnyTensor& b) {
  return a.bytes() < b.bytes() + b.size_in_bytes() && b.bytes() < a.bytes() + a.size_in_bytes();
}

void check_destination(const auto& call, std::span<const AnyTensor> outputs, std::size_t k) {
  const AnyTensor& destination = outputs[k];
  if (destination.shape() != *call.shape || destination.dtype() != call.dtype)
    throw ShapeError(fmt::format("{}: the result has shape {} and its destination {}", call.info.name,
                                 to_string(*call.shape), to_string(destination.shape())));
  for (const AnyTensor& other : outputs.first(k))
    if (other.defined() && overlap(other, destination))
      throw GraphError(
          fmt::format("{}: two destinations overlap; give each result its own memory", call.info.name));
  for (const FormulaArgument& a : call.arguments) {
    if (!a.tensor || !overlap(*a.tensor, destination)) continue;
    const bool same =
        a.tensor->bytes() == destination.bytes() && a.tensor->shape() == *call.shape && a.blocks == 1;
    if (call.wanted || !same)
      throw GraphError(fmt::format(
          "{}: the destination overlaps an operand{}", call.info.name,
          same ? ", which backward may have to read; compute into another tensor, or under no_grad"
               : " without being the same elements; compute into another tensor"));
  }
}

// Makes the results that do not come with memory of their own. Returns whether all were made here.
bool make_results(const auto& call, std::span<AnyTensor> outputs) {
  bool all = true;
  for (std::size_t k = 0; k < outputs.size(); ++k) {  // first, before a temporary gives its memory away
    if (!outputs[k].defined()) continue;
    check_destination(call, outputs, k);
    all = false;
  }
  for (AnyTensor& output : outputs)
    if (!output.defined()) output = AnyTensor(new_storage(call, call.shape->elements()), 0, *call.shape);
  return all;
}

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
  const CallSite here(call.at);
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

void other_destinations(std::string_view formula, std::size_t results, std::size_t destinations) {
  throw ValueError(fmt::format("{}: {} result{} to be written into {} tensor{}; give one for each", formula,
                               results, results == 1 ? "" : "s", destinations, destinations == 1 ? "" : "s"));
}

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

}  // namespace xgrad::detail
