// formula("name", lambda): an elementwise op in one line, with its derivatives.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/formula/compiled.hpp>
#include <xgrad/autograd/tape/run_formula.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// The parts of `tensor`'s last axis, as so many arguments of a formula: strided reads, one gradient, no
/// copies.
template <int N, Real T>
struct Chunks {
  const Tensor<T>& tensor;
};
template <int N, Real T>
Chunks<N, T> chunks(const Tensor<T>& tensor) {
  return {tensor};
}

/// Where a formula's results go, a tensor for each: `x`, or `{x, y}`; and the place for error reports. Holds
/// only until the end of its full expression.
template <Real T>
struct Destinations {
  std::span<const Tensor<T>> tensors;
  Location at;

  Destinations(const Tensor<T>& x, Location location = Location::current()) : tensors(&x, 1), at(location) {}
  Destinations(std::initializer_list<Tensor<T>> list, Location location = Location::current())
      : tensors(list.begin(), list.size()), at(location) {}
};

namespace detail {

struct NoVjp {};

template <class F, class V, std::size_t N>
const FormulaInfo& formula_info(const char* name) {
  using Forward = ForwardProgram<F, N>;
  static const FormulaInfo info = [&] {
    const auto make = [&]<class Adjoint, class Recorded>() {
      return analyzed({.name = name,
                       .forward = &Forward::program,
                       .adjoint = &Adjoint::program,
                       .recorded_adjoint = &Recorded::program,
                       .inputs = static_cast<int>(N),
                       .outputs = Forward::program.output_count - Forward::program.kept,
                       .kept = Forward::program.kept,
                       .forward_kernel = kernels::XGRAD_ARCH::program_loops<Forward, true>,
                       .backward_kernel = kernels::XGRAD_ARCH::program_loops<Adjoint, false>});
    };
    if constexpr (std::same_as<V, NoVjp>)
      return make.template operator()<AdjointProgram<F, N>, RecordedAdjointProgram<F, N>>();
    else
      return make.template operator()<HandAdjointProgram<F, V, N>, HandAdjointProgram<F, V, N>>();
  }();
  return info;
}

template <class X>
inline constexpr std::size_t argument_width = 1;
template <int N, class T>
inline constexpr std::size_t argument_width<Chunks<N, T>> = N;

template <class X>
struct ElementOf : TensorElement<X> {};
template <int N, class T>
struct ElementOf<Chunks<N, T>> {
  using type = T;
};

template <class... X>
struct CommonElement {
  using type = void;
};
template <class X, class... Rest>
struct CommonElement<X, Rest...> {
  using mine = typename ElementOf<X>::type;
  using theirs = typename CommonElement<Rest...>::type;
  static_assert(std::is_void_v<mine> || std::is_void_v<theirs> || std::same_as<mine, theirs>,
                "the tensors given to a formula are of different element types; convert with to<T>()");
  using type = std::conditional_t<std::is_void_v<mine>, theirs, mine>;
};

template <class T>
void append(std::span<FormulaArgument>& rest, const Tensor<T>& x) {
  rest[0] = {&x};
  rest = rest.subspan(1);
}
inline void append(std::span<FormulaArgument>& rest, Number auto x) {
  rest[0] = {nullptr, static_cast<double>(x)};
  rest = rest.subspan(1);
}
template <int N, class T>
void append(std::span<FormulaArgument>& rest, const Chunks<N, T>& x) {
  for (int k = 0; k < N; ++k) rest[static_cast<std::size_t>(k)] = {&x.tensor, 0, k, N};
  rest = rest.subspan(N);
}

template <class F, class Sequence>
struct SymbolicCall;
template <class F, std::size_t... I>
struct SymbolicCall<F, std::index_sequence<I...>> {
  static constexpr bool possible = std::invocable<const F&, SymbolAt<I>...>;
  template <class G = F>
  static constexpr std::size_t results() {
    return result_count<std::invoke_result_t<const G&, SymbolAt<I>...>>;
  }
};

/// Tensors, chunks<N>(tensor) and numbers, of which at least one is no number.
template <class... X>
concept FormulaOperands = ((Number<X> || !std::is_void_v<typename ElementOf<X>::type>)&&...) &&
                          !std::is_void_v<typename CommonElement<X...>::type>;

}  // namespace detail

/// An elementwise op. Call it with tensors, numbers and chunks<N>(tensor), broadcast against each other; the
/// result is a Tensor, or a std::array of them where the lambda returned outputs(...). Made by formula().
template <class F, class V = detail::NoVjp>
class Formula {
 public:
  constexpr Formula(const char* name, F f, V vjp = {}) : name_(name), f_(f), vjp_(vjp) {}

  constexpr const char* name() const { return name_; }

  /// Whether the lambda takes so many arguments.
  template <std::size_t n>
  static constexpr bool takes = detail::SymbolicCall<F, std::make_index_sequence<n>>::possible;

