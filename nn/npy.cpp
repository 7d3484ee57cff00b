// Reading and writing NumPy's .npy files.
#include <xgrad/nn/npy.hpp>

#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad::nn {
namespace {

static_assert(std::endian::native == std::endian::little, "values are copied as they stand in memory");

constexpr std::string_view magic = "\x93NUMPY";
constexpr double exact_integers = 9007199254740992.0;  // 2^53

template <class... Args>
[[noreturn]] void fail(const std::filesystem::path& file, fmt::format_string<Args...> text, Args&&... args) {
  const std::string message = fmt::format(text, std::forward<Args>(args)...);
  throw FormatError(fmt::format("npy: {}: {}", file.string(), message));
}

/// How a type is called in the header, and its bytes per value.
struct TypeName {
  NpyType type;
  std::string_view descr;
  std::size_t size;
};
constexpr TypeName type_names[] = {
    {NpyType::float32, "<f4", 4}, {NpyType::float64, "<f8", 8}, {NpyType::int64, "<i8", 8}};

const TypeName& name_of(NpyType type) { return type_names[static_cast<std::size_t>(type)]; }

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::size_t> shape;
};

/// Reads the header's text, a Python dict of the keys descr, fortran_order and shape in any order.
class HeaderParser {
 public:
  HeaderParser(const std::filesystem::path& file, std::string_view text) : file_(file), text_(text) {}

  Header parse() {
    Header header;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !std::exchange(descr, true))
        header.descr = string();
      else if (key == "fortran_order" && !std::exchange(order, true))
        header.fortran_order = boolean();
      else if (key == "shape" && !std::exchange(shape, true))
        header.shape = tuple();
      else
        fail(file_, "unexpected key '{}' in the header {}", key, text_);
      if (!accept(',') && peek() != '}') expect('}');
    }
    if (!descr || !order || !shape)
      fail(file_, "expected the keys descr, fortran_order and shape, found {}", text_);
    if (peek() != '\0') fail(file_, "unexpected text after the header's dict: {}", text_);
    return header;
  }

 private:
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(file_, "expected '{}' at position {} of the header {}", c, at_, text_);
  }

  /// A plain quoted string. A structured type ("descr" as a list) has none here and is refused.
  std::string string() {
    const char quote = peek() == '"' ? '"' : '\'';
    expect(quote);
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail(file_, "unterminated string in the header {}", text_);
    const std::string value(text_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }

  bool boolean() {
    peek();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    fail(file_, "expected True or False at position {} of the header {}", at_, text_);
  }

  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> values;
    expect('(');
    while (!accept(')')) {
      values.push_back(integer());
      if (!accept(',') && peek() != ')') expect(')');
    }
    return values;
  }

  std::size_t integer() {
    peek();
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) fail(file_, "expected a size at position {} of the header {}", at_, text_);
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  const std::filesystem::path& file_;
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string bytes_of(const std::filesystem::path& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(file, "cannot open the file for reading: {}", std::generic_category().message(errno));
  try {
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    if (in.bad()) fail(file, "cannot read the file");
    return bytes;
  } catch (
      const std::ios_base::failure& error) {  // thrown past the stream by its buffer: of a directory, for one
    fail(file, "cannot read the file: {}", error.code().message());
  }
}

/// The header's text; takes it and what precedes it off `bytes`.
std::string_view take_header(const std::filesystem::path& file, std::string_view& bytes) {
  if (!bytes.starts_with(magic))
    fail(file, "expected a .npy file, which begins with \\x93NUMPY, found other bytes");
  if (bytes.size() < magic.size() + 2) fail(file, "the file ends within its header");
  const int version = static_cast<unsigned char>(bytes[magic.size()]);
  if (version < 1 || version > 3) fail(file, "expected format 1, 2 or 3, found {}", version);
  const std::size_t width = version == 1 ? 2 : 4, begin = magic.size() + 2 + width;
  std::uint32_t length = 0;
  if (bytes.size() >= begin) std::memcpy(&length, bytes.data() + magic.size() + 2, width);
  if (bytes.size() < begin || bytes.size() - begin < length) fail(file, "the file ends within its header");
  const std::string_view text = bytes.substr(begin, length);
  bytes.remove_prefix(begin + length);
  return text;
}

