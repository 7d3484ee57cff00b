// Reading and writing NumPy's .npy files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace xgrad::nn {

enum class NpyType { float32, float64, int64 };

/// An array as a .npy file holds it: row-major, its values as doubles whatever their type in the file.
struct NpyArray {
  std::vector<std::size_t> shape;  ///< empty for a scalar
  std::vector<double> data;        ///< as many as the product of the shape
  NpyType type = NpyType::float64;
};

/// Reads a .npy file of format 1, 2 or 3 (numpy.lib.format): little-endian f4, f8 or i8 in C order.
/// Throws FormatError, naming the file, what was expected and what was found: no such file, not a .npy file,
/// another type, Fortran order, too few or too many bytes, an integer that no double holds exactly.
NpyArray read_npy(const std::filesystem::path& file);

/// Writes `array` so that numpy.load reads it back, as format 1 with the type that `array.type` says.
/// Values are rounded to float32 or converted to int64 there. Throws FormatError when the data do not fit the
/// shape or the type, or the file cannot be written.
void write_npy(const std::filesystem::path& file, const NpyArray& array);

}  // namespace xgrad::nn
