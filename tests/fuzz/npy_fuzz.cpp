// Fuzzes read_npy: bytes are a file of as many values as its shape says, or they are refused.
#include <xgrad/nn/npy.hpp>

#include <algorithm>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xgrad;
  return fuzz::read_bytes(data, size, [&](const std::filesystem::path& file) {
    const nn::NpyArray read = nn::read_npy(file);
    std::size_t count = std::ranges::count(read.shape, 0u) ? 0 : 1;
    for (const std::size_t n : read.shape) count *= n;
    fuzz::require(read.data.size() == count && count <= size);
  });
}
