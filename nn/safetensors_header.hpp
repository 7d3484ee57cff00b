// The header of a safetensors file: each tensor's name, type, shape and place, as JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <xgrad/autograd/core/shape.hpp>
#include <xgrad/nn/element_format.hpp>
#include <xgrad/nn/file.hpp>

namespace xgrad::nn::detail {

inline constexpr std::string_view metadata_key = "__metadata__";

/// A tensor, and where its bytes lie after the header.
struct Entry {
  std::string name;
  const ElementFormat* format = nullptr;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
  const std::byte* values = nullptr;  ///< to be written

  std::uint64_t bytes() const { return static_cast<std::uint64_t>(shape.elements()) * format->size; }
};

struct SafetensorsHeader {
  std::vector<Entry> entries;  ///< in the order of the text
  std::map<std::string, std::string> metadata;
};

/// Reads a header that `data_bytes` bytes of values follow, in time and memory proportional to it. Throws
/// FormatError for what is no such header, and where a tensor's shape and place do not fit each other or the
/// values.
SafetensorsHeader parse_header(const FileName& file, std::string_view text, std::uint64_t data_bytes);

/// The other way, padded with spaces so that values begin at a multiple of 8 bytes. Throws FormatError for a
/// name or metadata that is not UTF-8.
std::string header_text(const FileName& file, const std::vector<Entry>& entries,
                        const std::map<std::string, std::string>& metadata);

}  // namespace xgrad::nn::detail
