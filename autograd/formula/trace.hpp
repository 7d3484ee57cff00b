// From a lambda to its programs: called once, on symbols, at compile time.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <xgrad/autograd/formula/derivative.hpp>

namespace xgrad::detail {

template <std::size_t>
using SymbolAt = Symbol;

// A lambda object at compile time: captureless ones are default constructible; others get bits of no meaning.
template <class F>
constexpr F stand_in() {
  if constexpr (std::is_empty_v<F>) {
    return F{};
  } else {
    std::array<unsigned char, sizeof(F)> bytes{};
    unsigned char next = 0x2d;
    for (auto& byte : bytes) byte = next = static_cast<unsigned char>((next * 37 + 11) & 0x3f);
    return std::bit_cast<F>(bytes);
  }
}

// Whether F captures nothing, or numbers by value only: then, and only then, can it be made of bits at
// compile time.
template <class F>
concept CapturesNumbers = std::is_trivially_copyable_v<F> &&
                          requires { typename std::bool_constant<(static_cast<void>(stand_in<F>()), true)>; };

// The first arguments, C of them, are numbers: constants that are known at run time only, as captured ones.
template <class F, std::size_t... I, std::size_t... C>
constexpr Program trace(const F& f, std::index_sequence<I...>, std::index_sequence<C...> = {}) {
  Builder builder;
  builder.capturing = !std::is_empty_v<F>;
  builder.program.captured = builder.program.constant_count = static_cast<int>(sizeof...(C));
  const auto results =
      results_of(f(builder.captured(static_cast<int>(C))..., builder.input(static_cast<int>(I))...));
  Program& program = builder.program;
  std::array<std::int16_t, Program::max_outputs> steps{};
  int count = 0;
  const auto add = [&](std::int16_t step) {
    if (count == Program::max_outputs) Builder::formula_returns_and_keeps_too_many_values();
    steps[static_cast<std::size_t>(count++)] = step;
  };
  for (const Symbol& r : results) add(r.step);
  for (int k = 0; k < builder.kept_count; ++k) {
    bool is_output = false;
    for (const Symbol& r : results) is_output |= r.step == builder.kept[static_cast<std::size_t>(k)];
    if (!is_output) add(builder.kept[static_cast<std::size_t>(k)]);
  }
  Program out = AdjointBuilder::pruned(program, steps, count, static_cast<int>(sizeof...(I)));
  out.kept = count - static_cast<int>(results.size());
  return out;
}

// The same for a vjp by hand: called with the gradients of the outputs and then the inputs, it gives those of
// the inputs.
template <class V, std::size_t... K, std::size_t... I>
constexpr Program trace_vjp(const V& vjp, const Program& forward, std::index_sequence<K...>,
                            std::index_sequence<I...>) {
  Builder builder;
  builder.capturing = !std::is_empty_v<V>;
  const int first_gradient = forward.inputs + forward.output_count;
  const auto results = results_of(
      vjp(builder.input(first_gradient + static_cast<int>(K))..., builder.input(static_cast<int>(I))...));
  static_assert(results.size() == sizeof...(I),
                "the vjp of a formula returns one gradient for each input: outputs(gx, gy)");
  std::array<std::int16_t, Program::max_outputs> steps{};
  for (std::size_t k = 0; k < results.size(); ++k) steps[k] = results[k].step;
  return AdjointBuilder::pruned(builder.program, steps, static_cast<int>(results.size()),
                                first_gradient + static_cast<int>(sizeof...(K)));
}

/// The constants of `now`, a formula traced again for the sake of its captured values, in the places that
/// they have in `known`. Throws ValueError where it is not the same computation.
std::array<double, Program::max_constants> constants_now(const Program& now, const Program& known,
                                                         const char* name);

template <class F, std::size_t N, std::size_t numbers = 0>
struct ForwardProgram {
  static constexpr Program program =
      trace(stand_in<F>(), std::make_index_sequence<N>(), std::make_index_sequence<numbers>());
};
template <class F, std::size_t N>
struct AdjointProgram {
  static constexpr Program program = AdjointBuilder::make(ForwardProgram<F, N>::program);
};
template <class F, std::size_t N>
struct RecordedAdjointProgram {
  static constexpr Program program = AdjointBuilder::make(ForwardProgram<F, N>::program, true);
};

template <class F, class V, std::size_t N>
struct HandAdjointProgram {
  static constexpr const Program& forward = ForwardProgram<F, N>::program;
  using Outputs = std::make_index_sequence<static_cast<std::size_t>(forward.output_count - forward.kept)>;
  static constexpr Program program =
      trace_vjp(stand_in<V>(), forward, Outputs(), std::make_index_sequence<N>());
};

}  // namespace xgrad::detail
