// A formula's program as one fused SIMD loop.
#pragma once

#include <utility>

#include <xgrad/autograd/kernels/loop.hpp>
#include <xgrad/autograd/kernels/program.hpp>
#include <xgrad/autograd/kernels/simd.hpp>
#include <xgrad/autograd/kernels/simd_math.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

using xgrad::detail::Opcode;

/// The loop for `P::program`, which is a static constexpr Program; its registers are of T.
/// Forward programs only ever overwrite; adjoint programs also sum and skip outputs.
template <class P, class T, bool forward>
class FormulaLoop {
  using B = Batch<T>;
  static constexpr const xgrad::detail::Program& program = P::program;
  static constexpr std::int64_t W = static_cast<std::int64_t>(lanes<T>);
  static constexpr int n_in = program.inputs, n_out = program.output_count, n_const = program.constant_count;
  static constexpr std::int64_t few = 8;  // up to so many registers, run_registers() is the faster
  template <int n>
  static constexpr std::size_t at_least_one = n > 0 ? static_cast<std::size_t>(n) : 1;

  struct Row {
    const T* in[at_least_one<n_in>];
    std::int64_t step[at_least_one<n_in>];  // 1: next element, 0: stay
    T* out[at_least_one<n_out>];
  };

 public:
  static void run(const Loop& loop) {
    T constants[at_least_one<n_const>];
    for (int i = 0; i < n_const; ++i) constants[i] = static_cast<T>(loop.constants[i]);
    if (loop.inner == 0) return;
    if (loop.outer_rank == 0 && loop.padded && loop.inner <= few * W) return run_registers(loop, constants);
    std::int64_t index[LoopInput::max_outer];
    for (int axis = 0; axis < loop.outer_rank; ++axis) {
      if (loop.outer[static_cast<std::size_t>(axis)] == 0) return;
      index[axis] = 0;
    }
    T splat[at_least_one<n_in>][W];  // inputs that do not move along a row, as a register's worth
    do {
      Row row;
      for (int i = 0; i < n_in; ++i) row.in[i] = reinterpret_cast<const T*>(loop.inputs[i].data);
      for (int i = 0; i < n_out; ++i) row.out[i] = reinterpret_cast<T*>(loop.outputs[i].data);
      for (int axis = 0; axis < loop.outer_rank; ++axis) {
        const auto a = static_cast<std::size_t>(axis);
        for (int i = 0; i < n_in; ++i) row.in[i] += index[a] * loop.inputs[i].strides[a];
        for (int i = 0; i < n_out; ++i)
          if (row.out[i]) row.out[i] += index[a] * loop.outputs[i].strides[a];
      }
      for (int i = 0; i < n_in; ++i) {
        row.step[i] = loop.inputs[i].inner;
        if (row.step[i] == 0) {
          store(splat[i], B(*row.in[i]));
          row.in[i] = splat[i];
        }
      }
      run_row(loop, row, constants);
    } while (next_row(loop, index));
  }

  /// See InPlaceKernel. Every operand moves along: on the way nothing is asked but whether the end is near.
  static void run_in_place(std::int64_t elements, void* const* operands, const double* numbers) {
    T constants[at_least_one<n_const>], *x[n_in];
    for (int i = 0; i < n_const; ++i) constants[i] = static_cast<T>(numbers[i]);
    // One by one, as they were stored just now: to read two at once would have to wait for the stores.
    void* const volatile* one_by_one = operands;
    for (int i = 0; i < n_in; ++i) x[i] = static_cast<T*>(one_by_one[i]);
    const auto block = [&](std::int64_t from, auto read, auto write) __attribute__((always_inline)) {
      B values[program.instructions];
      compute(
          [&](int i) __attribute__((always_inline)) { return read(x[i] + from); }, constants, values,
          std::make_index_sequence<static_cast<std::size_t>(program.instructions)>());
      [&]<std::size_t... K>(std::index_sequence<K...>) __attribute__((always_inline)) {
        (write(x[static_cast<std::size_t>(n_in - n_out) + K] + from, values[program.outputs[K]]), ...);
      }(std::make_index_sequence<static_cast<std::size_t>(n_out)>());
    };
    std::int64_t i = 0;
    for (; i + W <= elements; i += W)
      block(
          i, [](const T* p) __attribute__((always_inline)) { return load(p); },
          [](T* p, const B& value) __attribute__((always_inline)) { store(p, value); });
    if (const auto rest = static_cast<std::size_t>(elements - i); rest > 0)
      block(
          i, [&](const T* p) __attribute__((always_inline)) { return load_partial(p, rest); },
          [&](T* p, const B& value) __attribute__((always_inline)) { store_partial(p, value, rest); });
  }

