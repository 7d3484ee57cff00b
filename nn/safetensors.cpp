// Reading and writing safetensors files: eight bytes with the header's length, the header as JSON, the
// values.
#include <xgrad/nn/safetensors.hpp>

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/nn/element_format.hpp>
#include <xgrad/nn/file.hpp>
#include <xgrad/nn/safetensors_header.hpp>

namespace xgrad::nn {

namespace {

using detail::Entry;
using detail::FileName;
using Path = std::filesystem::path;
using Metadata = std::map<std::string, std::string>;

constexpr std::uint64_t largest_header = 100'000'000;  // the reference implementation's limit

// Names differ, and the values cover the rest of the file, each byte once.
void check_entries(const FileName& file, const std::vector<Entry>& entries, std::uint64_t data_bytes) {
  std::vector<const Entry*> order;
  for (const Entry& entry : entries) order.push_back(&entry);
  std::ranges::sort(order, {}, [](const Entry* e) -> const std::string& { return e->name; });
  for (std::size_t k = 1; k < order.size(); ++k)
    if (order[k]->name == order[k - 1]->name)
      fail(file, "the header names '{}' twice", detail::printable(order[k]->name));
  std::ranges::sort(order, {}, [](const Entry* e) { return std::pair(e->begin, e->end); });
  std::uint64_t at = 0;
  for (const Entry* entry : order) {
    if (entry->begin != at)
      fail(file, "'{}': its values begin at byte {}, where those before end at {}: they {}",
           detail::printable(entry->name), entry->begin, at, entry->begin < at ? "overlap" : "leave a gap");
    at = entry->end;
  }
  if (at != data_bytes) fail(file, "the tensors take {} bytes, found {} bytes of values", at, data_bytes);
}

AnyTensor read_tensor(const FileName& file, const detail::InputFile& in, std::uint64_t offset,
                      const Entry& entry) {
  const detail::ElementFormat& format = *entry.format;
  const bool integers = format.dtype == DType::int64;
  AnyTensor tensor = integers ? xgrad::detail::empty_for_values(entry.shape, format.dtype)
                              : AnyTensor::empty(entry.shape, format.dtype);
  // They are read into the end of the memory that they fill once they are converted.
  const std::size_t count = static_cast<std::size_t>(entry.shape.elements()), bytes = count * format.size;
  std::byte* const to = tensor.mutable_bytes();
  std::byte* const from = to + tensor.size_in_bytes() - bytes;
  in.read(offset, {from, bytes});
  format.to_dtype(from, count, to);
  if (format.safetensors == "U64") {
    const auto* const values = reinterpret_cast<const std::int64_t*>(to);
    if (std::any_of(values, values + count, [](std::int64_t x) { return x < 0; }))
      fail(file, "'{}': it has a number above {}, more than 64-bit integers hold",
           detail::printable(entry.name), std::numeric_limits<std::int64_t>::max());
  }
  if (!integers) xgrad::detail::repeat_values(tensor);
  return tensor;
}

Safetensors read_tensors(const FileName& file) {
  const detail::InputFile in(file);
  std::uint64_t length = 0;
  if (in.size() < sizeof length) fail(file, "expected at least {} bytes, found {}", sizeof length, in.size());
  in.read(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > largest_header || length > in.size() - sizeof length)
    fail(file,
         "its first 8 bytes ask for a header of {} bytes, and {} follow: this is no safetensors file, or it "
         "is cut off",
         length, in.size() - sizeof length);
  std::string text(length, '\0');
  in.read(sizeof length, std::as_writable_bytes(std::span(text)));

  const std::uint64_t data_begin = sizeof length + length, data_bytes = in.size() - data_begin;
  detail::SafetensorsHeader header = detail::parse_header(file, text, data_bytes);
  check_entries(file, header.entries, data_bytes);
  Safetensors result{{}, std::move(header.metadata)};
  for (Entry& entry : header.entries) {
    AnyTensor tensor = read_tensor(file, in, data_begin + entry.begin, entry);
    result.tensors.push_back({std::move(entry.name), std::move(tensor)});
  }
  return result;
}

std::vector<Entry> laid_out(const FileName& file, const StateDict& tensors) {
  std::vector<Entry> entries;
  std::set<std::string_view> names;
  for (const NamedTensor& t : tensors) {
    if (t.name == detail::metadata_key || !names.insert(t.name).second)
      fail(file, "'{}': {}", t.name,
           t.name == detail::metadata_key ? "this name is reserved" : "two tensors have this name");
    if (!t.tensor.defined()) fail(file, "'{}': the tensor is undefined", t.name);
    const auto* const format = std::ranges::find(detail::element_formats, t.tensor.dtype(),
                                                 &detail::ElementFormat::dtype);  // the widest is the first
    entries.push_back({t.name, format, t.tensor.shape(), 0, 0, t.tensor.bytes()});
  }
  // Wide ones first: then every tensor is aligned to its element size, as the reference implementation has
  // it.
  std::ranges::stable_partition(entries, [](const Entry& e) { return e.format->size == 8; });
  std::uint64_t at = 0;
  for (Entry& entry : entries) {
    entry.begin = at;
    entry.end = at += entry.bytes();
  }
  return entries;
}

void write_tensors(const FileName& file, const StateDict& tensors, const Metadata& metadata) {
  const std::vector<Entry> entries = laid_out(file, tensors);
  const std::string header = detail::header_text(file, entries, metadata);
  const std::uint64_t length = header.size();
  if (length > largest_header) fail(file, "the header takes {} bytes, more than {}", length, largest_header);
  std::vector<std::span<const std::byte>> parts{std::as_bytes(std::span(&length, 1)),
                                                std::as_bytes(std::span(header))};
  for (const Entry& entry : entries) parts.emplace_back(entry.values, entry.bytes());
  replace_file(file, parts);
}

}  // namespace

Safetensors load_safetensors(const Path& file) {
  const FileName name{"safetensors", file};
  return detail::with_memory_errors(name, [&] { return read_tensors(name); });
}

void save_safetensors(const Path& file, const StateDict& tensors, const Metadata& metadata) {
  const FileName name{"safetensors", file};
  detail::with_memory_errors(name, [&] { write_tensors(name, tensors, metadata); });
}

}  // namespace xgrad::nn
