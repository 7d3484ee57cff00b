// The types that values have in files: what they are called there, and which type holds them here.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <xgrad/autograd/core/dtype.hpp>

namespace xgrad::nn::detail {

static_assert(std::endian::native == std::endian::little, "values are copied as they stand in memory");

/// IEEE 754's binary16.
struct Half {
  std::uint16_t bits;
  operator float() const {
    const std::uint32_t magnitude = (bits & 0x7fffu) << 13, infinity = 0x7f800000;
    // The exponent's bias is 15 there and 127 here; infinities and NaNs keep the largest exponent.
    const float value = magnitude < 0x7c00u << 13 ? std::bit_cast<float>(magnitude) * 0x1p112f
                                                  : std::bit_cast<float>(magnitude | infinity);
    return std::copysign(value, bits & 0x8000 ? -1.0f : 1.0f);
  }
};

/// The upper half of a float.
struct BFloat16 {
  std::uint16_t bits;
  operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

/// A byte that is true unless it is 0.
struct Boolean {
  std::uint8_t byte;
  operator bool() const { return byte != 0; }
};

/// Values of type V become values of To, which is no smaller; `from` may be the end of `to`'s memory.
template <class V, class To>
void convert_values(const std::byte* from, std::size_t count, std::byte* to) {
  static_assert(sizeof(V) <= sizeof(To));
  for (std::size_t k = 0; k < count; ++k) {
    V value;
    std::memcpy(&value, from + k * sizeof(V), sizeof(V));
    const To converted = static_cast<To>(value);
    std::memcpy(to + k * sizeof(To), &converted, sizeof(To));
  }
}

/// A type of values in files.
struct ElementFormat {
  using Convert = void (*)(const std::byte* from, std::size_t count, std::byte* to);

  std::string_view safetensors, npy;  ///< its names; .npy files have no BF16
  std::size_t size;                   ///< bytes of a value
  DType dtype;  ///< of arrays that hold its values exactly; of U64's only those below 2^63
  Convert to_dtype, to_double;
};

template <class V, class Held = std::int64_t>
constexpr ElementFormat element_format(std::string_view safetensors, std::string_view npy) {
  return {safetensors, npy, sizeof(V), dtype_of<Held>, convert_values<V, Held>, convert_values<V, double>};
}

inline constexpr ElementFormat element_formats[] = {
    element_format<float, float>("F32", "<f4"),  element_format<double, double>("F64", "<f8"),
    element_format<Half, float>("F16", "<f2"),   element_format<BFloat16, float>("BF16", ""),
    element_format<std::int64_t>("I64", "<i8"),  element_format<std::int32_t>("I32", "<i4"),
    element_format<std::int16_t>("I16", "<i2"),  element_format<std::int8_t>("I8", "|i1"),
    element_format<std::uint64_t>("U64", "<u8"), element_format<std::uint32_t>("U32", "<u4"),
    element_format<std::uint16_t>("U16", "<u2"), element_format<std::uint8_t>("U8", "|u1"),
    element_format<Boolean>("BOOL", "|b1")};

/// The format of that name; null where there is none.
constexpr const ElementFormat* find_format(std::string_view ElementFormat::* names, std::string_view name) {
  const auto found = std::ranges::find(element_formats, name, names);
  return found == std::end(element_formats) || name.empty() ? nullptr : found;
}

/// All of these names, for messages.
inline std::vector<std::string_view> format_names(std::string_view ElementFormat::* names) {
  std::vector<std::string_view> known;
  for (const ElementFormat& format : element_formats)
    if (!(format.*names).empty()) known.push_back(format.*names);
  return known;
}

}  // namespace xgrad::nn::detail
