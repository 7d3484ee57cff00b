// Checking gradients against finite differences.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <ranges>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

/// Options of gradcheck and gradgradcheck.
struct GradcheckOptions {
  double step = 1e-4;  ///< of the differences, times |x| or 1 (the largest |x| if all are smaller), whichever
                       ///< is larger; 2 steps to either side of x must meet no kink
  double tolerance = 1e-6;  ///< of the error, as a part of the gradient array's largest entry
  std::uint64_t seed = 0;   ///< of the random cotangent
};

namespace detail {

using Tensors = std::vector<Tensor<double>>;

/// What is checked: from tensors to tensors, and how errors call it.
struct CheckedFunction {
  std::function<Tensors(std::span<const Tensor<double>>)> call;
  std::string name = "the function";
};

bool gradcheck(const CheckedFunction& f, std::span<const Tensor<double>> inputs,
               const GradcheckOptions& options);
bool gradgradcheck(const CheckedFunction& f, std::span<const Tensor<double>> inputs,
                   const GradcheckOptions& options);

// A function may return a tensor, a range of tensors, or a tuple of either.
template <class R>
void append_results(Tensors& list, const R& result) {
  if constexpr (std::convertible_to<R, Tensor<double>>)
    list.push_back(result);
  else if constexpr (std::ranges::range<R>)
    for (const auto& part : result) append_results(list, part);
  else
    std::apply([&](const auto&... part) { (append_results(list, part), ...); }, result);
}

template <std::size_t>
using DoubleTensor = const Tensor<double>&;

/// Whether `f` takes so many tensors. A Formula says so itself: asking it by a call would be an error.
template <class F, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  if constexpr (requires { F::template takes<sizeof...(I)>; })
    return F::template takes<sizeof...(I)>;
  else
    return std::invocable<const F&, DoubleTensor<I>...>;
}

template <class F, std::size_t... I>
void call_into(Tensors& results, const F& f, std::span<const Tensor<double>> x, std::index_sequence<I...>) {
  append_results(results, f(x[I]...));
}

[[noreturn]] void wrong_arity(std::size_t inputs);

constexpr std::size_t most_checked_inputs = 8;

template <class F, std::size_t... n>
constexpr bool takes_some(std::index_sequence<n...>) {
  return (takes<F>(std::make_index_sequence<n + 1>()) || ...);
}

template <std::size_t n, class F>
Tensors call_with(const F& f, std::span<const Tensor<double>> x) {
  using Sequence = std::make_index_sequence<n>;
  Tensors results;
  if constexpr (takes<F>(Sequence()))
    call_into(results, f, x, Sequence());
  else
    wrong_arity(n);
  return results;
}

template <class F>
CheckedFunction checked(const F& f) {
  CheckedFunction result;
  result.call = [&f](std::span<const Tensor<double>> x) {
    using Counts = std::make_index_sequence<most_checked_inputs>;
    if constexpr (takes_some<F>(Counts())) {
      return [&]<std::size_t... n>(std::index_sequence<n...>) {
        using Call = Tensors (*)(const F&, std::span<const Tensor<double>>);
        constexpr std::array<Call, sizeof...(n)> calls{&call_with<n + 1, F>...};
        if (x.empty() || x.size() > calls.size()) wrong_arity(x.size());
        return calls[x.size() - 1](f, x);
      }(Counts());
    } else {
      static_assert(std::invocable<const F&, std::span<const Tensor<double>>>,
                    "gradcheck takes a function of Tensor<double>s, or of a std::span of them");
      Tensors results;
      append_results(results, f(x));
      return results;
    }
  };
  if constexpr (requires {
                  { f.name() } -> std::convertible_to<std::string>;
                })
    result.name = f.name();
  return result;
}

}  // namespace detail

/// Compares the gradients of `f` at `inputs` with finite differences of fourth order, for a random cotangent:
/// all inputs, whether they require gradients or not. `f` is a Formula or any callable that takes up to eight
/// Tensor<double>s, or one std::span of them, and returns one, a range or a tuple of them. Returns true;
/// throws GradcheckError that names the worst element (PyTorch's torch.autograd.gradcheck).
template <class F>
bool gradcheck(const F& f, std::span<const Tensor<double>> inputs, const GradcheckOptions& options = {}) {
  return detail::gradcheck(detail::checked(f), inputs, options);
}
template <class F, std::size_t N>
bool gradcheck(const F& f, const Tensor<double> (&inputs)[N], const GradcheckOptions& options = {}) {
  return gradcheck(f, std::span<const Tensor<double>>(inputs), options);
}

/// The same for the gradients of the gradients, by the inputs and by the cotangent
/// (torch.autograd.gradgradcheck).
template <class F>
bool gradgradcheck(const F& f, std::span<const Tensor<double>> inputs, const GradcheckOptions& options = {}) {
  return detail::gradgradcheck(detail::checked(f), inputs, options);
}
template <class F, std::size_t N>
bool gradgradcheck(const F& f, const Tensor<double> (&inputs)[N], const GradcheckOptions& options = {}) {
  return gradgradcheck(f, std::span<const Tensor<double>>(inputs), options);
}

}  // namespace xgrad