  // One to four arguments with the caller's place for error reports; a pack can have no default argument
  // after it.
  template <class A>
  requires detail::FormulaOperands<A>
  auto operator()(const A& a, Location at = Location::current()) const { return call(at, {}, a); }
  template <class A, class B>
  requires detail::FormulaOperands<A, B>
  auto operator()(const A& a, const B& b, Location at = Location::current()) const {
    return call(at, {}, a, b);
  }
  template <class A, class B, class C>
  requires detail::FormulaOperands<A, B, C>
  auto operator()(const A& a, const B& b, const C& c, Location at = Location::current()) const {
    return call(at, {}, a, b, c);
  }
  template <class A, class B, class C, class D>
  requires detail::FormulaOperands<A, B, C, D>
  auto operator()(const A& a, const B& b, const C& c, const D& d, Location at = Location::current()) const {
    return call(at, {}, a, b, c, d);
  }
  template <class... X>
  requires(sizeof...(X) > 4 && detail::FormulaOperands<X...>) auto operator()(const X&... x) const {
    return call(Location::current(), {}, x...);
  }

  /// Computes into given tensors of the results' shape instead of new memory: `swish.into(y, x)`, or with
  /// several results `polar.into({x, y}, r, angle)`. A write in place, see mutable_values(); under no_grad
  /// an operand of that shape may be written over: `momentum.into({p, v}, p, v, g, lr)`. Throws ValueError
  /// for more or fewer tensors than results, ShapeError for another shape, and GraphError for a result of a
  /// recorded op, for two destinations that overlap, and for one that overlaps an operand otherwise or where
  /// this is recorded.
  template <class... X>
    requires detail::FormulaOperands<X...>
  auto into(Destinations<typename detail::CommonElement<X...>::type> to, const X&... x) const {
    return call(to.at, &to, x...);
  }

  /// Called with an explicit place for error reports.
  template <class... X>
  auto at(Location where, const X&... x) const {
    return call(where, {}, x...);
  }

 private:
  template <class... X, class T = typename detail::CommonElement<X...>::type>
  auto call(Location at, const Destinations<T>* to, const X&... x) const {
    constexpr std::size_t n = (detail::argument_width<X> + ...);
    using Call = detail::SymbolicCall<F, std::make_index_sequence<n>>;
    static_assert(n <= static_cast<std::size_t>(detail::FormulaInfo::max_inputs),
                  "a formula takes at most 16 inputs");
    static_assert(Call::possible,
                  "this lambda is no formula of so many arguments: it must take them as `auto` and use only "
                  "arithmetic, "
                  "comparisons, where() and xgrad's elementwise functions on them");
    static_assert(
        detail::CapturesNumbers<F> && detail::CapturesNumbers<V>,
        "a formula's lambda may capture numbers only, by value: [k], not [&k]; pass tensors as arguments");
    if constexpr (Call::possible && detail::CapturesNumbers<F> && detail::CapturesNumbers<V>) {
      constexpr std::size_t results = Call::results();
      static_assert(results > 0,
                    "a formula's lambda returns an expression of its arguments, or outputs(...) of several");
      std::array<detail::FormulaArgument, n> arguments;
      std::span<detail::FormulaArgument> rest(arguments);
      (detail::append(rest, x), ...);
      std::conditional_t<results == 1, Tensor<T>, std::array<Tensor<T>, results>> result;
      static_assert(sizeof(result) == results * sizeof(AnyTensor));  // for run_formula they are AnyTensors
      const std::span<AnyTensor> out(reinterpret_cast<AnyTensor*>(&result), results);
      if (to) {
        if (to->tensors.size() != results) detail::other_destinations(name_, results, to->tensors.size());
        for (std::size_t k = 0; k < results; ++k) {
          Tensor<T> place = to->tensors[k];
          detail::change_in_place(name_, place);
          out[k] = place.detach();
        }
      }
      const detail::FormulaInfo& info = detail::formula_info<F, V, n>(name_);
      if constexpr (std::is_empty_v<F> && std::is_empty_v<V>) {
        detail::run_formula(info, arguments, out, at);
      } else {
        constexpr auto inputs = std::make_index_sequence<n>();
        const auto forward = detail::constants_now(detail::trace(f_, inputs), *info.forward, name_);
        if constexpr (std::same_as<V, detail::NoVjp>) {
          detail::run_formula(info, arguments, out, at, {forward.data(), forward.data()});
        } else {
          using Outputs = typename detail::HandAdjointProgram<F, V, n>::Outputs;
          const detail::Program now = detail::trace_vjp(vjp_, *info.forward, Outputs(), inputs);
          const auto adjoint = detail::constants_now(now, *info.adjoint, name_);
          detail::run_formula(info, arguments, out, at, {forward.data(), adjoint.data()});
        }
      }
      return result;
    }
  }

  const char* name_;
  [[no_unique_address]] F f_;
  [[no_unique_address]] V vjp_;
};

/// `constexpr auto swish = formula("swish", [](auto x) { return x * sigmoid(x); });`
/// The lambda is called once, on symbols, at compile time; it may capture numbers. With a second lambda
/// (g, x...) -> gradient of each x, that is the derivative.
template <class F>
constexpr Formula<F> formula(const char* name, F f) {
  return {name, f};
}
template <class F, class V>
constexpr Formula<F, V> formula(const char* name, F f, V vjp) {
  return {name, f, vjp};
}

}  // namespace xgrad
