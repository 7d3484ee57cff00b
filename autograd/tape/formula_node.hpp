// A recorded formula: what it saves for backward.
#pragma once

#include <algorithm>
#include <array>
#include <memory>

#include <xgrad/autograd/formula/loop_plan.hpp>
#include <xgrad/autograd/tape/formula_call.hpp>
#include <xgrad/autograd/tape/sink.hpp>

namespace xgrad::detail {

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

// A recorded formula. After the object: its extents, saved tensors, saved numbers, then, where there are
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

  // The arrays after the object, in this order; once release_saved has run, the extents only.
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
  void run_to_one(FlatLoop& loop, int k, GradientSink& sink, GradientSlot* reusable);
  void find_targets(Targets& targets, GradientSink& sink, std::uint32_t wanted, GradientSlot* reusable);
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
          k, call.donated >> k & 1 ? call.temporary(k).take_edge() : call.arguments[k].tensor->edge());
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

}  // namespace xgrad::detail
