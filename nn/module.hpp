// Modules: plain structs that describe themselves to a visitor, and what can be done with any of them.
//
//   struct Net {
//     nn::Linear<> hidden{2, 8}, out{8, 1};
//     Tensor<> operator()(const Tensor<>& x) const { return out(tanh(hidden(x))); }
//     void visit(auto&& v) { v("hidden", hidden); v("out", out); }
//   };
//
// `v` takes, under a name: tensors (parameters), modules, and vectors, arrays and optionals of them, whose
// elements are named "0", "1", …; `v.buffer(name, tensor)` state that is saved but not trained;
// `v.training(flag)` the bool that train() and eval() set. (A class inside a function cannot have templates:
// there it is `visit(nn::Visitor& v)`.) A module may also have `std::string attributes() const`, shown when
// it is printed. Copying a module shares its parameters, as copying a tensor does; clone() separates them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::nn {

class Visitor;

/// A type with the member template `void visit(auto&& v)`.
template <class M>
concept Module = requires(std::remove_cv_t<M>& m, Visitor& v) { m.visit(v); };

/// A tensor under its dotted name: of float or double, or integers that a file holds.
struct NamedTensor {
  std::string name;
  AnyTensor tensor;
};

/// Tensors by name, in the order in which the module declares them.
struct StateDict : std::vector<NamedTensor> {
  using std::vector<NamedTensor>::vector;
  /// Null when there is none of that name.
  const AnyTensor* find(std::string_view name) const;
};

/// Names that load_state_dict found on one side only.
struct LoadReport {
  std::vector<std::string> missing, unexpected;
};

namespace detail {

// One line of a module's description.
struct Item {
  enum class Kind : std::uint8_t { parameter, buffer, module, end } kind;
  std::string path;  // "rnn.weight_ih_l0"
  std::size_t name;  // where in it the last name begins
  AnyTensor* tensor;
  std::string type;  // of a module
  std::optional<std::string> attributes;
};

template <class M>
constexpr std::string_view signature() {
  return __PRETTY_FUNCTION__;
}

template <class X>
inline constexpr bool is_tensor = false;
template <class T>
inline constexpr bool is_tensor<Tensor<T>> = true;
template <class X>
inline constexpr bool is_optional = false;
template <class X>
inline constexpr bool is_optional<std::optional<X>> = true;

}  // namespace detail

/// What `visit` is called with: it writes the module's description down. One type for all purposes, so that
/// each module's `visit` is compiled once.
class Visitor {
 public:
  template <class X>
  void operator()(std::string_view name, X& x) {
    if constexpr (!writable<X>()) {
    } else if constexpr (detail::is_tensor<X>) {
      tensor(name, x, detail::Item::Kind::parameter);
    } else if constexpr (Module<X>) {
      module(name, x);
    } else if constexpr (detail::is_optional<X>) {
      if (x) (*this)(name, *x);
    } else if constexpr (requires { std::begin(x) != std::end(x); }) {
      begin(name, "List", {});
      std::size_t i = 0;
      for (auto& element : x) (*this)(std::to_string(i++), element);
      end();
    } else {
      static_assert(sizeof(X) == 0,
                    "xgrad::nn: visit() hands over a member that is no Tensor, no module (a type with `void "
                    "visit(auto&& "
                    "v)`) and no vector, array or optional of them");
    }
  }

  /// State that is saved and loaded but not trained.
  template <class X>
    requires detail::is_tensor<std::remove_const_t<X>>
  void buffer(std::string_view name, X& x) {
    if constexpr (writable<X>()) tensor(name, x, detail::Item::Kind::buffer);
  }

  /// The flag that train() and eval() set.
  template <class X>
    requires std::same_as<std::remove_const_t<X>, bool>
  void training(X& flag) {
    if constexpr (writable<X>()) flags_.push_back(&flag);
  }

  template <class M>
  void module(std::string_view name, M& m) {
    if constexpr (requires {
                    { m.attributes() } -> std::convertible_to<std::string>;
                  })
      begin(name, detail::signature<M>(), m.attributes());
    else
      begin(name, detail::signature<M>(), std::nullopt);
    m.visit(*this);
    end();
  }

  const std::vector<detail::Item>& items() const { return items_; }
  const std::vector<bool*>& flags() const { return flags_; }

 private:
  template <class X>
  static constexpr bool writable() {
    static_assert(!std::is_const_v<X>,
                  "xgrad::nn: visit() hands over a const member; declare it `void visit(auto&& v)`, without "
                  "const, and no "
                  "parameter const");
    return !std::is_const_v<X>;
  }
  void tensor(std::string_view name, AnyTensor& x, detail::Item::Kind kind);
  void begin(std::string_view name, std::string_view type, std::optional<std::string> attributes);
  void end();
  void check_names() const;

  std::vector<detail::Item> items_;
  std::vector<bool*> flags_;
  std::vector<std::string> open_;
  std::string path_;
};

namespace detail {

// The element type of a module: what it names as value_type, or its first template argument that is or has
// one.
template <class M>
struct ElementType {
  using type = void;
};
template <class... X>
struct FirstOf {
  using type = void;
};
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
  requires(!requires { typename M<X...>::value_type; })
struct ElementType<M<X...>> : FirstOf<X...> {};

template <class T, class M>
using Element = std::conditional_t<
    !std::is_void_v<T>, T,
    std::conditional_t<std::is_void_v<typename ElementType<M>::type>, float, typename ElementType<M>::type>>;

[[noreturn]] void no_memory_to_describe();

template <class M>
Visitor described(const M& m) {
  static_assert(
      Module<M>,
      "xgrad::nn: this type is no module: give it `void visit(auto&& v) { v(\"name\", member); … }`");
  try {
    Visitor visitor;
    if constexpr (Module<M>) visitor.module("", const_cast<M&>(m));  // reading functions only read
    return visitor;
  } catch (const std::bad_alloc&) {
    no_memory_to_describe();
  }
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
std::int64_t count_parameters(const Visitor& visitor);
std::string to_string(const Visitor& visitor);

}  // namespace detail

/// The trainable tensors in declared order; tied (shared) ones count once. The element type is the module's
/// `value_type`, or its first template argument that is or has one, or float: for a struct of double modules
/// either declare `using value_type = double;` in it or ask for `parameters<double>(m)`. Throws ValueError
/// where it differs.
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

/// Number of trainable values, tied ones once.
template <class M>
std::int64_t count_parameters(const M& m) {
  return detail::count_parameters(detail::described(m));
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
