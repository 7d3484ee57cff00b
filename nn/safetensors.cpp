// Reading and writing safetensors files: eight bytes with the header's length, the header as JSON, the
// values.
#include <xgrad/nn/safetensors.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/error.hpp>

namespace xgrad::nn {

namespace {

static_assert(std::endian::native == std::endian::little, "values are copied as they stand in memory");

using Json = nlohmann::ordered_json;
using Path = std::filesystem::path;

constexpr std::uint64_t largest_header = 100'000'000;  // the reference implementation's limit
constexpr std::size_t deepest = 8;  // levels of the header: more than it can mean anything with
constexpr std::string_view metadata_key = "__metadata__";

template <class... Args>
[[noreturn]] void fail(const Path& file, fmt::format_string<Args...> text, Args&&... args) {
  throw FormatError(
      fmt::format("safetensors: {}: {}", file.string(), fmt::format(text, std::forward<Args>(args)...)));
}

// Where a tensor's bytes lie after the header.
struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
  const std::byte* values = nullptr;  // to be written

  std::uint64_t bytes() const { return static_cast<std::uint64_t>(shape.elements()) * size_of(dtype); }
};

// The header's JSON. The parser would take the last of equal names without a word: they are caught on the
// way.
Json parse(const Path& file, const std::string& text) {
  std::vector<std::set<std::string>> names;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    const auto level = static_cast<std::size_t>(depth);
    if (level > deepest)
      fail(file, "expected dtype, shape and data_offsets by name, found a header of {} levels", level);
    names.resize(std::max(names.size(), level + 2));
    if (event == Json::parse_event_t::object_start) names[level + 1].clear();
    if (event == Json::parse_event_t::key && !names[level].insert(value.get<std::string>()).second)
      fail(file, "the header names '{}' twice", value.get<std::string>());
    return true;
  };
  try {
    Json json = Json::parse(text, check);
    if (!json.is_object()) fail(file, "expected a JSON object as header, found {}", json.type_name());
    return json;
  } catch (const Json::exception& error) {
    fail(file, "the header is no JSON: {}", error.what());
  }
}

std::uint64_t unsigned_number(const Path& file, std::string_view name, std::string_view what,
                              const Json& value) {
  if (!value.is_number_unsigned())
    fail(file, "'{}': expected a {} that is an integer >= 0, found {}", name, what, value.dump());
  return value.get<std::uint64_t>();
}

const Json& member(const Path& file, const std::string& name, const Json& info, const char* key,
                   Json::value_t type) {
  const auto found = info.is_object() ? info.find(key) : info.end();
  if (!info.is_object() || found == info.end() || found->type() != type)
    fail(file, "'{}': expected dtype, shape and data_offsets, found {}", name, info.dump());
  return *found;
}

Shape shape_of(const Path& file, const std::string& name, const Json& list) {
  Shape shape;
  std::uint64_t elements = 1;
  for (const Json& extent : list) {
    const std::uint64_t n = unsigned_number(file, name, "shape", extent);
    if (shape.rank() == Shape::max_rank || n > 0xffffffff || (n && elements > (std::uint64_t{1} << 60) / n))
      fail(file, "'{}': the shape {} is more than a tensor can have", name, list.dump());
    shape.push_back(static_cast<std::int64_t>(n));
    elements *= n;
  }
  return shape;
}

Entry entry_of(const Path& file, const std::string& name, const Json& info, std::uint64_t data_bytes) {
  const auto type = member(file, name, info, "dtype", Json::value_t::string).get<std::string>();
  if (type != "F32" && type != "F64")
    fail(file, "'{}': expected values of type F32 or F64, found {}", name, type);
  const Shape shape = shape_of(file, name, member(file, name, info, "shape", Json::value_t::array));
  const Json& offsets = member(file, name, info, "data_offsets", Json::value_t::array);
  if (offsets.size() != 2) fail(file, "'{}': expected two data_offsets, found {}", name, offsets.dump());
  const std::uint64_t begin = unsigned_number(file, name, "data offset", offsets[0]);
  const std::uint64_t end = unsigned_number(file, name, "data offset", offsets[1]);
  Entry entry{name, type == "F32" ? DType::float32 : DType::float64, shape, begin, end};
  if (begin > end || end > data_bytes)
    fail(file, "'{}': its values lie at bytes {} to {}, and the file has {} bytes of values", name, begin,
         end, data_bytes);
  if (end - begin != entry.bytes())
    fail(file, "'{}': shape {} of {} takes {} bytes, found {}", name, to_string(shape), type, entry.bytes(),
         end - begin);
  return entry;
}

