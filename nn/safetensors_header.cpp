// The header of a safetensors file: each tensor's name, type, shape and place, as JSON.
#include <xgrad/nn/safetensors_header.hpp>

#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace xgrad::nn::detail {

namespace {

using Json = nlohmann::json;

// What the JSON library's parser calls as it goes through the text. Nothing is kept but what a header has: a
// tree of the JSON would take many times the memory of its text.
class HeaderReader {
 public:
  HeaderReader(const FileName& file, std::uint64_t data_bytes) : file_(file), data_bytes_(data_bytes) {}

  SafetensorsHeader take_header() { return std::move(header_); }

  bool null() { return value("null"); }
  bool boolean(bool b) { return value(b ? "true" : "false"); }
  bool number_integer(std::int64_t n) { return value(std::to_string(n)); }
  bool number_unsigned(std::uint64_t n) {
    if (place_ == Place::shape) return add_extent(n), true;
    if (place_ == Place::offsets) return add_offset(n), true;
    return value(std::to_string(n));
  }
  bool number_float(double, const std::string& text) { return value(text); }
  bool binary(Json::binary_t&) { return true; }  // there is none in a text

  bool string(const std::string& text) {
    if (place_ == Place::metadata)
      add_metadata(text);
    else if (place_ == Place::entry && key_ == "dtype")
      set_format(text);
    else
      value("'" + text + "'");
    return true;
  }

  bool key(std::string& name) {
    if (place_ == Place::header)
      begin_entry(name);
    else if (place_ != Place::ignored)
      key_ = std::move(name);
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == Place::file)
      place_ = Place::header;
    else if (place_ == Place::header)
      place_ = is_metadata_ ? Place::metadata : Place::entry;
    else
      start_ignored("an object");
    return true;
  }
  bool end_object() {
    if (place_ == Place::ignored) return end_ignored();
    if (place_ == Place::entry) check_entry();
    place_ = Place::header;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ == Place::entry && key_ == "shape" && !std::exchange(has_shape_, true))
      place_ = Place::shape;
    else if (place_ == Place::entry && key_ == "data_offsets" && offsets_ == 0)
      place_ = Place::offsets;
    else
      start_ignored("an array");
    return true;
  }
  bool end_array() {
    if (place_ == Place::ignored) return end_ignored();
    if (place_ == Place::offsets && offsets_ != 2) fail(file_, "'{}': expected two data_offsets", name());
    place_ = Place::entry;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) {
    fail(file_, "the header is no JSON: {}", printable(error.what()));
  }

 private:
  // Where the next value stands; `ignored` is a member of an entry that the format does not name.
  enum class Place { file, header, metadata, entry, shape, offsets, ignored };

  Entry& entry() { return header_.entries.back(); }
  std::string name() { return printable(entry().name); }

  // A value that is none of those that the place asks for.
  bool value(std::string_view found) {
    if (place_ == Place::ignored || (place_ == Place::entry && !is_member())) return true;
    const std::string shown = printable(found);
    switch (place_) {
      case Place::file:
        fail(file_, "expected a JSON object as header, found {}", shown);
      case Place::metadata:
        fail(file_, "{}: expected a string as '{}', found {}", metadata_key, printable(key_), shown);
      case Place::shape:
        fail(file_, "'{}': expected a shape that is an integer >= 0, found {}", name(), shown);
      case Place::offsets:
        fail(file_, "'{}': expected a data offset that is an integer >= 0, found {}", name(), shown);
      default:
        if (place_ == Place::header && is_metadata_)
          fail(file_, "expected an object of strings as {}, found {}", metadata_key, shown);
        fail(file_, "'{}': expected dtype, shape and data_offsets, found {}{}{}", name(), shown,
             place_ == Place::entry ? " as " : "", place_ == Place::entry ? key_ : "");
    }
  }

  bool is_member() const { return key_ == "dtype" || key_ == "shape" || key_ == "data_offsets"; }

  void start_ignored(std::string_view what) {
    value(what);
    place_ = Place::ignored;
    ++ignored_levels_;
  }
  bool end_ignored() {
    if (--ignored_levels_ == 0) place_ = Place::entry;
    return true;
  }

  void begin_entry(std::string& name) {
    is_metadata_ = name == metadata_key;
    if (is_metadata_) {
      if (std::exchange(has_metadata_, true)) fail(file_, "the header names '{}' twice", name);
      return;
    }
    header_.entries.emplace_back().name = std::move(name);
    has_shape_ = false;
    offsets_ = 0;
    elements_ = 1;
  }

  void add_metadata(const std::string& text) {
    if (!header_.metadata.emplace(key_, text).second)
      fail(file_, "the header names '{}' twice", printable(key_));
  }

  void set_format(const std::string& type) {
    if (entry().format) fail(file_, "'{}': the header names 'dtype' twice", name());
    entry().format = find_format(&ElementFormat::safetensors, type);
    if (!entry().format)
      fail(file_, "'{}': expected values of type {}, found {}", name(),
           fmt::join(format_names(&ElementFormat::safetensors), ", "), printable(type));
  }

  void add_extent(std::uint64_t n) {
    // The product of those that are not 0 counts, so that their order does not matter.
    constexpr std::uint64_t most = std::uint64_t{1} << 60;
    if (entry().shape.rank() == Shape::max_rank || n > 0xffffffff || (n && elements_ > most / n))
      fail(file_, "'{}': {} and a further axis of {} are more than a tensor can have", name(),
           to_string(entry().shape), n);
    entry().shape.push_back(static_cast<std::int64_t>(n));
    if (n) elements_ *= n;
  }

  void add_offset(std::uint64_t n) {
    if (++offsets_ > 2) fail(file_, "'{}': expected two data_offsets", name());
    (offsets_ == 1 ? entry().begin : entry().end) = n;
  }

  void check_entry() {
    const Entry& e = entry();
    if (!e.format || !has_shape_ || offsets_ == 0)
      fail(file_, "'{}': expected dtype, shape and data_offsets, found no {}", name(),
           !e.format     ? "dtype"
           : !has_shape_ ? "shape"
                         : "data_offsets");
    if (e.begin > e.end || e.end > data_bytes_)
      fail(file_, "'{}': its values lie at bytes {} to {}, and the file has {} bytes of values", name(),
           e.begin, e.end, data_bytes_);
    if (e.end - e.begin != e.bytes())
      fail(file_, "'{}': shape {} of {} takes {} bytes, found {}", name(), to_string(e.shape),
           e.format->safetensors, e.bytes(), e.end - e.begin);
  }

  const FileName& file_;
  std::uint64_t data_bytes_;
  SafetensorsHeader header_;
  Place place_ = Place::file;
  std::string key_;  // in an entry or the metadata
  bool is_metadata_ = false, has_metadata_ = false, has_shape_ = false;
  int offsets_ = 0;  // that the entry has
  std::uint64_t elements_ = 1;
  std::size_t ignored_levels_ = 0;
};

