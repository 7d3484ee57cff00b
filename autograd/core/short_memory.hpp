// Short memory is an Error, wherever it was wanted.
#pragma once

#include <concepts>
#include <new>
#include <string_view>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad::detail {

/// Throws an Error that was made when there was memory.
[[noreturn]] void throw_prepared_error();

/// Throws E with the text that text() returns; where memory is too short for a text, another Error.
template <class E = Error, class F>
[[noreturn]] void throw_short_of_memory(F text) {
  try {
    throw E(text());
  } catch (const std::bad_alloc&) {
    throw_prepared_error();
  }
}

/// As above: `what` found too little memory.
[[noreturn]] void short_of_memory(std::string_view what);

/// Returns f(), with Error for std::bad_alloc: that `what` found too little memory, or what() as its whole text. The
/// pool throws Error by itself; this is for the entries of
/// the library that need other memory: for lists, and for what users' functions do.
template <class What, class F>
decltype(auto) or_error(const What& what, F&& f) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    if constexpr (std::invocable<const What&>)
      throw_short_of_memory(what);
    else
      short_of_memory(what);
  }
}

}  // namespace xgrad::detail