 private:
  // A small array, of a few registers: next to nothing to walk, and, since its row is padded, no sum.
  XGRAD_INLINE static void run_registers(const Loop& loop, const T* constants) {
    Row row;
    for (int i = 0; i < n_out; ++i) row.out[i] = reinterpret_cast<T*>(loop.outputs[i].data);
    for (std::int64_t from = 0; from < loop.inner; from += W) {
      B values[at_least_one<program.instructions>];
      const auto input = [&](int i) __attribute__((always_inline)) {
        const T* const data = reinterpret_cast<const T*>(loop.inputs[i].data);
        return loop.inputs[i].inner ? load(data + from) : B(*data);
      };
      compute(input, constants, values,
              std::make_index_sequence<static_cast<std::size_t>(program.instructions)>());
      emit(loop, row, nullptr, from, W, values, std::make_index_sequence<static_cast<std::size_t>(n_out)>());
    }
  }

  XGRAD_INLINE static bool next_row(const Loop& loop, std::int64_t* index) {
    for (int axis = loop.outer_rank; axis-- > 0;) {
      if (++index[axis] < loop.outer[static_cast<std::size_t>(axis)]) return true;
      index[axis] = 0;
    }
    return false;
  }

  XGRAD_INLINE static void run_row(const Loop& loop, Row& row, const T* constants) {
    B sums[at_least_one<n_out>];
    for (int i = 0; i < n_out; ++i) sums[i] = B(T(0));
    std::int64_t blocks = loop.padded ? (loop.inner + W - 1) / W : loop.inner / W;
    const std::int64_t rest = loop.padded ? 0 : loop.inner % W;
    std::int64_t from = 0, valid = W;
    T scratch[at_least_one<n_out>][W];
    T* target[at_least_one<n_out>] = {};
    // First the whole blocks; then the rest as one more block into scratch, of which the row gets its part.
    for (;;) {
      for (std::int64_t k = 0; k < blocks; ++k) block(loop, row, constants, sums, from + k * W, k * W, valid);
      if (rest == 0 || valid < W) break;
      from = blocks * W;
      blocks = 1;
      valid = rest;
      for (int i = 0; i < n_out; ++i) {
        if (!row.out[i] || loop.outputs[i].inner == 0) continue;
        target[i] = std::exchange(row.out[i], scratch[i]) + from;
        for (std::int64_t j = 0; j < W; ++j) scratch[i][j] = j < valid ? target[i][j] : T(0);
      }
    }
    for (int i = 0; i < n_out; ++i)
      if (target[i])
        for (std::int64_t j = 0; j < valid; ++j) target[i][j] = scratch[i][j];
    if constexpr (!forward)
      for (int i = 0; i < n_out; ++i)
        if (row.out[i] && loop.outputs[i].inner == 0) *row.out[i] += reduce_add(sums[i]);
  }

  // One register of every operand: load, compute, store.
  XGRAD_INLINE static void block(const Loop& loop, const Row& row, const T* constants, B* sums,
                                 std::int64_t from, std::int64_t to, std::int64_t valid) {
    B values[at_least_one<program.instructions>];
    const auto input = [&](int i) __attribute__((always_inline)) {
      return load(row.in[i] + row.step[i] * from);
    };
    compute(input, constants, values,
            std::make_index_sequence<static_cast<std::size_t>(program.instructions)>());
    emit(loop, row, sums, to, valid, values, std::make_index_sequence<static_cast<std::size_t>(n_out)>());
  }

  // Every step of the program; `input(i)` gives a register of input i.
  template <std::size_t... I>
  XGRAD_INLINE static void compute([[maybe_unused]] auto input, [[maybe_unused]] const T* constants,
                                   [[maybe_unused]] B* values, std::index_sequence<I...>) {
    ((values[I] = evaluate<program.code[I]>(input, constants, values)), ...);
  }

  // Stores every output, or adds it to `sums` where it has one element for the whole row.
  template <std::size_t... K>
  XGRAD_INLINE static void emit(const Loop& loop, const Row& row, B* sums, std::int64_t to,
                                std::int64_t valid, const B* values, std::index_sequence<K...>) {
    (emit_one<K>(loop, row, sums, to, valid, values), ...);
  }

  template <std::size_t K>
  XGRAD_INLINE static void emit_one(const Loop& loop, const Row& row, B* sums, std::int64_t to,
                                    std::int64_t valid, const B* values) {
    if constexpr (program.outputs[K] >= 0) {
      const B& value = values[program.outputs[K]];
      if constexpr (forward) {
        if (K < static_cast<std::size_t>(n_out - program.kept) || row.out[K]) store(row.out[K] + to, value);
      } else {
        if (!row.out[K]) return;
        if (sums && loop.outputs[K].inner == 0)
          sums[K] += valid == W ? value : first_lanes(value, valid);
        else if (loop.outputs[K].accumulate)
          store(row.out[K] + to, load(row.out[K] + to) + value);
        else
          store(row.out[K] + to, value);
      }
    }
  }

  XGRAD_INLINE static B first_lanes(const B& value, std::int64_t n) {
    T lane[W];
    store(lane, value);
    for (std::int64_t j = n; j < W; ++j) lane[j] = T(0);
    return load(lane);
  }

