// Starting kernels: at once, and again whenever a Replay runs.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/replay_mode.hpp>

namespace xgrad {

/// An array whose element type is known: a Tensor<T> or Indices.
template <class X>
concept TypedArray = std::derived_from<X, AnyTensor> && requires { typename X::value_type; };

namespace detail {

// An operand of a kernel: where it lies, and whether its version is raised by each launch.
template <class Pointer>
struct KernelOperand {
  Storage* storage;  // null for an undefined array
  Pointer address;
};
template <class T>
struct ChangedOperand : KernelOperand<T*> {};

template <class T>
T* address_of(const AnyTensor& x, std::int64_t offset) {
  return x.defined() ? reinterpret_cast<T*>(x.storage()->data()) + x.offset() + offset : nullptr;
}
inline std::byte* first_byte(const AnyTensor& x) {
  return x.defined() ? const_cast<std::byte*>(x.bytes()) : nullptr;
}

}  // namespace detail

/// An array that a kernel reads: its parameter is `const T*`, to the array's element number `offset`; null for
/// an undefined array.
template <ElementType T>
detail::KernelOperand<const T*> reads(const AnyTensor& x, std::int64_t offset = 0) {
  return {x.storage().get(), detail::address_of<T>(x, offset)};
}
template <TypedArray X>
auto reads(const X& x, std::int64_t offset = 0) {
  return reads<typename X::value_type>(static_cast<const AnyTensor&>(x), offset);
}

/// An array that a kernel writes, which no op has read or saved yet: its parameter is `T*`.
template <ElementType T>
detail::KernelOperand<T*> writes(const AnyTensor& x, std::int64_t offset = 0) {
  return {x.storage().get(), detail::address_of<T>(x, offset)};
}
template <TypedArray X>
auto writes(const X& x, std::int64_t offset = 0) {
  return writes<typename X::value_type>(static_cast<const AnyTensor&>(x), offset);
}

/// An array that a kernel changes, though ops may have read it: its version is raised, and a graph that saved
/// it refuses to go backward. Null for an undefined array.
template <ElementType T>
detail::ChangedOperand<T> changes(const AnyTensor& x) {
  return {{x.storage().get(), detail::address_of<T>(x, 0)}};
}
template <TypedArray X>
auto changes(const X& x) {
  return changes<typename X::value_type>(static_cast<const AnyTensor&>(x));
}

/// The same for kernels that take bytes.
inline detail::KernelOperand<const std::byte*> reads_bytes(const AnyTensor& x) {
  return {x.storage().get(), detail::first_byte(x)};
}
inline detail::KernelOperand<std::byte*> writes_bytes(const AnyTensor& x) {
  return {x.storage().get(), detail::first_byte(x)};
}
inline detail::ChangedOperand<std::byte> changes_bytes(const AnyTensor& x) {
  return {{x.storage().get(), detail::first_byte(x)}};
}

namespace detail {

// What the kernel gets for an argument, at once and in every run.
template <class A>
const A& passed(const A& argument) {
  return argument;
}
template <class Pointer>
Pointer passed(const KernelOperand<Pointer>& operand) {
  return operand.address;
}
template <class T>
T* passed(const ChangedOperand<T>& operand) {
  if (operand.storage) operand.storage->raise_version();
  return operand.address;
}

// For a Replay that is being made (kernel_list.cpp): has it keep the storage; calls a kernel and appends it.
[[gnu::cold]] void hold_in_replay(Storage* storage);
void launch_in_replay(void (*run)(const void* kernel), const void* kernel, std::size_t bytes);

template <class A>
void hold(const A&) {}
template <class Pointer>
void hold(const KernelOperand<Pointer>& operand) {
  if (operand.storage) hold_in_replay(operand.storage);
}
template <class T>
void hold(const ChangedOperand<T>& operand) {
  hold(static_cast<const KernelOperand<T*>&>(operand));
}

template <class F, class... A>
[[gnu::cold, gnu::noinline]] void launch_and_append(const F& kernel, const A&... arguments) {
  (hold(arguments), ...);
  const auto call = [kernel, arguments...] { kernel(passed(arguments)...); };
  static_assert(std::is_trivially_copyable_v<decltype(call)>,
                "launch() takes a function, or a lambda that captures by value, and plain values");
  static_assert(alignof(decltype(call)) <= alignof(std::max_align_t));
  launch_in_replay([](const void* k) { (*static_cast<const decltype(call)*>(k))(); }, &call, sizeof call);
}

// Where a formula's loop finds the elements of an operand that its plan declares.
inline std::byte* declared_bytes(const AnyTensor& x) {
  if (in_replay()) [[unlikely]]
    hold_in_replay(x.storage().get());
  return const_cast<std::byte*>(x.bytes());
}

}  // namespace detail

/// Calls `kernel(arguments...)`, where arrays are declared as reads(x), writes(y) or changes(z) and reach it as
/// pointers to their elements; all else is passed on by value. Inside the function of a Replay the call is
/// written down too, and made again in every run; so the kernel is a function, or a lambda that captures by
/// value, and touches nothing but its arguments. It should not throw: a run would end there, half computed.
///
///   launch([](const float* x, float* y, std::int64_t n) { for (…) y[i] = f(x[i]); },
///          reads(x), writes(y), x.elements());
template <class F, class... A>
[[gnu::always_inline]] inline void launch(const F& kernel, const A&... arguments) {
  if (detail::in_replay()) [[unlikely]]
    return detail::launch_and_append(kernel, arguments...);
  kernel(detail::passed(arguments)...);
}

}  // namespace xgrad
