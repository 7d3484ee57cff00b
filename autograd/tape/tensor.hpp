// Tensor<T>: the handle that users hold.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/location.hpp>
#include <xgrad/autograd/core/replay_mode.hpp>
#include <xgrad/autograd/core/short_memory.hpp>
#include <xgrad/autograd/formula/symbol.hpp>
#include <xgrad/autograd/tape/methods.hpp>

namespace xgrad {

template <Real T = float>
class Tensor;

template <class T>
struct ArrayView;  // array.hpp: the one place that names xtensor's types

/// Options of backward() and grad().
struct BackwardOptions {
  bool retain_graph = false;  ///< keep the graph, and what it saved, for another backward
  /// Record the backward pass itself, for gradients of gradients. backward() then leaves the leaf a gradient
  /// whose graph holds the leaf: neither is freed before zero_grad() or set_grad(). With grad() there
  /// is no such cycle.
  bool create_graph = false;
};

/// Undoes `register_hook`.
struct HookHandle {
  AnyTensor tensor;
  std::uint64_t id = 0;
  void remove();
};

namespace detail {

/// An operand of an arithmetic operator: a tensor or a number, and where it was written.
template <Real T>
struct Operand {
  const Tensor<T>* tensor = nullptr;
  double number = 0;
  bool donated = false;  // a temporary
  Location at;

  Operand(const Tensor<T>& x, Location location = Location::current()) : tensor(&x), at(location) {}
  Operand(Tensor<T>&& x, Location location = Location::current()) : tensor(&x), donated(true), at(location) {}
  template <Number N>
  Operand(N x, Location location = Location::current()) : number(static_cast<double>(x)), at(location) {}
};

/// Numbers in nested braces: a number, or a list of these. Holds only until the end of its full expression.
template <Real T>
struct NestedList {
  T number{};
  std::span<const NestedList> parts;
  bool is_list;

  template <Number N>
  NestedList(N x) : number(static_cast<T>(x)), is_list(false) {}
  NestedList(std::initializer_list<NestedList> list) : parts(list), is_list(true) {}
};

[[noreturn]] void no_shape(const char* why);
[[noreturn]] void other_element_type(DType wanted);
/// Before the elements of x are read by `function`, called at `at`, where that is refused (x is undefined,
/// inside the function of a Replay) or a vjp that is being recorded has to know.
void before_reading(const char* function, const AnyTensor& x, const Location& at);
/// Raises the version of what is about to be written in place, here and in every run of a Replay. Throws
/// GraphError naming `op` for the result of a recorded op.
void change_in_place(std::string_view op, const AnyTensor& x);
/// Where the function called `name` changes all of x before it returns. Throws as mutable_values() does.
std::byte* changed_elements(const char* name, const AnyTensor& x, const Location& at);

/// The element type of a Tensor; void for anything else.
template <class X>
struct TensorElement {
  using type = void;
};
template <class X>
requires std::derived_from<X, Tensor<typename X::value_type>>
struct TensorElement<X> {
  using type = typename X::value_type;
};

}  // namespace detail

/// An xtensor array or expression.
template <class E>
concept ArrayExpression = !std::derived_from<std::remove_cvref_t<E>, AnyTensor> && requires(const E& e) {
  typename E::value_type;
  e.dimension();
  e.shape();
  e.begin();
};

/// A row-major array of float or double that remembers how it was computed. Copying copies the handle: both
/// copies are the same array, and the same parameter. A default-constructed Tensor is undefined: what would
/// read its elements throws ValueError.
template <Real T>
class Tensor : public AnyTensor, public TensorMethods<T> {
  using Opcode = detail::Opcode;
  using Operand = detail::Operand<T>;

 public:
  using value_type = T;

