// Reading and writing NumPy's .npy files.
#include <xgrad/nn/npy.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <xgrad/nn/element_format.hpp>
#include <xgrad/nn/file.hpp>

namespace xgrad::nn {
namespace {

using detail::ElementFormat;
using detail::FileName;
using detail::printable;

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t longest_header = 10'000, most_axes = 64;  // NumPy's own limits
constexpr double exact_integers = 9007199254740992.0;           // 2^53

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::size_t> shape;
};

/// Reads the header's text, a Python dict of the keys descr, fortran_order and shape in any order.
class HeaderParser {
 public:
  HeaderParser(const FileName& file, std::string_view text) : file_(file), text_(text) {}

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
        fail(file_, "unexpected key '{}' in the header {}", printable(key), printable(text_));
      if (!accept(',') && peek() != '}') expect('}');
    }
    if (!descr || !order || !shape)
      fail(file_, "expected the keys descr, fortran_order and shape, found {}", printable(text_));
    peek();
    if (at_ < text_.size())
      fail(file_, "unexpected text after the header's dict: {}", printable(text_.substr(at_)));
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
    if (!accept(c)) fail(file_, "expected '{}' at position {} of the header {}", c, at_, printable(text_));
  }

  /// A plain quoted string. A structured type ("descr" as a list) has none here and is refused.
  std::string string() {
    const char quote = peek() == '"' ? '"' : '\'';
    expect(quote);
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail(file_, "unterminated string in the header {}", printable(text_));
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
    fail(file_, "expected True or False at position {} of the header {}", at_, printable(text_));
  }

  /// Of one size a tuple only with a comma: (3,).
  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> values;
    expect('(');
    while (!accept(')')) {
      if (values.size() == most_axes) fail(file_, "the shape has more than {} axes", most_axes);
      values.push_back(integer());
      if (accept(',')) continue;
      if (peek() != ')') expect(')');
      if (values.size() == 1) expect(',');
    }
    return values;
  }

  /// As Python writes it: decimal, without leading zeros.
  std::size_t integer() {
    peek();
    std::size_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc() || (*begin == '0' && end - begin > 1))
      fail(file_, "expected a size at position {} of the header {}", at_, printable(text_));
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  const FileName& file_;
  std::string_view text_;
  std::size_t at_ = 0;
};

/// The header's text, and in `offset` where the values begin.
std::string read_header(const FileName& file, const detail::InputFile& in, std::uint64_t& offset) {
  char begin[12] = {};  // magic, major and minor version, the header's length
  const std::size_t known = std::min<std::uint64_t>(in.size(), sizeof begin);
  in.read(0, std::as_writable_bytes(std::span(begin, known)));
  if (!std::string_view(begin, known).starts_with(magic))
    fail(file, "expected a .npy file, which begins with \\x93NUMPY, found other bytes");
  const int version = static_cast<unsigned char>(begin[6]), minor = static_cast<unsigned char>(begin[7]);
  if (known >= 8 && (version < 1 || version > 3 || minor != 0))
    fail(file, "expected format 1, 2 or 3, found {}.{}", version, minor);
  const std::size_t width = version == 1 ? 2 : 4;
  std::uint32_t length = 0;
  std::memcpy(&length, begin + 8, width);
  offset = 8 + width;
  if (in.size() < offset || in.size() - offset < length) fail(file, "the file ends within its header");
  if (length > longest_header)
    fail(file, "the header takes {} bytes, more than the {} that NumPy reads", length, longest_header);
  std::string text(length, '\0');
  in.read(offset, std::as_writable_bytes(std::span(text)));
  offset += length;
  return text;
}

/// A Python tuple: (), (3,), (3, 4).
std::string tuple_text(const std::vector<std::size_t>& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

/// Product of the shape. Throws where the sizes that are not 0 make more bytes than an array can have: so
/// does NumPy, even where there are none.
std::size_t element_count(const FileName& file, const std::vector<std::size_t>& shape,
                          std::size_t bytes_each) {
  constexpr std::size_t most = std::numeric_limits<std::int64_t>::max();
  std::size_t bytes = bytes_each;
  bool none = false;
  for (const std::size_t n : shape) {
    none |= n == 0;
    if (n > most / bytes) fail(file, "the shape {} is more than an array can have", tuple_text(shape));
    if (n) bytes *= n;
  }
  return none ? 0 : bytes / bytes_each;
}

/// Values that stand in Fortran's order, in C's.
std::vector<double> row_major(const std::vector<double>& values, const std::vector<std::size_t>& shape) {
  std::vector<std::size_t> strides, index(shape.size(), 0);
  for (std::size_t stride = 1; const std::size_t n : shape)
    strides.push_back(std::exchange(stride, stride * n));
  std::vector<double> result(values.size());
  std::size_t from = 0;
  for (double& value : result) {
    value = values[from];
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * std::exchange(index[axis], 0);
    }
  }
  return result;
}

