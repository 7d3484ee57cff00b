// Fuzzes load_safetensors: bytes are a file whose tensors lie within it, or they are refused.
#include <xgrad/nn/safetensors.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xgrad;
  return fuzz::read_bytes(data, size, [&](const std::filesystem::path& file) {
    const nn::Safetensors read = nn::load_safetensors(file);
    std::size_t bytes = 0;
    for (const auto& [name, tensor] : read.tensors) {
      bytes += tensor.size_in_bytes();
      fuzz::require(read.tensors.find(name) == &tensor);  // names differ
    }
    fuzz::require(bytes <= 8 * size);
  });
}
