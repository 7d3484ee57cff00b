// The characters of a text and their indices.
#include <xgrad/models/vocabulary.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/nn/file.hpp>

namespace xgrad::models {

namespace {

constexpr bool is_scalar(char32_t c) { return c < 0xD800 || (c > 0xDFFF && c <= 0x10FFFF); }

// Length of a sequence by its first byte; 0 where none begins with it.
constexpr std::size_t sequence_length(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  if (first >= 0xF0 && first < 0xF5) return 4;
  return 0;
}

// The code point that begins at text[at], and moves `at` past it; none where the bytes are no UTF-8.
std::optional<char32_t> next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = sequence_length(byte(at));
  if (length == 0 || length > text.size() - at) return {};
  char32_t c = length == 1 ? byte(at) : byte(at) & (0x7F >> length);
  for (std::size_t i = at + 1; i < at + length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    c = c << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < smallest[length] || !is_scalar(c)) return {};
  at += length;
  return c;
}

void append_utf8(std::string& text, char32_t c) {
  if (!is_scalar(c))
    throw ValueError(
        fmt::format("encode_utf8: U+{:04X} is no Unicode character", static_cast<std::uint32_t>(c)));
  const auto put = [&](char32_t bits) { text.push_back(static_cast<char>(bits)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

std::u32string characters_of(std::string_view text, TextUnit unit) {
  if (unit == TextUnit::code_point) return decode_utf8(text);
  std::u32string characters(text.size(), U'\0');
  std::ranges::transform(text, characters.begin(), [](char c) { return static_cast<unsigned char>(c); });
  return characters;
}

}  // namespace

std::u32string decode_utf8(std::string_view text) {
  std::u32string characters;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const std::optional<char32_t> c = next_code_point(text, at);
    if (!c)
      throw ValueError(
          fmt::format("decode_utf8: byte 0x{:02x} at offset {} is not UTF-8; convert the text, or read it "
                      "as bytes",
                      static_cast<unsigned char>(text[begin]), begin));
    characters.push_back(*c);
  }
  return characters;
}

std::string encode_utf8(std::u32string_view characters) {
  std::string text;
  for (const char32_t c : characters) append_utf8(text, c);
  return text;
}

Vocabulary::Vocabulary(std::u32string characters, TextUnit unit)
    : characters_(std::move(characters)), unit_(unit) {
  for (const char32_t c : characters_) {
    if (unit == TextUnit::byte ? c > 0xFF : !is_scalar(c))
      throw ValueError(fmt::format("Vocabulary: U+{:04X} is no {}", static_cast<std::uint32_t>(c),
                                   unit == TextUnit::byte ? "byte" : "Unicode character"));
    if (!indices_.emplace(c, static_cast<std::int64_t>(indices_.size())).second)
      throw ValueError(fmt::format(
          "Vocabulary: {} comes twice; give each character once, or use Vocabulary::of for a text",
          describe_character(c, unit)));
  }
}

Vocabulary Vocabulary::of(std::string_view text, TextUnit unit) {
  if (text.empty()) throw ValueError("Vocabulary::of: the text is empty; give at least one character");
  std::u32string characters = characters_of(text, unit);
  std::ranges::sort(characters);
  characters.erase(std::unique(characters.begin(), characters.end()), characters.end());
  return Vocabulary(std::move(characters), unit);
}

std::optional<std::int64_t> Vocabulary::index(char32_t character) const {
  const auto found = indices_.find(character);
  return found == indices_.end() ? std::nullopt : std::optional(found->second);
}

std::string Vocabulary::character(std::int64_t index) const { return decode({&index, 1}); }

std::vector<std::int64_t> Vocabulary::encode(std::string_view text,
                                             std::optional<std::int64_t> unknown) const {
  std::vector<std::int64_t> indices;
  for (const char32_t c : characters_of(text, unit_)) {
    const std::optional<std::int64_t> known = index(c);
    if (!known && !unknown)
      throw ValueError(fmt::format(
          "Vocabulary::encode: {} at position {} is not one of the {} characters of the vocabulary",
          describe_character(c, unit_), indices.size(), size()));
    indices.push_back(known ? *known : *unknown);
  }
  return indices;
}

std::string Vocabulary::decode(std::span<const std::int64_t> indices) const {
  std::string text;
  for (const std::int64_t i : indices) {
    if (i < 0 || i >= size())
      throw ValueError(fmt::format("Vocabulary::decode: index {} is not in [0, {})", i, size()));
    const char32_t c = characters_[static_cast<std::size_t>(i)];
    if (unit_ == TextUnit::byte)
      text.push_back(static_cast<char>(c));
    else
      append_utf8(text, c);
  }
  return text;
}

std::string describe_character(char32_t character, TextUnit unit) {
  const auto number = static_cast<std::uint32_t>(character);
  if (unit == TextUnit::byte) return fmt::format("byte 0x{:02x}", number);
  if (!is_scalar(character)) return fmt::format("U+{:04X}", number);
  const std::string text = encode_utf8({&character, 1});
  const bool shown = (number >= 0x20 && number < 0x7F) || nn::detail::printable(text) == text;
  return shown ? fmt::format("'{}'", text) : fmt::format("U+{:04X}", number);
}

}  // namespace xgrad::models