// The values cover the rest of the file, each byte once.
void check_cover(const Path& file, const std::vector<Entry>& entries, std::uint64_t data_bytes) {
  std::vector<const Entry*> order;
  for (const Entry& entry : entries) order.push_back(&entry);
  std::ranges::sort(order, [](const Entry* a, const Entry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t at = 0;
  for (const Entry* entry : order) {
    if (entry->begin != at)
      fail(file, "'{}': its values begin at byte {}, where those before end at {}: they {}", entry->name,
           entry->begin, at, entry->begin < at ? "overlap" : "leave a gap");
    at = entry->end;
  }
  if (at != data_bytes) fail(file, "the tensors take {} bytes, found {} bytes of values", at, data_bytes);
}

std::map<std::string, std::string> metadata_of(const Path& file, const Json& json) {
  std::map<std::string, std::string> metadata;
  if (!json.is_object()) fail(file, "expected an object of strings as __metadata__, found {}", json.dump());
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string())
      fail(file, "__metadata__: expected a string as '{}', found {}", key, value.dump());
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

// The header of `entries`, padded with spaces so that the values begin at a multiple of 8 bytes.
std::string header_of(const Path& file, const std::vector<Entry>& entries,
                      const std::map<std::string, std::string>& metadata) {
  Json json = Json::object();
  if (!metadata.empty()) json[std::string(metadata_key)] = metadata;
  for (const Entry& entry : entries)
    json[entry.name] = {{"dtype", entry.dtype == DType::float32 ? "F32" : "F64"},
                        {"shape", std::vector<std::int64_t>(entry.shape.begin(), entry.shape.end())},
                        {"data_offsets", {entry.begin, entry.end}}};
  try {
    std::string text = json.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    if (text.size() > largest_header)
      fail(file, "the header takes {} bytes, more than {}", text.size(), largest_header);
    return text;
  } catch (const Json::exception& error) {
    fail(file, "a name or metadata cannot be written as JSON: {}", error.what());
  }
}

std::vector<Entry> laid_out(const Path& file, const StateDict& tensors) {
  std::vector<Entry> entries;
  std::set<std::string_view> names;
  for (const NamedTensor& t : tensors) {
    if (t.name == metadata_key || !names.insert(t.name).second)
      fail(file, "'{}': {}", t.name,
           t.name == metadata_key ? "this name is reserved" : "two tensors have this name");
    if (!t.tensor.defined()) fail(file, "'{}': the tensor is undefined", t.name);
    entries.push_back({t.name, t.tensor.dtype(), t.tensor.shape(), 0, 0, t.tensor.bytes()});
  }
  // Doubles first: then every tensor is aligned to its element size, as the reference implementation has it.
  std::ranges::stable_partition(entries, [](const Entry& e) { return e.dtype == DType::float64; });
  std::uint64_t at = 0;
  for (Entry& entry : entries) {
    entry.begin = at;
    entry.end = at += entry.bytes();
  }
  return entries;
}

// The regular file, there already or not, that `file` leads to: renaming over a link or a device would
// replace it.
Path replaceable(const Path& file) {
  Path target = file;
  std::error_code error;
  for (int links = 0; std::filesystem::is_symlink(target, error); ++links) {
    if (links == 40) fail(file, "cannot write the file: its symbolic links go in a circle");
    target = target.parent_path() / std::filesystem::read_symlink(target, error);
  }
  if (std::filesystem::exists(target, error) && !std::filesystem::is_regular_file(target, error))
    fail(file, "cannot write the file: {} is a directory or a device; give the name of a file",
         target.string());
  return target;
}

}  // namespace

Safetensors load_safetensors(const Path& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file, error);
  if (!in || error)
    fail(file, "cannot open the file for reading: {}",
         error ? error.message() : std::generic_category().message(errno));
  std::uint64_t length = 0;
  if (size < sizeof length) fail(file, "expected at least {} bytes, found {}", sizeof length, size);
  in.read(reinterpret_cast<char*>(&length), sizeof length);
  if (length > largest_header || length > size - sizeof length)
    fail(file,
         "its first 8 bytes ask for a header of {} bytes, and {} follow: this is no safetensors file, or it "
         "is cut off",
         length, size - sizeof length);
  std::string text(length, '\0');
  in.read(text.data(), static_cast<std::streamsize>(length));
  if (!in) fail(file, "cannot read the file");

  const Json header = parse(file, text);
  const std::uint64_t data_begin = sizeof length + length;
  Safetensors result;
  std::vector<Entry> entries;
  for (const auto& [name, info] : header.items()) {
    if (name == metadata_key)
      result.metadata = metadata_of(file, info);
    else
      entries.push_back(entry_of(file, name, info, size - data_begin));
  }
  check_cover(file, entries, size - data_begin);
  for (Entry& entry : entries) {
    AnyTensor tensor = AnyTensor::empty(entry.shape, entry.dtype);
    in.seekg(static_cast<std::streamoff>(data_begin + entry.begin));
    in.read(reinterpret_cast<char*>(tensor.mutable_bytes()), static_cast<std::streamsize>(entry.bytes()));
    if (!in) fail(file, "'{}': cannot read its values", entry.name);
    xgrad::detail::repeat_values(tensor);
    result.tensors.push_back({std::move(entry.name), std::move(tensor)});
  }
  return result;
}

void save_safetensors(const Path& file, const StateDict& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::vector<Entry> entries = laid_out(file, tensors);
  const std::string header = header_of(file, entries, metadata);
  const Path target = replaceable(file);
  Path temporary = target;
  temporary += fmt::format(".{:08x}.tmp", std::random_device()());
  std::error_code error;
  {
    errno = 0;
    std::ofstream out(temporary, std::ios::binary);
    if (!out)
      fail(file, "cannot open {} for writing: {}", temporary.string(),
           std::generic_category().message(errno));
    const std::uint64_t length = header.size();
    out.write(reinterpret_cast<const char*>(&length), sizeof length);
    out << header;
    for (const Entry& entry : entries)
      out.write(reinterpret_cast<const char*>(entry.values), static_cast<std::streamsize>(entry.bytes()));
    out.close();
    if (!out) error = std::make_error_code(std::errc::io_error);
  }
  if (!error) std::filesystem::rename(temporary, target, error);
  if (!error) return;
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);
  fail(file, "cannot write the file: {}", error.message());
}

}  // namespace xgrad::nn
