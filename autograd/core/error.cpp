// What all errors say besides their text.
#include <xgrad/autograd/core/error.hpp>

#include <xgrad/autograd/core/call_site.hpp>

namespace xgrad {

namespace {

// The text, and where the op under way was called unless the text says already where one was.
std::string with_place(const std::string& text) {
  if (text.find("(called in ") != text.npos) return text;
  return text + detail::describe(detail::this_thread.call_site);
}

}  // namespace

Error::Error(const std::string& text) : std::runtime_error(with_place(text)) {}

void Error::add(std::string_view remark) {
  static_cast<std::runtime_error&>(*this) = std::runtime_error(what() + std::string(remark));
}

}  // namespace xgrad
