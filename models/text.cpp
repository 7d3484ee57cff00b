// Cutting a long text into batches whose streams go on from window to window.
#include <xgrad/models/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad::models {

Windows::Windows(std::span<const std::int64_t> text, std::int64_t batch, std::int64_t seq_len, bool keep_rest)
    : text_(text), batch_(batch), seq_len_(seq_len) {
  constexpr std::int64_t limit = std::int64_t{1} << 31;  // so that no product below overflows
  if (batch < 1 || seq_len < 1 || batch >= limit || seq_len >= limit)
    throw ValueError(fmt::format("Windows: batch {} and seq_len {}; both must be at least 1, and below 2^31",
                                 batch, seq_len));
  const auto length = static_cast<std::int64_t>(text.size());
  stream_ = length / batch;
  if (stream_ <= seq_len)
    throw ValueError(fmt::format(
        "Windows: a text of {} characters is too short: batch {} times (seq_len {} + 1) needs {}; "
        "give a longer text, or a smaller batch or seq_len",
        length, batch, seq_len, batch * (seq_len + 1)));
  const std::int64_t steps = stream_ - 1;
  count_ = keep_rest ? (steps + seq_len - 1) / seq_len : steps / seq_len;
  characters_ = batch * (keep_rest ? steps : count_ * seq_len);
}

Window Windows::operator[](std::int64_t i) const {
  if (i < 0 || i >= count_) throw ValueError(fmt::format("Windows: window {} of {}", i, count_));
  const std::int64_t begin = i * seq_len_, steps = std::min(seq_len_, stream_ - 1 - begin);
  const auto from = [&](std::int64_t first) {
    std::vector<std::int64_t> values(static_cast<std::size_t>(steps * batch_));
    for (std::int64_t b = 0; b < batch_; ++b)
      for (std::int64_t t = 0; t < steps; ++t)
        values[static_cast<std::size_t>(t * batch_ + b)] =
            text_[static_cast<std::size_t>(b * stream_ + first + t)];
    return Indices({steps, batch_}, std::move(values));
  };
  return {from(begin), from(begin + 1)};
}

std::pair<std::span<const std::int64_t>, std::span<const std::int64_t>> split_text(
    std::span<const std::int64_t> text, double fraction) {
  if (!(fraction >= 0 && fraction < 1))
    throw ValueError(fmt::format("split_text: fraction {} is not in [0, 1)", fraction));
  const auto kept = static_cast<std::size_t>(std::floor(static_cast<double>(text.size()) * (1 - fraction)));
  return {text.first(kept), text.subspan(kept)};
}

}  // namespace xgrad::models
