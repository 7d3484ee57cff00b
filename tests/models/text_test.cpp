// Windows of a text: every column goes on where it stopped, and texts that are too short.
#include <xgrad/models/text.hpp>

#include <numeric>
#include <type_traits>

#include <xgrad/autograd/core/error.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::models;

std::vector<std::int64_t> counting(std::size_t size) {
  std::vector<std::int64_t> text(size);
  std::iota(text.begin(), text.end(), 0);
  return text;
}

TEST_CASE("Windows: x and y are (time, batch), y one ahead", "[models]") {
  const auto text = counting(11);  // two streams of 5, one character left over
  const Windows windows(text, 2, 2);
  REQUIRE(windows.size() == 2);
  CHECK(windows.characters() == 8);
  CHECK(equal(windows[0].x, Indices{{0, 5}, {1, 6}}));
  CHECK(equal(windows[0].y, Indices{{1, 6}, {2, 7}}));
  CHECK(equal(windows[1].x, Indices{{2, 7}, {3, 8}}));
  CHECK(equal(windows[1].y, Indices{{3, 8}, {4, 9}}));
}

TEST_CASE("Windows: every column runs through its part of the text without a gap", "[models]") {
  const auto text = counting(1000);
  for (const std::int64_t batch : {1, 3, 7})
    for (const std::int64_t seq_len : {1, 4, 50}) {
      const Windows windows(text, batch, seq_len);
      const std::int64_t stream = 1000 / batch;
      REQUIRE(windows.size() == (stream - 1) / seq_len);
      std::int64_t wrong = 0;
      for (std::int64_t w = 0; w < windows.size(); ++w) {
        const auto [x, y] = windows[w];
        REQUIRE((x.shape() == Shape{seq_len, batch} && y.shape() == x.shape()));
        for (std::int64_t t = 0; t < seq_len; ++t)
          for (std::int64_t b = 0; b < batch; ++b) {
            const auto at = static_cast<std::size_t>(t * batch + b);
            const std::int64_t expected = b * stream + w * seq_len + t;
            wrong += x.values()[at] != expected || y.values()[at] != expected + 1;
          }
      }
      CHECK(wrong == 0);
    }
}

TEST_CASE("Windows: the rest of a stream is a shorter window when it is kept", "[models]") {
  const auto text = counting(16);  // two streams of 8: 7 steps each
  CHECK(Windows(text, 2, 3).size() == 2);
  const Windows kept(text, 2, 3, true);
  REQUIRE(kept.size() == 3);
  CHECK(kept.characters() == 14);
  CHECK(equal(kept[2].x, Indices{{6, 14}}));
  CHECK(equal(kept[2].y, Indices{{7, 15}}));
  CHECK(Windows(text, 2, 7, true).size() == 1);
}

TEST_CASE("Windows: a text shorter than one window says how many characters are needed", "[models]") {
  const auto text = counting(12);
  const std::span<const std::int64_t> all = text;
  CHECK(Windows(all, 2, 5).size() == 1);
  CHECK_THROWS_AS(Windows(all.first(11), 2, 5), ValueError);
  CHECK_THROWS_WITH(
      Windows(all.first(11), 2, 5),
      "Windows: a text of 11 characters is too short: batch 2 times (seq_len 5 + 1) needs 12; give a longer "
      "text, or a smaller batch or seq_len");
  CHECK_THROWS_AS(Windows(all.first(0), 1, 1), ValueError);
  CHECK_THROWS_WITH(Windows(all, 0, 5),
                    "Windows: batch 0 and seq_len 5; both must be at least 1, and below 2^31");
  CHECK_THROWS_AS(Windows(all, 1, -1), ValueError);
  CHECK_THROWS_AS(Windows(all, 1, std::int64_t{1} << 62), ValueError);
  CHECK_THROWS_WITH(Windows(all, 2, 5)[1], "Windows: window 1 of 1");
  CHECK_FALSE(std::is_constructible_v<Windows, std::vector<std::int64_t>, std::int64_t,
                                      std::int64_t>);  // it would be gone
}

TEST_CASE("split_text: the last part of the text, without overlap", "[models]") {
  const auto text = counting(1001);
  const auto [train, validation] = split_text(text, 0.05);
  CHECK(train.size() == 950);
  CHECK(validation.size() == 51);
  CHECK(validation.front() == 950);
  CHECK(split_text(text, 0).second.empty());
  CHECK_THROWS_WITH(split_text(text, 1), "split_text: fraction 1 is not in [0, 1)");
  CHECK_THROWS_AS(split_text(text, -0.1), ValueError);
}

}  // namespace
