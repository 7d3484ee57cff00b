// Files of values: text from them in messages, reading them to their size, and replacing them as a whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/short_memory.hpp>

namespace xgrad::nn::detail {

/// Text that a file holds, as a message may show it: control characters and what is no UTF-8 escaped, and of
/// more than 200 bytes the beginning only.
std::string printable(std::string_view text);

/// A file, and the format that it is read or written in: how its errors begin.
struct FileName {
  std::string_view format;
  const std::filesystem::path& path;
};

template <class... Args>
[[noreturn]] void fail(const FileName& file, fmt::format_string<Args...> text, Args&&... args) {
  const std::string message = fmt::format(text, std::forward<Args>(args)...);
  throw FormatError(fmt::format("{}: {}: {}", file.format, file.path.string(), message));
}

/// What `work()` returns; where memory is short for it, Error is thrown instead of std::bad_alloc.
template <class Work>
auto with_memory_errors(const FileName& file, Work work) -> decltype(work()) {
  const auto text = [&] {
    return fmt::format("{}: {}: out of memory; free some, or take a smaller file", file.format, file.path.string());
  };
  return xgrad::detail::or_error(text, work);
}

/// A file descriptor that is closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

/// A regular file, open for reading. Throws FormatError where there is none: of a device or a pipe it
/// is unknown how much there is to read.
class InputFile {
 public:
  explicit InputFile(const FileName& file);
  std::uint64_t size() const { return size_; }
  /// Fills `bytes` with those from `offset` on. Throws FormatError where there are not so many.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  FileName file_;
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
};

/// Writes a file that holds `parts`, one after another, in place of what is there: under another name beside
/// it, which then takes its place. So it is whole or as it was at every moment, even when the machine stops.
/// Symbolic links are followed, and the mode of a file that is replaced is kept. Throws FormatError, and
/// leaves everything as it was, when that fails or where there is something that is no regular file.
void replace_file(const FileName& file, std::span<const std::span<const std::byte>> parts);

}  // namespace xgrad::nn::detail
