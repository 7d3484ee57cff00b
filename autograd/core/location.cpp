// Where an op was called, in words.
#include <xgrad/autograd/core/location.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include <xgrad/autograd/core/scope.hpp>
#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {

std::string detail::describe(const Location& at) { return describe(at, this_thread.scope); }

std::string detail::describe(const Location& at, std::uint32_t scope) {
  std::vector<std::string> parts;
  if (at.line() > 0)
    parts.push_back(fmt::format("called in {}:{}, {}", at.file_name(), at.line(), at.function_name()));
  const ScopeText text = scope_text(scope);
  if (!text.path.empty()) parts.push_back("in " + text.path);
  if (text.step) parts.push_back(fmt::format("time step {}", *text.step));
  return parts.empty() ? "" : fmt::format(" ({})", fmt::join(parts, "; "));
}

}  // namespace xgrad
