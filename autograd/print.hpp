// Tensors in fmt's format strings: `{}` as NumPy prints them, `{:.3}` to three digits after the point.
#pragma once

#include <fmt/core.h>

#include <algorithm>

#include "autograd/tensor.hpp"

template <class T>
struct fmt::formatter<xgrad::Tensor<T>> {
  int precision = -1;

  constexpr auto parse(format_parse_context& context) {
    auto at = context.begin();
    if (at != context.end() && *at == '.')
      for (precision = 0, ++at; at != context.end() && *at >= '0' && *at <= '9'; ++at) precision = 10 * precision + (*at - '0');
    if (at != context.end() && *at != '}') throw format_error("a tensor takes {} or a precision such as {:.3}");
    return at;
  }

  auto format(const xgrad::Tensor<T>& tensor, format_context& context) const {
    const std::string text = precision < 0 ? xgrad::to_string(tensor) : xgrad::to_string(tensor, precision);
    return std::copy(text.begin(), text.end(), context.out());
  }
};
