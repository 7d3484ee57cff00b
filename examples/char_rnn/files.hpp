// Reading a text file, and making sure that a result can be written before work begins.
#pragma once

#include <filesystem>
#include <string>

namespace char_rnn {

/// The bytes of a file. Throws xgrad::FormatError naming it and the reason.
std::string read_file(const std::filesystem::path& file);

/// Throws xgrad::FormatError naming the file unless one can be made there; an existing one stays as it is.
void check_writable(const std::filesystem::path& file);

}  // namespace char_rnn