  template <xgrad::detail::Instruction i>
  XGRAD_INLINE static Mask<T> condition(const B* v) {
    if constexpr (i.op == Opcode::greater)
      return v[i.a] > v[i.b];
    else if constexpr (i.op == Opcode::greater_equal)
      return v[i.a] >= v[i.b];
    else if constexpr (i.op == Opcode::less)
      return v[i.a] < v[i.b];
    else if constexpr (i.op == Opcode::less_equal)
      return v[i.a] <= v[i.b];
    else if constexpr (i.op == Opcode::equal)
      return v[i.a] == v[i.b];
    else
      return !(v[i.a] == v[i.b]);  // not !=, which xsimd 8 gets wrong for NaN
  }

  template <xgrad::detail::Instruction i>
  XGRAD_INLINE static B evaluate([[maybe_unused]] auto input, [[maybe_unused]] const T* constants,
                                 [[maybe_unused]] const B* v) {
    namespace k = kernels::XGRAD_ARCH;
    if constexpr (i.op == Opcode::input)
      return input(i.a);
    else if constexpr (i.op == Opcode::constant)
      return B(constants[i.a]);
    else if constexpr (i.op == Opcode::neg)
      return -v[i.a];
    else if constexpr (i.op == Opcode::identity)
      return v[i.a];
    else if constexpr (i.op == Opcode::square)
      return v[i.a] * v[i.a];
    else if constexpr (i.op == Opcode::reciprocal)
      return B(T(1)) / v[i.a];
    else if constexpr (i.op == Opcode::add)
      return v[i.a] + v[i.b];
    else if constexpr (i.op == Opcode::sub)
      return v[i.a] - v[i.b];
    else if constexpr (i.op == Opcode::mul)
      return v[i.a] * v[i.b];
    else if constexpr (i.op == Opcode::div)
      return v[i.a] / v[i.b];
    else if constexpr (i.op == Opcode::abs)
      return k::abs(v[i.a]);
    else if constexpr (i.op == Opcode::sign)
      return k::sign(v[i.a]);
    else if constexpr (i.op == Opcode::sqrt)
      return k::sqrt(v[i.a]);
    else if constexpr (i.op == Opcode::rsqrt)
      return k::rsqrt(v[i.a]);
    else if constexpr (i.op == Opcode::exp)
      return k::exp(v[i.a]);
    else if constexpr (i.op == Opcode::expm1)
      return k::expm1(v[i.a]);
    else if constexpr (i.op == Opcode::log)
      return k::log(v[i.a]);
    else if constexpr (i.op == Opcode::log1p)
      return k::log1p(v[i.a]);
    else if constexpr (i.op == Opcode::sin)
      return k::sin(v[i.a]);
    else if constexpr (i.op == Opcode::cos)
      return k::cos(v[i.a]);
    else if constexpr (i.op == Opcode::tan)
      return k::tan(v[i.a]);
    else if constexpr (i.op == Opcode::asin)
      return k::asin(v[i.a]);
    else if constexpr (i.op == Opcode::acos)
      return k::acos(v[i.a]);
    else if constexpr (i.op == Opcode::atan)
      return k::atan(v[i.a]);
    else if constexpr (i.op == Opcode::sinh)
      return k::sinh(v[i.a]);
    else if constexpr (i.op == Opcode::cosh)
      return k::cosh(v[i.a]);
    else if constexpr (i.op == Opcode::tanh)
      return k::tanh(v[i.a]);
    else if constexpr (i.op == Opcode::sigmoid)
      return k::sigmoid(v[i.a]);
    else if constexpr (i.op == Opcode::softplus)
      return k::softplus(v[i.a]);
    else if constexpr (i.op == Opcode::erf)
      return k::erf(v[i.a]);
    else if constexpr (i.op == Opcode::erfc)
      return k::erfc(v[i.a]);
    else if constexpr (i.op == Opcode::floor)
      return k::floor(v[i.a]);
    else if constexpr (i.op == Opcode::erfinv)
      return k::erfinv(v[i.a]);
    else if constexpr (i.op == Opcode::lgamma)
      return k::lgamma(v[i.a]);
    else if constexpr (i.op == Opcode::fmod)
      return k::fmod(v[i.a], v[i.b]);
    else if constexpr (i.op == Opcode::polygamma)
      return k::polygamma(v[i.a], v[i.b]);
    else if constexpr (i.op == Opcode::pow)
      return k::pow(v[i.a], v[i.b]);
    else if constexpr (i.op == Opcode::atan2)
      return k::atan2(v[i.a], v[i.b]);
    else if constexpr (i.op == Opcode::maximum)
      return k::max(v[i.a], v[i.b]);
    else if constexpr (i.op == Opcode::minimum)
      return k::min(v[i.a], v[i.b]);
    else if constexpr (is_comparison(i.op))
      return select<T>(condition<i>(v), B(T(1)), B(T(0)));
    else {
      static_assert(i.op == Opcode::where);
      if constexpr (is_comparison(program.code[static_cast<std::size_t>(i.a)].op))
        return select<T>(condition<program.code[static_cast<std::size_t>(i.a)]>(v), v[i.b], v[i.c]);
      else
        return select<T>(v[i.a] == B(T(0)), v[i.c], v[i.b]);
    }
  }
};

}  // namespace xgrad::kernels::XGRAD_ARCH