std::string json_string(const FileName& file, std::string_view text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception& error) {
    fail(file, "a name or metadata cannot be written as JSON: {}", printable(error.what()));
  }
}

}  // namespace

SafetensorsHeader parse_header(const FileName& file, std::string_view text, std::uint64_t data_bytes) {
  // Both are skipped by the JSON library, the second with all that follows.
  if (text.starts_with("\xEF\xBB\xBF"))
    fail(file, "the header begins with a byte order mark; it must begin with '{{'");
  if (const std::size_t at = text.find('\0'); at != std::string_view::npos)
    fail(file, "the header is no JSON: it has a zero byte at offset {}; pad it with spaces", at);
  HeaderReader reader(file, data_bytes);
  Json::sax_parse(text, &reader);
  return reader.take_header();
}

std::string header_text(const FileName& file, const std::vector<Entry>& entries,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  const auto separate = [&] { return text.back() == '{' ? "" : ","; };
  if (!metadata.empty()) {
    text += fmt::format("\"{}\":{{", metadata_key);
    for (const auto& [key, value] : metadata)
      text += fmt::format("{}{}:{}", separate(), json_string(file, key), json_string(file, value));
    text += '}';
  }
  for (const Entry& entry : entries)
    text += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", separate(),
                        json_string(file, entry.name), entry.format->safetensors, fmt::join(entry.shape, ","),
                        entry.begin, entry.end);
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace xgrad::nn::detail