std::vector<double> read_values(const FileName& file, const detail::InputFile& in, std::uint64_t offset,
                                std::size_t count, const ElementFormat& format) {
  std::vector<double> data(count);
  // They are read into the end of the memory that they fill once they are converted.
  const std::span<std::byte> all = std::as_writable_bytes(std::span(data)),
                             raw = all.last(count * format.size);
  in.read(offset, raw);
  format.to_double(raw.data(), count, all.data());
  if (format.dtype == DType::int64)
    for (std::size_t k = 0; k < count; ++k)
      if (std::abs(data[k]) >= exact_integers)
        fail(file, "the integer at index {} is about {:.0f}, too large for a double to hold exactly", k,
             data[k]);
  return data;
}

NpyArray read_array(const FileName& file) {
  const detail::InputFile in(file);
  std::uint64_t offset = 0;
  const std::string text = read_header(file, in, offset);
  Header header = HeaderParser(file, text).parse();
  const ElementFormat* const format = detail::find_format(&ElementFormat::npy, header.descr);
  if (!format)
    fail(file, "expected values of type {}, found {}",
         fmt::join(detail::format_names(&ElementFormat::npy), ", "), printable(header.descr));
  const std::size_t count = element_count(file, header.shape, format->size);
  if (in.size() - offset != count * format->size)
    fail(file, "shape {} of {} takes {} bytes, found {}", tuple_text(header.shape), header.descr,
         count * format->size, in.size() - offset);
  NpyArray array{std::move(header.shape), read_values(file, in, offset, count, *format)};
  if (header.fortran_order) array.data = row_major(array.data, array.shape);
  array.type = format->dtype == DType::float32   ? NpyType::float32
               : format->dtype == DType::float64 ? NpyType::float64
                                                 : NpyType::int64;
  return array;
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

/// How a type is called in the header.
std::string_view descr_of(NpyType type) {
  return type == NpyType::float32 ? "<f4" : type == NpyType::float64 ? "<f8" : "<i8";
}

/// Magic, version 1, and the dict padded with spaces so that the data begin at a multiple of 64 bytes.
std::string header_bytes(const NpyArray& array) {
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                 descr_of(array.type), tuple_text(array.shape));
  const std::size_t before = magic.size() + 4;
  dict.append(63 - (before + dict.size()) % 64, ' ').push_back('\n');
  std::string bytes(magic);
  for (const std::size_t byte : {std::size_t{1}, std::size_t{0}, dict.size() & 255, dict.size() >> 8})
    bytes.push_back(static_cast<char>(byte));
  return bytes + dict;
}

void check_writable(const FileName& file, const NpyArray& array) {
  if (array.shape.size() > most_axes)
    fail(file, "the shape has {} axes, more than the {} that NumPy reads", array.shape.size(), most_axes);
  const std::size_t count = element_count(file, array.shape, sizeof(double));
  if (count != array.data.size())
    fail(file, "shape {} holds {} values, found {}", tuple_text(array.shape), count, array.data.size());
  if (array.type == NpyType::float32)
    for (const double value : array.data)
      if (std::isfinite(value) && !std::isfinite(static_cast<float>(value)))
        fail(file, "the value {} is too large for float32; write it as float64", value);
  if (array.type != NpyType::int64) return;
  for (const double value : array.data)
    if (!(std::abs(value) < exact_integers && value == std::trunc(value)))
      fail(file, "expected integers to write as int64, found {}", value);
}

void write_array(const FileName& file, const NpyArray& array) {
  check_writable(file, array);
  const auto to_bytes = array.type == NpyType::float32   ? bytes_of<float>
                        : array.type == NpyType::float64 ? bytes_of<double>
                                                         : bytes_of<std::int64_t>;
  const std::string header = header_bytes(array), values = to_bytes(array.data);
  const std::span<const std::byte> parts[] = {std::as_bytes(std::span(header)),
                                              std::as_bytes(std::span(values))};
  replace_file(file, parts);
}

}  // namespace

NpyArray read_npy(const std::filesystem::path& file) {
  const FileName name{"npy", file};
  return detail::with_memory_errors(name, [&] { return read_array(name); });
}

void write_npy(const std::filesystem::path& file, const NpyArray& array) {
  const FileName name{"npy", file};
  detail::with_memory_errors(name, [&] { write_array(name, array); });
}

}  // namespace xgrad::nn
