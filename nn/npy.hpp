// Reading and writing NumPy's .npy files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace xgrad::nn {

/// The element types of a .npy file.
enum class NpyType { float32, float64, int64 };

/// The array of a .npy file: row-major, its values as doubles whatever their type in the file.
struct NpyArray {
  std::vector<std::size_t> shape;  ///< empty for a scalar; at most 64 axes
  std::vector<double> data;        ///< as many as the product of the shape
  NpyType type = NpyType::float64;
};

/// Reads a .npy file of format 1, 2 or 3 (numpy.lib.format), in C or Fortran order: f2, f4 or f8, integers,
/// or bool, little-endian. `type` is float32 for f2, and int64 for all integers and bool. Takes time and
/// memory in proportion to the file. Throws FormatError, naming the file, what was expected and what was
/// found: no regular file, not a .npy file, what numpy.load refuses, another type, too few or too many bytes,
/// an integer that no double holds exactly; and Error where memory is short.
NpyArray read_npy(const std::filesystem::path& file);

/// Writes `array` so that numpy.load reads it back, as format 1 with the type that `array.type` says.
/// Values are rounded to float32 or converted to int64 there. The file is replaced as save_safetensors does
/// it. Throws FormatError when the data do not fit the shape or the type, or the file cannot be written; and
/// Error where memory is short.
void write_npy(const std::filesystem::path& file, const NpyArray& array);

}  // namespace xgrad::nn
