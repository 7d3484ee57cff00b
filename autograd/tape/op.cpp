// Recorded struct ops: what they keep after the object, and their errors.
#include <xgrad/autograd/tape/op.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad::detail {

namespace {

bool same(const AnyTensor& a, const AnyTensor& b) {
  return a.storage().get() == b.storage().get() && a.offset() == b.offset() && a.shape() == b.shape();
}

// Finds out whether a saved value is an input or an output.
void classify(SavedValue& value, std::span<const AnyTensor* const> inputs,
              std::span<const AnyTensor* const> outputs) {
  using enum SavedValue::Origin;
  for (std::uint32_t i = 0; i < inputs.size(); ++i) {
    if (!same(value.tensor, *inputs[i])) continue;
    value.origin = input, value.index = i;
    if (inputs[i]->node() == value.node) return;
  }
  if (value.origin == input) return;
  for (std::uint32_t k = 0; k < outputs.size(); ++k)
    if (same(value.tensor, *outputs[k])) value.origin = output, value.index = k;
}

}  // namespace

RecordedOp::Parts::Parts(std::span<const AnyTensor* const> in, std::span<const AnyTensor* const> out,
                         std::span<SavedValue> kept)
    : inputs(in),
      outputs(out),
      saved(kept),
      one_shape(std::ranges::all_of(out, [&](const AnyTensor* y) { return y->shape() == out[0]->shape(); })) {
  if (in.size() > most_inputs || out.size() > most_outputs)
    throw ValueError(fmt::format("an op of {} inputs and {} outputs; {} and {} are the most, so have several",
                                 in.size(), out.size(), most_inputs, most_outputs));
}

RecordedOp::RecordedOp(DType dtype, Location at, const Parts& parts, std::byte* after)
    : Node(dtype, at, parts.inputs.size(), parts.outputs.size()),
      bytes_behind_(parts.bytes()),
      one_shape_(parts.one_shape) {
  for (std::size_t i = 0; i < parts.inputs.size(); ++i)
    if (needs_gradient(*parts.inputs[i])) connect(i, parts.inputs[i]->edge());
  shapes_ = reinterpret_cast<Shape*>(after);
  for (std::size_t k = 0; k < parts.shapes(); ++k) new (shapes_ + k) Shape(parts.outputs[k]->shape());
  saved_ = reinterpret_cast<SavedValue*>(shapes_ + parts.shapes());
  for (SavedValue& value : parts.saved) {
    classify(value, parts.inputs, parts.outputs);
    new (saved_ + saved_count_++) SavedValue(std::move(value));
  }
}

RecordedOp::~RecordedOp() { RecordedOp::release_saved(); }

std::size_t RecordedOp::input(std::string_view call, std::size_t i) const {
  if (const std::size_t n = edges().size(); i >= n)
    throw GraphError(fmt::format("backward of '{}': {}({}) of an op with {} input{}; they count from 0",
                                 name(), call, i, n, n == 1 ? "" : "s"));
  return i;
}

// The i-th saved tensor; `recorded`: with its history.
AnyTensor RecordedOp::unpack(std::size_t i, bool recorded) {
  if (i >= saved_count_)
    throw GraphError(fmt::format(
        "backward of '{}': its vjp asks for saved tensor {}, and forward saved {}; they count from 0, "
        "in the order of the calls",
        name(), i, saved_count_));
  const SavedValue& saved = saved_[i];
  if (!saved.tensor.defined()) return {};
  if (saved.tensor.version() != saved.version) changed_in_place(name(), saved, where());
  AnyTensor value = saved.tensor;
  if (recorded && saved.origin == SavedValue::Origin::output)
    value.attach(Ref<Node>::share(this), saved.index);
  if (recorded && saved.origin == SavedValue::Origin::input)
    if (const Edge& edge = edges()[saved.index]; edge.node) value.attach(edge.node, edge.output);
  return value;
}

void RecordedOp::check_gradients(std::size_t count) const {
  if (const std::size_t n = edges().size(); count > n)
    throw GraphError(fmt::format(
        "backward of '{}': its vjp gave {} gradients, and the op has {} input{}; return one for each "
        "input, in their order",
        name(), count, n, n == 1 ? "" : "s"));
}

// Of a vjp that read elements while it was recorded.
void RecordedOp::check_recorded(std::size_t i, const AnyTensor& gradient) const {
  if (gradient.requires_grad()) return;
  throw GraphError(
      fmt::format("backward of '{}' under create_graph: its vjp read the elements of a tensor and returned a "
                  "gradient for input {} "
                  "that was not recorded, so that gradients of it would be wrong{}; write the vjp with ops, "
                  "or its loop as the "
                  "forward of another struct op, which vjp applies",
                  name(), i, where()));
}

void changed_in_place(std::string_view op, const SavedValue& saved, const std::string& where) {
  throw GraphError(
      fmt::format("backward of '{}': {} of shape {} was changed in place after the op saved it{}; compute "
                  "with clone() of it, or "
                  "change it after backward",
                  op,
                  saved.origin == SavedValue::Origin::input    ? fmt::format("input {}", saved.index)
                  : saved.origin == SavedValue::Origin::output ? "its result"
                                                               : "a saved value",
                  to_string(saved.tensor.shape()), where));
}

void undefined_input(std::string_view op, std::size_t index) {
  throw ValueError(
      fmt::format("{}: operand {} is undefined (a default-constructed tensor, a gradient before any "
                  "backward, or a module without parameters); give it a value first",
                  op, index));
}

}  // namespace xgrad::detail
