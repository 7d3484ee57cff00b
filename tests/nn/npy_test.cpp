// .npy files: what NumPy writes is read, what is written reads back, and bad files are named.
#include <xgrad/nn/npy.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include <xgrad/autograd/core/error.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using namespace std::string_literals;
using Catch::Matchers::Contains;
using nn::NpyArray;
using nn::NpyType;

/// A file in the temporary folder, removed at the end of the test.
struct TemporaryFile {
  std::filesystem::path path;
  explicit TemporaryFile(const std::string& name) : path(std::filesystem::temp_directory_path() / name) {}
  ~TemporaryFile() { std::filesystem::remove(path); }

  void write(const std::string& bytes) const { std::ofstream(path, std::ios::binary) << bytes; }
  std::string read() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

std::string npy(int version, const std::string& header, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  bytes += {static_cast<char>(version), '\0', static_cast<char>(header.size()), '\0'};
  if (version > 1) bytes += {'\0', '\0'};
  return bytes + header + data;
}

/// The message of the FormatError that reading these bytes throws.
std::string error_of(const std::string& bytes) {
  const TemporaryFile file("xgrad_npy_bad.npy");
  file.write(bytes);
  try {
    nn::read_npy(file.path);
  } catch (const FormatError& error) {
    CHECK_THAT(error.what(), Contains("xgrad_npy_bad.npy"));
    return error.what();
  }
  return "no error";
}

const std::string two_doubles(16, '\0');
const std::string good_header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n";

TEST_CASE("npy: an array comes back as it was written", "[npy]") {
  const TemporaryFile file("xgrad_npy_round_trip.npy");
  const NpyType type = GENERATE(NpyType::float32, NpyType::float64, NpyType::int64);
  const NpyArray array =
      GENERATE_COPY(NpyArray{{}, {-3}, type}, NpyArray{{2}, {1, 2}, type},
                    NpyArray{{2, 3}, {1, -2, 3, 4, 5, 1e6}, type}, NpyArray{{4, 0}, {}, type});
  nn::write_npy(file.path, array);
  const NpyArray back = nn::read_npy(file.path);
  CHECK(back.shape == array.shape);
  CHECK(back.data == array.data);
  CHECK(back.type == type);
}

TEST_CASE("npy: the bytes are those numpy.save writes", "[npy]") {
  const TemporaryFile file("xgrad_npy_bytes.npy");
  nn::write_npy(file.path, {{2}, {0, 0}, NpyType::float64});
  std::string header = good_header.substr(0, good_header.size() - 1);
  header.append(117 - header.size(), ' ').push_back('\n');
  CHECK(file.read() == npy(1, header, two_doubles));
}

TEST_CASE("npy: values are rounded to float32 only when asked", "[npy]") {
  const TemporaryFile file("xgrad_npy_rounding.npy");
  nn::write_npy(file.path, {{1}, {0.1}, NpyType::float64});
  CHECK(nn::read_npy(file.path).data[0] == 0.1);
  nn::write_npy(file.path, {{1}, {0.1}, NpyType::float32});
  CHECK(nn::read_npy(file.path).data[0] == double(0.1f));
}

TEST_CASE("npy: formats 1, 2 and 3, any order of keys and any spacing are read", "[npy]") {
  const TemporaryFile file("xgrad_npy_versions.npy");
  const int version = GENERATE(1, 2, 3);
  file.write(npy(version, "{\"shape\":( 1 ,2 ),'fortran_order' : False,'descr':'<f8'}", two_doubles));
  const NpyArray array = nn::read_npy(file.path);
  CHECK(array.shape == std::vector<std::size_t>{1, 2});
  CHECK(array.data == std::vector<double>{0, 0});
}

TEST_CASE("npy: files of NumPy are read", "[npy]") {
  const std::filesystem::path seeds = XGRAD_FIXTURES "/seeds";
  const NpyArray weights = nn::read_npy(seeds / "000_hello_numpy" / "init_W_xh.npy");
  CHECK(weights.shape == std::vector<std::size_t>{3, 4});
  CHECK(weights.data.size() == 12);
  CHECK(weights.type == NpyType::float64);
  const NpyArray loss = nn::read_npy(seeds / "003_torch_sentences_f32" / "final_fc.bias.npy");
  CHECK(loss.type == NpyType::float32);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(seeds))
    if (entry.path().extension() == ".npy") CHECK_NOTHROW(nn::read_npy(entry.path()));
}

