// Elementwise loops in parts, for several threads.
#include <xgrad/autograd/kernels/run_loop.hpp>

#include <algorithm>

namespace xgrad::kernels {

namespace {

// What one thread takes, roughly: a cheap instruction for a register of 8 floats.
double nanoseconds_for(const Loop& loop, const LoopSizes& sizes) {
  constexpr double of_float = 0.07;
  double elements = static_cast<double>(loop.inner);
  for (int axis = 0; axis < loop.outer_rank; ++axis)
    elements *= static_cast<double>(loop.outer[static_cast<std::size_t>(axis)]);
  return elements * sizes.instructions * of_float * static_cast<double>(sizes.bytes_of_element) /
         sizeof(float);
}

template <class Operand>
std::int64_t outermost_stride(const Loop& loop, const Operand& operand) {
  return loop.outer_rank > 0 ? operand.strides[0] : operand.inner;
}

// The units from `begin` to `end` of the outermost axis.
void run_part(LoopKernel kernel, const Loop& loop, const LoopSizes& sizes, std::int64_t begin,
              std::int64_t end) {
  std::array<LoopInput, Loop::max_inputs> inputs;
  std::array<LoopOutput, Loop::max_outputs> outputs;
  const auto move = [&](auto& operand) {
    operand.data +=
        begin * outermost_stride(loop, operand) * static_cast<std::int64_t>(sizes.bytes_of_element);
  };
  std::copy_n(loop.inputs, sizes.inputs, inputs.data());
  std::copy_n(loop.outputs, sizes.outputs, outputs.data());
  for (int k = 0; k < sizes.inputs; ++k) move(inputs[static_cast<std::size_t>(k)]);
  for (int k = 0; k < sizes.outputs; ++k)
    if (LoopOutput& output = outputs[static_cast<std::size_t>(k)]; output.data) move(output);
  Loop part = loop;
  part.inputs = inputs.data();
  part.outputs = outputs.data();
  (loop.outer_rank > 0 ? part.outer[0] : part.inner) = end - begin;
  kernel(part);
}

}  // namespace

void detail::share_loop(LoopKernel kernel, const Loop& loop, const LoopSizes& sizes) {
  const double nanoseconds = nanoseconds_for(loop, sizes);
  if (!worth_sharing(nanoseconds)) return kernel(loop);
  const bool sums = std::any_of(loop.outputs, loop.outputs + sizes.outputs, [&](const LoopOutput& output) {
    return output.data && outermost_stride(loop, output) == 0;
  });
  // A row that ends within a register is read, and may be written, beyond its end, where another thread may
  // be at work: such rows are not shared, and of a single one the end comes last.
  const std::int64_t whole_registers = 64 / static_cast<std::int64_t>(sizes.bytes_of_element);
  const std::int64_t units =
      loop.outer_rank > 0 ? loop.outer[0] : loop.inner / whole_registers * whole_registers;
  const bool whole = loop.outer_rank == 0 || loop.inner % whole_registers == 0;
  if (sums || !whole) return kernel(loop);
  kernels::share(units, loop.outer_rank > 0 ? 1 : whole_registers, nanoseconds,
                 [&](std::int64_t begin, std::int64_t end) { run_part(kernel, loop, sizes, begin, end); });
  if (loop.outer_rank == 0 && units < loop.inner) run_part(kernel, loop, sizes, units, loop.inner);
}

}  // namespace xgrad::kernels
