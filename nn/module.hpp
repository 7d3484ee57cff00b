// Modules: plain structs, and what can be done with any of them.
//
//   struct Net {
//     nn::Linear<> hidden{2, 8}, out{8, 1};
//     Tensor<> operator()(const Tensor<>& x) const { return out(tanh(hidden(x))); }
//   };
//
// The members of a struct without constructors and bases are found by the compiler, with their names: tensors
// (parameters), nn::Buffer<T> (state that is saved but not trained), modules, and lists, maps, tuples,
// optionals and smart pointers of these; `bool training` is the flag that train() and eval() set. Other
// members are the struct's own affair. Any other class says the same in a member template:
//
//     void visit(auto&& v) { v("hidden", hidden); v("out", out); v.buffer("mean", mean);
//     v.training(training); }
//
// (A class inside a function cannot have templates: there it is `visit(nn::Visitor& v)`.) A module may also
// have `std::string attributes() const`, shown when it is printed. Copying a module shares its parameters, as
// copying a tensor does; clone() separates them.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <xgrad/autograd/core/short_memory.hpp>
#include <xgrad/nn/visitor.hpp>

namespace xgrad::nn {

/// A tensor under its dotted name: of float or double, or integers that a file holds.
struct NamedTensor {
  std::string name;
  AnyTensor tensor;
};

/// Tensors by name, in the order in which the module declares them.
struct StateDict : std::vector<NamedTensor> {
  using std::vector<NamedTensor>::vector;
  /// Null when there is none of that name.
  const AnyTensor* find(std::string_view name) const&;
  const AnyTensor* find(std::string_view name) const&& = delete;  // it would point into what is gone
};

/// Names that load_state_dict found on one side only.
struct LoadReport {
  std::vector<std::string> missing, unexpected;
};

namespace detail {

// The element type of a module: what it names as value_type, or its first part or template argument that is
// or has one.
template <class... X>
struct FirstOf {
  using type = void;
};
template <class M>
struct ElementType : FirstOf<> {};
template <class X, class... Rest>
struct FirstOf<X, Rest...> {
  using mine = typename ElementType<X>::type;
  using type = std::conditional_t<std::is_void_v<mine>, typename FirstOf<Rest...>::type, mine>;
};
template <Real T>
struct ElementType<T> {
  using type = T;
};
template <class M>
requires Real<typename M::value_type>
struct ElementType<M> {
  using type = typename M::value_type;
};
template <template <class...> class M, class... X>
requires(!requires { typename M<X...>::value_type; } && !HasMembers<M<X...>>) struct ElementType<M<X...>>
    : FirstOf<X...> {
};

template <class X>
using PartOrNone = std::conditional_t<HasParts<X>::value, X, void>;
template <HasMembers M>
requires(!requires { typename M::value_type; }) struct ElementType<M>
    : decltype(with_members(std::declval<M&>(), [](auto&... x) {
      return FirstOf<PartOrNone<std::remove_cvref_t<decltype(x)>>...>();
    })) {
};

template <class T, class M>
using Element = std::conditional_t<
    !std::is_void_v<T>, T,
    std::conditional_t<std::is_void_v<typename ElementType<M>::type>, float, typename ElementType<M>::type>>;

template <class M>
Visitor described(const M& m) {
  static_assert(Module<M>,
                "xgrad::nn: this type is no module: a struct without constructors that has tensors or "
                "modules, or a class "
                "with `void visit(auto&& v) { v(\"name\", member); … }`");
  return xgrad::detail::or_error("module", [&] {
    Visitor visitor;
    if constexpr (Module<M>) visitor.module("", const_cast<M&>(m));  // reading functions only read
    return visitor;
  });
}

// Parameters in declared order, tied ones once. Throws ValueError for one that is not of `type`.
std::vector<NamedTensor> parameters(const Visitor& visitor);
std::vector<NamedTensor> parameters(const Visitor& visitor, DType type);
StateDict state_dict(const Visitor& visitor);
LoadReport load_state_dict(const Visitor& visitor, const StateDict& dict, bool strict);
void separate(const Visitor& visitor);
void to(const Visitor& visitor, Device device);
void zero_grad(const Visitor& visitor);
void set_requires_grad(const Visitor& visitor, bool requires_grad);
void set_training(const Visitor& visitor, bool training);
std::int64_t count_parameters(const Visitor& visitor, bool trainable_only);
std::string to_string(const Visitor& visitor);

}  // namespace detail

/// The parameters in declared order, frozen ones included; tied (shared) ones count once. The element type is
/// the module's `value_type`, or that of its first part or template argument that has one, or float: for a
/// class of double modules with a `visit`, either declare `using value_type = double;` in it or ask for
/// `parameters<double>(m)`. Throws ValueError where it differs.
template <class T = void, class M>
std::vector<Tensor<detail::Element<T, M>>> parameters(const M& m) {
  using E = detail::Element<T, M>;
  std::vector<Tensor<E>> result;
  for (NamedTensor& p : detail::parameters(detail::described(m), dtype_of<E>))
    result.emplace_back(std::move(p.tensor));
  return result;
}

/// The same with their dotted names, each tied one under its first.
template <class T = void, class M>
std::vector<std::pair<std::string, Tensor<detail::Element<T, M>>>> named_parameters(const M& m) {
  using E = detail::Element<T, M>;
  std::vector<std::pair<std::string, Tensor<E>>> result;
  for (NamedTensor& p : detail::parameters(detail::described(m), dtype_of<E>))
    result.emplace_back(std::move(p.name), Tensor<E>(std::move(p.tensor)));
  return result;
}

/// Parameters and buffers by name, without history, sharing memory with the module (PyTorch's state_dict); of
/// clone(m) for a snapshot. Tied parameters stand under each of their names.
template <class M>
StateDict state_dict(const M& m) {
  return detail::state_dict(detail::described(m));
}

/// Copies the values of `dict` into the module's parameters and buffers, converting them to their type.
/// Throws FormatError that lists the missing, unexpected and wrong-shaped names (of many the first ten), and
/// Error where memory is short; either changes nothing. With strict = false missing and unexpected names are
/// reported in the result instead, as are always those of integers, for a module need not have a place for
/// them: a BatchNorm's `num_batches_tracked`, or a mask.
template <class M>
LoadReport load_state_dict(M& m, const StateDict& dict, bool strict = true) {
  return detail::load_state_dict(detail::described(m), dict, strict);
}

/// Sets the training flag of the module and all inside it (Dropout reads it).
template <class M>
void train(M& m, bool training = true) {
  detail::set_training(detail::described(m), training);
}
template <class M>
void eval(M& m) {
  train(m, false);
}

/// Number of values of all parameters, tied ones once.
template <class M>
std::int64_t count_parameters(const M& m) {
  return detail::count_parameters(detail::described(m), false);
}
/// The same without frozen ones.
template <class M>
std::int64_t count_trainable(const M& m) {
  return detail::count_parameters(detail::described(m), true);
}

/// A copy with parameters and buffers of its own; what was tied stays tied. Gradients are not copied.
template <class M>
M clone(const M& m) {
  M copy = m;
  detail::separate(detail::described(copy));
  return copy;
}

/// Moves parameters and buffers to `device` (PyTorch's Module.to).
template <class M>
void to(M& m, Device device) {
  detail::to(detail::described(m), device);
}

/// Clears the gradients of all parameters.
template <class M>
void zero_grad(const M& m) {
  detail::zero_grad(detail::described(m));
}

/// Freezes the parameters, or thaws them (PyTorch's Module.requires_grad_).
template <class M>
void set_requires_grad(M& m, bool requires_grad = true) {
  detail::set_requires_grad(detail::described(m), requires_grad);
}

/// The tree of modules with their attributes, as PyTorch prints it. A module without `attributes()` shows the
/// shapes of its own tensors.
template <Module M>
std::string to_string(const M& m) {
  return detail::to_string(detail::described(m));
}

}  // namespace xgrad::nn
