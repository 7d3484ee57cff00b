// Tensors in fmt's format strings: `{}` as NumPy prints them, `{:.3}` to three digits after the point. Shapes
// and index arrays: `{}`.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <concepts>
#include <string>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/error.hpp>

template <std::derived_from<xgrad::AnyTensor> Tensor>
struct fmt::formatter<Tensor> {
  int precision = -1;

  constexpr auto parse(format_parse_context& context) {
    auto at = context.begin();
    if (at != context.end() && *at == '.')
      for (precision = 0, ++at; at != context.end() && *at >= '0' && *at <= '9'; ++at)
        precision = 10 * precision + (*at - '0');
    if (at != context.end() && *at != '}')
      throw xgrad::ValueError("fmt: a tensor's format is {} or, with a precision, {:.3}");
    return at;
  }

  auto format(const xgrad::AnyTensor& tensor, format_context& context) const {
    const std::string text = precision < 0 ? xgrad::to_string(tensor) : xgrad::to_string(tensor, precision);
    return std::copy(text.begin(), text.end(), context.out());
  }
};

template <>
struct fmt::formatter<xgrad::Shape> : fmt::formatter<fmt::string_view> {
  auto format(const xgrad::Shape& shape, format_context& context) const {
    return fmt::formatter<fmt::string_view>::format(xgrad::to_string(shape), context);
  }
};
