// Where in the user's program an op was called.
#pragma once

#include <cstdint>
#include <source_location>
#include <string>

namespace xgrad {

/// Where an op was called: every op takes one last, which by default is its caller's place, for error
/// messages.
using Location = std::source_location;

namespace detail {
/// " (called in FILE:LINE, FUNCTION; in decoder.out; time step 3)": the later parts by the number of a
/// named_scope, or this thread's present one. Nothing where neither is known.
std::string describe(const Location& at, std::uint32_t scope);
std::string describe(const Location& at);
}  // namespace detail

}  // namespace xgrad
