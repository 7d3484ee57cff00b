// Where an op was called, in words.
#include <xgrad/autograd/core/location.hpp>

#include <fmt/format.h>

namespace xgrad {

std::string detail::describe(const Location& at) {
  if (at.line() == 0) return {};
  return fmt::format(" (called in {}:{}, {})", at.file_name(), at.line(), at.function_name());
}

}  // namespace xgrad
