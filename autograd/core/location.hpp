// Where in the user's program an op was called.
#pragma once

#include <source_location>
#include <string>

namespace xgrad {

/// Where an op was called: every op takes one last, which by default is its caller's place, for error
/// messages.
using Location = std::source_location;

namespace detail {
/// " (called in FILE:LINE, FUNCTION)", or nothing where that is not known.
std::string describe(const Location& at);
}  // namespace detail

}  // namespace xgrad