/// Product of the shape, or what a vector cannot hold when it overflows (so it never fits the file).
std::size_t element_count(const std::vector<std::size_t>& shape) {
  constexpr std::size_t too_many = std::numeric_limits<std::size_t>::max() / 8;
  std::size_t count = 1;
  for (const std::size_t n : shape)
    if (n == 0) return 0;
  for (const std::size_t n : shape) count = n > too_many / count ? too_many : count * n;
  return count;
}

template <class V>
std::vector<double> values_of(const std::filesystem::path& file, std::string_view bytes, std::size_t count) {
  std::vector<double> data(count);
  for (std::size_t k = 0; k < count; ++k) {
    V value;
    std::memcpy(&value, bytes.data() + k * sizeof(V), sizeof(V));
    data[k] = static_cast<double>(value);
    if (std::is_integral_v<V> && std::abs(data[k]) >= exact_integers)
      fail(file, "the integer {} at index {} is too large for a double to hold exactly", value, k);
  }
  return data;
}

template <class V>
std::string bytes_of(const std::vector<double>& data) {
  std::string bytes(data.size() * sizeof(V), '\0');
  for (std::size_t k = 0; k < data.size(); ++k) {
    const V value = static_cast<V>(data[k]);
    std::memcpy(bytes.data() + k * sizeof(V), &value, sizeof(V));
  }
  return bytes;
}

/// A Python tuple: (), (3,), (3, 4).
std::string tuple_text(const std::vector<std::size_t>& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

/// Magic, version 1, and the dict padded with spaces so that the data begin at a multiple of 64 bytes.
std::string header_bytes(const std::filesystem::path& file, const NpyArray& array) {
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                 name_of(array.type).descr, tuple_text(array.shape));
  const std::size_t before = magic.size() + 4;
  dict.append(63 - (before + dict.size()) % 64, ' ').push_back('\n');
  if (dict.size() > 65535)
    fail(file, "the shape has {} axes, more than the header can hold", array.shape.size());
  std::string bytes(magic);
  for (const std::size_t byte : {std::size_t{1}, std::size_t{0}, dict.size() & 255, dict.size() >> 8})
    bytes.push_back(static_cast<char>(byte));
  return bytes + dict;
}

void check_writable(const std::filesystem::path& file, const NpyArray& array) {
  if (element_count(array.shape) != array.data.size())
    fail(file, "shape {} holds {} values, found {}", tuple_text(array.shape), element_count(array.shape),
         array.data.size());
  if (array.type == NpyType::float32)
    for (const double value : array.data)
      if (std::isfinite(value) && !std::isfinite(static_cast<float>(value)))
        fail(file, "the value {} is too large for float32; write it as float64", value);
  if (array.type != NpyType::int64) return;
  for (const double value : array.data)
    if (!(std::abs(value) < exact_integers && value == std::trunc(value)))
      fail(file, "expected integers to write as int64, found {}", value);
}

}  // namespace

NpyArray read_npy(const std::filesystem::path& file) {
  const std::string content = bytes_of(file);
  std::string_view bytes = content;
  Header header = HeaderParser(file, take_header(file, bytes)).parse();

  const TypeName* type = nullptr;
  for (const TypeName& known : type_names)
    if (known.descr == header.descr) type = &known;
  if (!type) fail(file, "expected values of type <f4, <f8 or <i8, found {}", header.descr);
  if (header.fortran_order && header.shape.size() > 1)
    fail(file, "expected C order, found Fortran order; save it with numpy.ascontiguousarray");

  const std::size_t count = element_count(header.shape);
  if (bytes.size() != count * type->size)
    fail(file, "shape {} of {} takes {} bytes, found {}", tuple_text(header.shape), header.descr,
         count * type->size, bytes.size());
  const auto read = type->type == NpyType::float32   ? values_of<float>
                    : type->type == NpyType::float64 ? values_of<double>
                                                     : values_of<std::int64_t>;
  return {std::move(header.shape), read(file, bytes, count), type->type};
}

void write_npy(const std::filesystem::path& file, const NpyArray& array) {
  check_writable(file, array);
  const auto to_bytes = array.type == NpyType::float32   ? bytes_of<float>
                        : array.type == NpyType::float64 ? bytes_of<double>
                                                         : bytes_of<std::int64_t>;
  errno = 0;
  std::ofstream out(file, std::ios::binary);
  if (!out) fail(file, "cannot open the file for writing: {}", std::generic_category().message(errno));
  out << header_bytes(file, array) << to_bytes(array.data);
  out.close();
  if (!out) fail(file, "cannot write the file");
}

}  // namespace xgrad::nn
