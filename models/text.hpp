// Cutting a long text into batches whose streams go on from window to window.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <xgrad/autograd/array/indices.hpp>

namespace xgrad::models {

/// What a model reads and what it should answer, both (time, batch): `y` is one character ahead of `x`.
struct Window {
  Indices x, y;
};

/// A text as `batch` streams side by side, each an unbroken part of `size / batch` characters, cut into
/// windows of `seq_len` steps. Column b of one window goes on in column b of the next, so a recurrent state
/// may be carried over.
class Windows {
 public:
  /// `text` holds character indices and must outlive this. What is left of a stream after the last whole
  /// window is a shorter window with `keep_rest`, else dropped. Throws ValueError for a batch or length below
  /// 1, and for a text too short for one window of seq_len + 1 characters in each stream, saying how many are
  /// needed.
  Windows(std::span<const std::int64_t> text, std::int64_t batch, std::int64_t seq_len,
          bool keep_rest = false);
  Windows(std::vector<std::int64_t>&&, std::int64_t, std::int64_t,
          bool = false) = delete;  // it would be gone

  std::int64_t size() const { return count_; }
  std::int64_t batch() const { return batch_; }
  std::int64_t seq_len() const { return seq_len_; }
  /// Characters that are predicted in one pass over all windows.
  std::int64_t characters() const { return characters_; }

  /// Throws ValueError for an index outside.
  Window operator[](std::int64_t i) const;

 private:
  std::span<const std::int64_t> text_;
  std::int64_t batch_, seq_len_, stream_ = 0, count_ = 0, characters_ = 0;
};

/// The text without its last `fraction`, and that part. Throws ValueError for a fraction outside [0, 1).
std::pair<std::span<const std::int64_t>, std::span<const std::int64_t>> split_text(
    std::span<const std::int64_t> text, double fraction);

}  // namespace xgrad::models