  Tensor() = default;
  /// From an untyped handle; throws ValueError when it holds another type.
  explicit Tensor(AnyTensor untyped) : AnyTensor(std::move(untyped)) {
    if (defined() && AnyTensor::dtype() != dtype_of<T>) detail::other_element_type(dtype_of<T>);
  }
  /// From nested lists: `Tensor<>{{1, 2}, {3, 4}}`. Throws ShapeError for ragged ones.
  Tensor(std::initializer_list<detail::NestedList<T>> list, Location at = Location::current());
  /// A copy of any xtensor array or expression. Throws ShapeError where its parts do not broadcast.
  template <ArrayExpression E>
  Tensor(const E& expression) : Tensor(from_range(shape_of(expression), expression)) {}
  /// A vector: a copy of a std::vector, array or other range of numbers.
  template <std::ranges::contiguous_range R>
    requires(Number<std::ranges::range_value_t<R>> && !ArrayExpression<R> && !std::derived_from<R, AnyTensor>)
  explicit Tensor(const R& values)
      : Tensor(from_range(Shape{static_cast<std::int64_t>(std::ranges::size(values))}, values)) {}

  /// The elements. Throws GraphError inside the function of a Replay, as all functions do that hand out
  /// values.
  const T* data(Location at = Location::current()) const { return elements_for("data", at); }
  std::span<const T> values(Location at = Location::current()) const& {
    return {elements_for("values", at), static_cast<std::size_t>(elements())};
  }
  /// A copy, for those of a temporary are gone with it: `for (float g : x.grad().values())`.
  std::vector<T> values(Location at = Location::current()) const&& {
    const T* const first = elements_for("values", at);
    return {first, first + elements()};
  }
  DType dtype() const { return defined_for("dtype").AnyTensor::dtype(); }
  Device device() const { return defined_for("device").AnyTensor::device(); }
  std::uint32_t version() const { return defined_for("version").AnyTensor::version(); }

  /// The one element's value. Throws ShapeError for any other number of elements.
  T item(Location at = Location::current()) const;

  /// Read-only xtensor view; lives as long as this handle. Needs <xgrad/autograd/tape/array.hpp>.
  auto array() const& { return ArrayView<T>::make(defined_for("array")); }
  auto array() const&& = delete;

  /// Writable elements, in all handles to them, for as long as one of these lives. The call raises the
  /// version: a graph that saved these values refuses to go backward. It cannot see what is written through
  /// the span later, so ask for it anew for each change; and from the call on, until assign(), products keep
  /// no packed form of the values. Throws GraphError for the result of a recorded op.
  std::span<T> mutable_values(Location at = Location::current()) {
    T* const values = reinterpret_cast<T*>(detail::changed_elements("mutable_values", *this, at));
    storage()->expose(true);
    return {values, static_cast<std::size_t>(elements())};
  }
  /// Writable xtensor view, on the same terms.
  auto mutable_array(Location at = Location::current()) & {
    return ArrayView<T>::make_mutable(*this, mutable_values(at));
  }

  /// Overwrites the elements with those of a tensor or xtensor expression of the same shape, on the same
  /// terms.
  void assign(const Tensor& values, Location at = Location::current());
  template <ArrayExpression E>
  void assign(const E& expression, Location at = Location::current()) {
    assign(Tensor(expression), at);
  }

  /// Makes this a leaf in which gradients accumulate, or stops that. Handles to the same elements are the
  /// same leaf: copies made after the call, and others once it is called on them too. Throws GraphError for
  /// the result of a recorded op, whose gradient is on its way to leaves.
  Tensor& set_requires_grad(bool requires_grad = true, Location at = Location::current()) &;
  Tensor set_requires_grad(bool requires_grad = true, Location at = Location::current()) && {
    return std::move(set_requires_grad(requires_grad, at));
  }

  /// Accumulated gradient of a leaf; undefined before the first backward.
  Tensor grad() const;
  /// Replaces it; an undefined tensor clears it. Throws ShapeError for another shape.
  void set_grad(const Tensor& gradient, Location at = Location::current());
  void zero_grad() { set_grad({}); }

