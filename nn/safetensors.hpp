// Reading and writing safetensors files: tensors by name, and a map of strings beside them.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// What a safetensors file holds. Save and load a module with `state_dict(m)` and `load_state_dict(m,
/// file.tensors)`.
struct Safetensors {
  /// In the order of the file's header: double for F64, float for F32, F16 and BF16, and 64-bit integers for
  /// all integers and BOOL, which `Indices(tensor)` reads.
  StateDict tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads a file of the safetensors format (huggingface.co/docs/safetensors), as PyTorch users write it.
/// Takes time and memory in proportion to the file. Throws FormatError, naming the file, what was expected
/// and what was found: no regular file, a header that is cut off or no JSON, a name given twice, other types,
/// an integer above 2^63 - 1, offsets that overlap, leave gaps or do not fit the shapes; and Error where
/// memory is short.
Safetensors load_safetensors(const std::filesystem::path& file);

/// Writes such a file: under a temporary name in the same directory, which then takes `file`'s place, so that
/// at no moment there is half a file, not even when the machine stops. Symbolic links are followed, and the
/// mode of a file that is replaced is kept. Throws FormatError when it cannot be written, where there is
/// something that is no regular file, for a name given twice, and for text that is not UTF-8; and Error where
/// memory is short.
void save_safetensors(const std::filesystem::path& file, const StateDict& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace xgrad::nn
