// Vocabulary: UTF-8 in and out, sorted indices, and text that is refused.
#include <xgrad/models/vocabulary.hpp>

#include <string>

#include <xgrad/autograd/core/error.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::models;
using namespace std::string_literals;
using Catch::Matchers::Contains;
using List = std::vector<std::int64_t>;

// One code point at each end of each length of UTF-8.
const std::u32string edges = {0x0,    0x7F,   0x80,   0x7FF,   0x800,   0xD7FF,
                              0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF};

TEST_CASE("utf8: code points of every length go out and come back", "[models]") {
  const std::string text = encode_utf8(edges);
  CHECK(
      text ==
      "\0\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBD\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"s);
  CHECK(decode_utf8(text) == edges);
  CHECK(decode_utf8("").empty());
  std::u32string all;
  for (char32_t c = 0; c <= 0x10FFFF; ++c)
    if (c < 0xD800 || c > 0xDFFF) all.push_back(c);
  CHECK((decode_utf8(encode_utf8(all)) == all));
}

TEST_CASE("utf8: what is not UTF-8 is named by its byte and offset", "[models]") {
  struct Case {
    std::string text, byte;
    int offset;
  };
  const Case cases[] = {
      {"ab\xFF"
       "c",
       "0xff", 2},                       // no sequence begins so
      {"\x80", "0x80", 0},               // continuation without a beginning
      {"abc\xC3", "0xc3", 3},            // cut off
      {"x\xE2\x82", "0xe2", 1},          // cut off in the middle
      {"\xE2\x28\xA1", "0xe2", 0},       // second byte is none
      {"\xE2\x82\x28", "0xe2", 0},       // third byte is none
      {"a\xC0\xAF", "0xc0", 1},          // overlong '/'
      {"a\xE0\x9F\xBF", "0xe0", 1},      // overlong U+07FF
      {"a\xF0\x8F\xBF\xBF", "0xf0", 1},  // overlong U+FFFF
      {"\xED\xA0\x80", "0xed", 0},       // surrogate
      {"\xF4\x90\x80\x80", "0xf4", 0},   // above U+10FFFF
      {"\xF5\x80\x80\x80", "0xf5", 0},
      {"é\xE9t\xE9", "0xe9", 2},  // Latin-1 after a valid character
  };
  for (const Case& c : cases) {
    INFO(c.byte << " at " << c.offset);
    CHECK_THROWS_WITH(decode_utf8(c.text), "decode_utf8: byte " + c.byte + " at offset " +
                                               std::to_string(c.offset) +
                                               " is not UTF-8; convert the text, or read it as bytes");
    CHECK_THROWS_AS(Vocabulary::of(c.text), ValueError);
    CHECK_NOTHROW(Vocabulary::of(c.text, TextUnit::byte));
  }
  CHECK_THROWS_WITH(encode_utf8(std::u32string{0xD800}), "encode_utf8: U+D800 is no Unicode character");
  CHECK_THROWS_WITH(encode_utf8(std::u32string{0x110000}), "encode_utf8: U+110000 is no Unicode character");
}

TEST_CASE("Vocabulary: characters are sorted, each has its index", "[models]") {
  const Vocabulary v = Vocabulary::of("hello");
  CHECK((v.characters() == U"ehlo"));
  CHECK(v.size() == 4);
  CHECK(v.encode("hello") == List{1, 0, 2, 2, 3});
  CHECK(v.decode(v.encode("hello")) == "hello");
  CHECK(v.encode("").empty());
  CHECK(v.index(U'o') == 3);
  CHECK_FALSE(v.index(U'x'));
  CHECK(v.character(2) == "l");

  const Vocabulary ordered(U"helo");
  CHECK(ordered.encode("hello") == List{0, 1, 2, 2, 3});
  CHECK_FALSE(ordered == v);
  CHECK(Vocabulary(U"ehlo") == v);
  CHECK(Vocabulary().size() == 0);
}

TEST_CASE("Vocabulary: a character is a code point, or a byte on request", "[models]") {
  const std::string text = "naïve — 日本語 🎈\n";
  const Vocabulary v = Vocabulary::of(text);
  CHECK(v.size() == 12);
  CHECK(v.encode(text).size() == 14);
  CHECK(v.decode(v.encode(text)) == text);
  CHECK(v.character(*v.index(U'🎈')) == "🎈");

  const Vocabulary bytes = Vocabulary::of(text, TextUnit::byte);
  CHECK(bytes.encode(text).size() == text.size());
  CHECK(bytes.decode(bytes.encode(text)) == text);
  const std::string noise = "\xFF\x00\x80 \xFF"s;
  const Vocabulary raw = Vocabulary::of(noise, TextUnit::byte);
  CHECK((raw.characters() == std::u32string{0x00, 0x20, 0x80, 0xFF}));
  CHECK(raw.decode(raw.encode(noise)) == noise);
  CHECK_FALSE(Vocabulary(U"a") == Vocabulary(U"a", TextUnit::byte));
}

TEST_CASE("Vocabulary: an unknown character is named, or takes the index that was given for it", "[models]") {
  const Vocabulary v = Vocabulary::of("hello");
  CHECK_THROWS_AS(v.encode("help"), ValueError);
  CHECK_THROWS_WITH(v.encode("help"),
                    "Vocabulary::encode: 'p' at position 3 is not one of the 4 characters of the vocabulary");
  CHECK_THROWS_WITH(v.encode("héllo"), Contains("'é' at position 1"));
  CHECK_THROWS_WITH(v.encode("hello\n"), Contains("U+000A at position 5"));
  CHECK_THROWS_WITH(Vocabulary(U"a", TextUnit::byte).encode("a\n"), Contains("byte 0x0a at position 1"));
  CHECK_THROWS_WITH(v.encode("he\xFF"), Contains("offset 2"));
  CHECK(v.encode("help", -1) == List{1, 0, 2, -1});
  CHECK(v.encode("hello") == List{1, 0, 2, 2, 3});  // as usable as before
}

TEST_CASE("Vocabulary: bad input", "[models]") {
  CHECK_THROWS_AS(Vocabulary::of(""), ValueError);
  CHECK_THROWS_WITH(Vocabulary::of(""), "Vocabulary::of: the text is empty; give at least one character");
  CHECK_THROWS_WITH(
      Vocabulary(U"hello"),
      "Vocabulary: 'l' comes twice; give each character once, or use Vocabulary::of for a text");
  CHECK_THROWS_WITH(Vocabulary(U"aÿĀ", TextUnit::byte), "Vocabulary: U+0100 is no byte");
  CHECK_THROWS_WITH(Vocabulary(std::u32string{0xDC00}), "Vocabulary: U+DC00 is no Unicode character");
  const Vocabulary v = Vocabulary::of("hello");
  CHECK_THROWS_WITH(v.decode(List{0, 4}), "Vocabulary::decode: index 4 is not in [0, 4)");
  CHECK_THROWS_WITH(v.character(-1), "Vocabulary::decode: index -1 is not in [0, 4)");
}

}  // namespace