  /// Adds the gradients of this scalar to every leaf it was computed from (PyTorch's Tensor.backward), and
  /// frees the graph as it goes, unless `retain_graph`: what was saved, and the nodes themselves but for what
  /// other tensors hold. An exception on the way leaves every gradient as it was; the part of the graph that
  /// was passed by then is freed.
  void backward(BackwardOptions options = {}, Location at = Location::current()) const;
  /// The same for any shape, with the gradient of this tensor given.
  void backward(const Tensor& gradient, BackwardOptions options = {},
                Location at = Location::current()) const;

  /// Calls `hook` with this tensor's gradient as soon as backward has all of it; a defined result replaces
  /// it. That of a leaf is called while the pass goes on, so that what it starts, such as sending the
  /// gradient to others, overlaps with the rest; the leaf's grad() changes at the end. The hook lasts until
  /// it is removed, or the tensor's graph is freed; a leaf's that captures the leaf itself keeps it alive
  /// until it is removed. Throws ValueError for an empty function.
  HookHandle register_hook(std::function<Tensor(const Tensor&)> hook,
                           Location at = Location::current()) const;

  /// Whether a hook is registered.
  bool has_hooks() const;

  /// The same elements without their history.
  Tensor detach() const { return Tensor(detached()); }
  /// A copy with storage of its own; differentiable.
  Tensor clone(Location at = Location::current()) const;
  /// Converted to another element type; differentiable.
  template <Real U>
  Tensor<U> to(Location at = Location::current()) const;
  /// On `device`; there is only the CPU, so this is the same handle.
  Tensor to(Device device) const;

  /// Name of the op that made this: "leaf", "tanh", … or "constant".
  std::string op_name() const;

  /// `x += y` is `x = x + y`, which other handles do not see. But a leaf (a parameter) is changed in place,
  /// in all handles: `no_grad scope; p -= lr * p.grad();`. Throws GraphError for a leaf where that would have
  /// to be recorded.
  Tensor& operator+=(const Operand& x) { return compound(Opcode::add, x); }
  Tensor& operator-=(const Operand& x) { return compound(Opcode::sub, x); }
  Tensor& operator*=(const Operand& x) { return compound(Opcode::mul, x); }
  Tensor& operator/=(const Operand& x) { return compound(Opcode::div, x); }

  friend Tensor operator-(const Operand& x) { return arithmetic(Opcode::neg, x); }
  friend Tensor operator+(const Operand& a, const Operand& b) { return arithmetic(Opcode::add, a, b); }
  friend Tensor operator-(const Operand& a, const Operand& b) { return arithmetic(Opcode::sub, a, b); }
  friend Tensor operator*(const Operand& a, const Operand& b) { return arithmetic(Opcode::mul, a, b); }
  friend Tensor operator/(const Operand& a, const Operand& b) { return arithmetic(Opcode::div, a, b); }
  /// Comparisons give 1 where they hold and 0 elsewhere; no gradient.
  friend Tensor operator>(const Operand& a, const Operand& b) { return arithmetic(Opcode::greater, a, b); }
  friend Tensor operator>=(const Operand& a, const Operand& b) {
    return arithmetic(Opcode::greater_equal, a, b);
  }
  friend Tensor operator<(const Operand& a, const Operand& b) { return arithmetic(Opcode::less, a, b); }
  friend Tensor operator<=(const Operand& a, const Operand& b) {
    return arithmetic(Opcode::less_equal, a, b);
  }
  friend Tensor operator==(const Operand& a, const Operand& b) { return arithmetic(Opcode::equal, a, b); }
  friend Tensor operator!=(const Operand& a, const Operand& b) { return arithmetic(Opcode::not_equal, a, b); }

 private:
  static Tensor arithmetic(Opcode op, const Operand& x);
  static Tensor arithmetic(Opcode op, const Operand& a, const Operand& b);
  Tensor& compound(Opcode op, const Operand& x);

