// Reading a text file, and making sure that a result can be written before work begins.
#include "files.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <xgrad/autograd/core/error.hpp>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

namespace char_rnn {

namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const char* what, int error) {
  throw xgrad::FormatError(
      fmt::format("{} {}: {}", what, file.string(), std::generic_category().message(error)));
}

}  // namespace

std::string read_file(const std::filesystem::path& file) {
  if (std::filesystem::is_directory(file)) fail(file, "cannot read", EISDIR);
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(file, "cannot read", errno);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) fail(file, "cannot read", EIO);
  return text;
}

void check_writable(const std::filesystem::path& file) {
  if (std::filesystem::is_directory(file)) fail(file, "cannot write", EISDIR);
  if (std::filesystem::exists(file) && !std::filesystem::is_regular_file(file))
    throw xgrad::FormatError(fmt::format("cannot write {}: it is no regular file", file.string()));
  // The model will be written beside `file` and then renamed, so the folder is what must be writable.
  std::string probe =
      (file.has_parent_path() ? file.parent_path() / ".char-rnn-XXXXXX" : ".char-rnn-XXXXXX").string();
  const int descriptor = mkstemp(probe.data());
  if (descriptor < 0) fail(file, "cannot write", errno);
  close(descriptor);
  unlink(probe.c_str());
}

}  // namespace char_rnn
