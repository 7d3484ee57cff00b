// What the fuzz targets share: a file of given bytes, and a reader that may refuse it in one way only.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad::fuzz {

/// Calls `read(path)` with a file of these bytes, which lies in memory. It may throw FormatError; anything
/// else ends the program.
template <class Read>
int read_bytes(const std::uint8_t* data, std::size_t size, Read read) {
  const int descriptor = ::memfd_create("input", MFD_CLOEXEC);
  if (descriptor < 0 || ::write(descriptor, data, size) != static_cast<ssize_t>(size)) std::abort();
  try {
    read(std::filesystem::path("/proc/self/fd/" + std::to_string(descriptor)));
  } catch (const FormatError&) {
  }
  ::close(descriptor);
  return 0;
}

/// Ends the program unless that holds.
inline void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace xgrad::fuzz
