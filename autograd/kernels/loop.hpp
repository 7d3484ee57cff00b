// What a fused elementwise loop is told at run time: where its operands lie and how they broadcast.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <xgrad/autograd/core/device.hpp>
#include <xgrad/autograd/kernels/program.hpp>

namespace xgrad::kernels {

/// Strides are in elements; `inner` is the innermost one, 1 or 0.
struct LoopInput {
  static constexpr int max_outer = 7;
  const std::byte* data;
  std::int64_t inner;
  std::array<std::int64_t, max_outer> strides;
};

/// As LoopInput. A stride of 0 along any axis makes the output a sum over it, added to what is there.
struct LoopOutput {
  std::byte* data;  // null: not wanted
  std::int64_t inner;
  bool accumulate;  // add to what is there instead of overwriting it
  std::array<std::int64_t, LoopInput::max_outer> strides;
};

struct Loop {
  static constexpr int max_inputs = 48, max_outputs = 16;

  std::int64_t inner;  // extent of the innermost axis
  int outer_rank;      // how many axes lie outside it
  bool padded;         // stores may run past the end of a row; there is no output of inner stride 0
  std::array<std::int64_t, LoopInput::max_outer> outer;
  const LoopInput* inputs;
  const LoopOutput* outputs;
  const double* constants;
  Device device = Device::cpu();  // of the outputs
};

using LoopKernel = void (*)(const Loop&);

/// A formula over arrays of so many elements, whose results go over the last of them; `constants` are all of
/// its program's. Touches nothing after the arrays.
using InPlaceKernel = void (*)(std::int64_t elements, void* const* operands, const double* constants);
struct InPlaceFormula {
  const xgrad::detail::Program* program;
  InPlaceKernel compiled;  // for the CPU
};

}  // namespace xgrad::kernels