  const Tensor& defined_for(const char* function) const {
    detail::require_defined(function, *this);
    return *this;
  }
  const T* elements_for(const char* function, const Location& at) const {
    if (!defined() || detail::in_replay() || detail::this_thread.values_read) [[unlikely]]
      detail::before_reading(function, *this, at);
    return reinterpret_cast<const T*>(bytes());
  }

  // An expression finds out here whether its parts broadcast.
  template <class E>
  static Shape shape_of(const E& expression) {
    try {
      return Shape(expression.shape());
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      detail::no_shape(error.what());
    }
  }

  template <class R>
  static Tensor from_range(const Shape& shape, const R& range) {
    Tensor result(AnyTensor::empty(shape, dtype_of<T>));
    T* to = reinterpret_cast<T*>(result.mutable_bytes());
    for (auto it = std::begin(range); it != std::end(range); ++it) *to++ = static_cast<T>(*it);
    if (detail::in_replay()) [[unlikely]]
      detail::repeat_values(result);
    return result;
  }
};

/// Options of grad().
struct GradOptions {
  std::vector<AnyTensor> grad_outputs =
      {};  ///< one for each output; none or undefined: ones, for scalar outputs
  bool retain_graph = false;
  bool create_graph = false;
  bool allow_unused = false;
};

namespace detail {
std::vector<AnyTensor> grad(std::span<const AnyTensor> outputs, std::span<const AnyTensor> inputs,
                            const GradOptions& options, Location at);
}

/// d(outputs) / d(inputs), one for each input, without touching any `.grad()` (PyTorch's
/// torch.autograd.grad). Throws GraphError for an input that the outputs do not depend on, unless
/// `allow_unused`, which leaves it undefined, and ValueError for another number of grad_outputs than of
/// outputs. This one is for structured bindings: `auto [gx, gy] = grad(loss, {x, y});`.
template <Real T, std::size_t N>
std::array<Tensor<T>, N> grad(const Tensor<T>& output, const Tensor<T> (&inputs)[N],
                              const GradOptions& options = {}, Location at = Location::current()) {
  const std::array<AnyTensor, 1> from{output};
  std::array<AnyTensor, N> to;
  std::ranges::copy(inputs, to.begin());
  auto gradients = detail::grad(from, to, options, at);
  std::array<Tensor<T>, N> result;
  for (std::size_t i = 0; i < N; ++i)
    if (gradients[i].defined()) result[i] = Tensor<T>(std::move(gradients[i]));
  return result;
}

/// The same of several outputs by several inputs.
template <Real T>
std::vector<Tensor<T>> grad(const std::vector<Tensor<T>>& outputs, const std::vector<Tensor<T>>& inputs,
                            const GradOptions& options = {}, Location at = Location::current()) {
  return detail::or_error("grad", [&] {
    const std::vector<AnyTensor> from(outputs.begin(), outputs.end()), to(inputs.begin(), inputs.end());
    std::vector<Tensor<T>> result;
    for (auto& g : detail::grad(from, to, options, at))
      result.push_back(g.defined() ? Tensor<T>(std::move(g)) : Tensor<T>());
    return result;
  });
}

/// Of one output by several inputs, and by one (whose type is a parameter, so that no list in braces is taken
/// for it).
template <Real T, std::same_as<std::vector<Tensor<T>>> Inputs>
std::vector<Tensor<T>> grad(const Tensor<T>& output, const Inputs& inputs, const GradOptions& options = {},
                            Location at = Location::current()) {
  return detail::or_error("grad", [&] { return grad(std::vector<Tensor<T>>{output}, inputs, options, at); });
}
template <Real T, std::same_as<Tensor<T>> Input>
Tensor<T> grad(const Tensor<T>& output, const Input& input, const GradOptions& options = {},
               Location at = Location::current()) {
  return grad(output, {input}, options, at)[0];
}

/// The same elements without their history, as Tensor::detach().
template <Real T>
Tensor<T> detach(const Tensor<T>& x) {
  return x.detach();
}

extern template class Tensor<float>;
extern template class Tensor<double>;

}  // namespace xgrad
