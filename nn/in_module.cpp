// Errors that say in which module they came up.
#include <xgrad/nn/in_module.hpp>

#include <fmt/format.h>

#include <new>
#include <string>
#include <string_view>

#include <xgrad/autograd/tape/node.hpp>

namespace xgrad::nn::detail {

void name_module(Error& error, const AnyTensor& parameter) noexcept {
  constexpr std::string_view note = " (in the module '";
  if (!parameter.node() || !parameter.is_leaf() ||
      std::string_view(error.what()).find(note) != std::string_view::npos)
    return;
  try {
    const std::string label = static_cast<const xgrad::detail::Leaf&>(*parameter.node()).label();
    if (const std::size_t dot = label.rfind('.'); dot != std::string::npos)
      error.add(fmt::format("{}{}')", note, label.substr(0, dot)));
  } catch (const std::bad_alloc&) {  // the error itself matters more
  }
}

}  // namespace xgrad::nn::detail
