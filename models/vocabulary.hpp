// The characters of a text and their indices.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace xgrad::models {

/// What counts as one character of a text.
enum class TextUnit { code_point, byte };

/// The code points of UTF-8 text. Throws ValueError naming the offset of the first byte that is no UTF-8
/// (overlong forms, surrogates and numbers above U+10FFFF are none).
std::u32string decode_utf8(std::string_view text);

/// The other way. Throws ValueError for a surrogate or a number above U+10FFFF.
std::string encode_utf8(std::u32string_view characters);

/// A set of characters in an order: each one's place is its index. With `TextUnit::byte` a character is a
/// byte.
class Vocabulary {
 public:
  Vocabulary() = default;
  /// These characters in this order. Throws ValueError when one comes twice, or for bytes above 255.
  explicit Vocabulary(std::u32string characters, TextUnit unit = TextUnit::code_point);

  /// The characters that `text` has, sorted. Throws ValueError for an empty text, and for one that is not
  /// UTF-8 when characters are code points.
  static Vocabulary of(std::string_view text, TextUnit unit = TextUnit::code_point);

  std::int64_t size() const { return static_cast<std::int64_t>(characters_.size()); }
  TextUnit unit() const { return unit_; }
  const std::u32string& characters() const { return characters_; }

  /// Index of a character; none when the vocabulary does not have it.
  std::optional<std::int64_t> index(char32_t character) const;
  /// The character at an index, as text. Throws ValueError for an index outside.
  std::string character(std::int64_t index) const;

  /// Index of each character of `text`; one that is not here gets `unknown`, or where that is not given
  /// throws ValueError naming the character and its place.
  std::vector<std::int64_t> encode(std::string_view text, std::optional<std::int64_t> unknown = {}) const;

  /// The text that these indices spell. Throws ValueError for an index outside.
  std::string decode(std::span<const std::int64_t> indices) const;

  friend bool operator==(const Vocabulary& a, const Vocabulary& b) {
    return a.unit_ == b.unit_ && a.characters_ == b.characters_;
  }

 private:
  std::u32string characters_;
  std::unordered_map<char32_t, std::int64_t> indices_;
  TextUnit unit_ = TextUnit::code_point;
};

/// "'x'", with control characters as "U+000A" and bytes as "byte 0x0a": for messages.
std::string describe_character(char32_t character, TextUnit unit = TextUnit::code_point);

}  // namespace xgrad::models
