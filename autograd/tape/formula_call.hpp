// A formula met with tensors: its arguments, and what one look at them tells.
#pragma once

#include <bit>
#include <cstdint>
#include <new>
#include <span>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/autograd/tape/run_formula.hpp>

namespace xgrad::detail {

inline constexpr int max_inputs = FormulaInfo::max_inputs;
constexpr std::uint64_t bit(int k) { return std::uint64_t{1} << k; }

// Calls f(k) for each bit k that is set, lowest first.
template <class F>
void for_each_bit(std::uint64_t bits, F f) {
  for (; bits; bits &= bits - 1) f(std::countr_zero(bits));
}

inline std::uint8_t count_bits(
    std::uint64_t bits) {  // few: cheaper than std::popcount without the instruction
  std::uint8_t n = 0;
  for_each_bit(bits, [&](int) { ++n; });
  return n;
}

inline Shape block_shape(const Shape& whole, int blocks) {
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
inline constexpr NumberCell zero_cell{};

// Where the cell's number lies, for a loop to be run now, or again in a Replay.
inline const std::byte* lasting(const NumberCell& cell) {
  if (!detail::in_replay()) [[likely]]
    return cell.bytes;
  return static_cast<const std::byte*>(this_thread.replay->keep(cell.bytes, sizeof cell.bytes));
}

/// The broadcast shape of the arguments. Throws ValueError and ShapeError where they do not fit.
Shape common_shape(const FormulaInfo& info, std::span<const FormulaArgument> arguments);

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
      if (a.donated && is_once(k)) donated |= 1u << k;
      if (!recording || !(info.differentiable >> k & 1) || !needs_gradient(*a.tensor)) continue;
      wanted |= 1u << k;
      reads |= info.reads[k];
    }
    if (!alike) {
      const CallSite call(at);
      common = common_shape(info, arguments);
    }
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
  std::uint32_t donated = 0;              // temporaries that no other argument is, too
  std::uint64_t reads = 0;                // leaves of the adjoint that backward will read, gradients aside

 private:
  Shape common;  // of tensors that are not alike

  bool is_once(std::size_t k) const {
    for (std::size_t j = 0; j < arguments.size(); ++j)
      if (j != k && arguments[j].tensor == arguments[k].tensor) return false;
    return true;
  }
};

}  // namespace xgrad::detail