TEST_CASE("npy: bad files are refused with what was expected and found", "[npy]") {
  const auto with = [](const std::string& descr, const std::string& order, const std::string& shape) {
    return npy(1, "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + "}",
               two_doubles);
  };
  CHECK_THAT(error_of(""), Contains("expected a .npy file"));
  CHECK_THAT(error_of("PK\x03\x04 something else"), Contains("expected a .npy file"));
  CHECK_THAT(error_of("\x93NUMPY"), Contains("ends within its header"));
  CHECK_THAT(error_of(npy(1, good_header, two_doubles).substr(0, 30)), Contains("ends within its header"));
  CHECK_THAT(error_of(npy(4, good_header, two_doubles)), Contains("format 1, 2 or 3, found 4"));
  CHECK_THAT(error_of(with("'>f8'", "False", "(2,)")),
             Contains("of type <f4, <f8, <f2, <i8") && Contains("|b1, found >f8"));
  CHECK_THAT(error_of(with("[('a', '<f8')]", "False", "(2,)")), Contains("position 10"));
  CHECK_THAT(error_of(with("''", "False", "(2,)")), Contains("|b1, found "));
  CHECK(error_of(with("'<f8'", "True", "(2,)")) == "no error");
  CHECK_THAT(error_of(with("'<f8'", "Maybe", "(2,)")), Contains("expected True or False"));
  CHECK_THAT(error_of(with("'<f8'", "False", "(-2,)")), Contains("expected a size"));
  CHECK_THAT(error_of(with("'<f8'", "False", "(2")), Contains("expected ')'"));
  CHECK_THAT(error_of(with("'<f8'", "False", "(3,)")),
             Contains("shape (3,) of <f8 takes 24 bytes, found 16"));
  CHECK_THAT(error_of(with("'<f8'", "False", "(1,)")), Contains("takes 8 bytes, found 16"));
  CHECK_THAT(error_of(with("'<f8'", "False", "(4294967296, 4294967296, 2)")),
             Contains("the shape (4294967296, 4294967296, 2) is more than an array can have"));
  CHECK_THAT(error_of(npy(1, "{'descr': '<f8', 'shape': (2,)}", two_doubles)), Contains("expected the keys"));
  CHECK_THAT(error_of(npy(1, "{'descr': '<f8', 'descr': '<f8'}", two_doubles)), Contains("unexpected key"));
  CHECK_THAT(error_of(npy(1, "{'descr': '<f8", two_doubles)), Contains("unterminated string"));
  CHECK_THAT(error_of(npy(1, good_header + "x", two_doubles)), Contains("unexpected text"));
  CHECK_THAT(
      error_of(npy(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", "\1\0\0\0\0\0\x20\0"s)),
      Contains("too large"));
}

TEST_CASE("npy: what numpy.load refuses is refused", "[npy]") {
  const auto empty = [](const std::string& shape) {
    return error_of(npy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + "}", ""));
  };
  CHECK_THAT(empty("(0)"), Contains("expected ','"));  // a number in parentheses, and no tuple
  CHECK_THAT(empty("(00,)"), Contains("expected a size"));
  CHECK_THAT(empty("(01, 0)"), Contains("expected a size"));
  CHECK_THAT(empty("(0, 9223372036854775808)"), Contains("more than an array can have"));
  CHECK_THAT(empty("(9223372036854775808, 0)"), Contains("more than an array can have"));
  CHECK_THAT(empty("(0, 1152921504606846976)"), Contains("more than an array can have"));
  CHECK(empty("(0, 1152921504606846975)") == "no error");
  std::string axes;
  for (int k = 0; k < 64; ++k) axes += "0,";
  CHECK(empty("(" + axes + ")") == "no error");
  CHECK_THAT(empty("(" + axes + "0)"), Contains("the shape has more than 64 axes"));

  CHECK_THAT(error_of(npy(1, good_header + "\0"s, two_doubles)), Contains("unexpected text after"));
  const auto long_header = [](std::size_t bytes) {
    std::string padded = good_header + std::string(bytes - good_header.size(), ' ');
    return error_of("\x93NUMPY\2\0"s + static_cast<char>(bytes & 255) + static_cast<char>(bytes >> 8) +
                    "\0\0"s + padded + two_doubles);
  };
  CHECK(long_header(10'000) == "no error");
  CHECK_THAT(long_header(10'001), Contains("the header takes 10001 bytes, more than the 10000"));
  std::string minor = npy(1, good_header, two_doubles);
  minor[7] = 1;
  CHECK_THAT(error_of(minor), Contains("format 1, 2 or 3, found 1.1"));
}

TEST_CASE("npy: files that are not there are named", "[npy]") {
  CHECK_THROWS_WITH(nn::read_npy("no/such/file.npy"), Contains("no/such/file.npy: cannot open"));
  CHECK_THROWS_WITH(nn::write_npy("no/such/file.npy", {{}, {1}}), Contains("no/such/file.npy: cannot open"));
  const auto folder = std::filesystem::temp_directory_path();
  CHECK_THROWS_AS(nn::read_npy(folder), FormatError);
  CHECK_THROWS_WITH(nn::read_npy(folder),
                    Contains("npy: " + folder.string() + ": cannot read the file: Is a directory"));
}

TEST_CASE("npy: arrays that do not fit their shape or type are not written", "[npy]") {
  const TemporaryFile file("xgrad_npy_unwritten.npy");
  CHECK_THROWS_WITH(nn::write_npy(file.path, {{2, 2}, {1, 2, 3}}),
                    Contains("shape (2, 2) holds 4 values, found 3"));
  CHECK_THROWS_WITH(nn::write_npy(file.path, {{1}, {0.5}, NpyType::int64}), Contains("expected integers"));
  CHECK_THROWS_WITH(nn::write_npy(file.path, {{2}, {1, -1e300}, NpyType::float32}),
                    Contains("the value -1e+300 is too large for float32; write it as float64"));
  CHECK_THROWS_WITH(nn::write_npy(file.path, {std::vector<std::size_t>(65, 1), {1}}),
                    Contains("the shape has 65 axes, more than the 64 that NumPy reads"));
  CHECK_FALSE(std::filesystem::exists(file.path));
}

}  // namespace
