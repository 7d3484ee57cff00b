// A CharRNN's file: safetensors, with configuration and vocabulary as metadata.
#include <fmt/format.h>

#include <charconv>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/models/char_rnn.hpp>
#include <xgrad/nn/safetensors.hpp>

namespace xgrad::models {

namespace {

using Path = std::filesystem::path;
using Metadata = std::map<std::string, std::string>;

constexpr std::string_view model_name = "xgrad.char_rnn";
constexpr std::pair<TextUnit, std::string_view> units[] = {{TextUnit::code_point, "code_point"},
                                                           {TextUnit::byte, "byte"}};

template <class... Args>
[[noreturn]] void fail(const Path& file, fmt::format_string<Args...> text, Args&&... args) {
  throw FormatError(
      fmt::format("load_char_rnn: {}: {}", file.string(), fmt::format(text, std::forward<Args>(args)...)));
}

Metadata metadata_of(const CharRNNConfig& config, const Vocabulary& vocabulary) {
  return {{"model", std::string(model_name)},
          {"cell", std::string(cell_name(config.cell))},
          {"hidden", std::to_string(config.hidden)},
          {"layers", std::to_string(config.layers)},
          {"dropout", fmt::format("{}", config.dropout)},
          {"text_unit", std::string(units[static_cast<std::size_t>(vocabulary.unit())].second)},
          // One character after another; bytes as the characters of their number, for the text must be UTF-8.
          {"vocabulary", encode_utf8(vocabulary.characters())}};
}

const std::string& entry(const Path& file, const Metadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) fail(file, "its metadata has no '{}'; it is no model of char_rnn", key);
  return found->second;
}

template <class N>
N number(const Path& file, const Metadata& metadata, const char* key) {
  const std::string& text = entry(file, metadata, key);
  N value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    fail(file, "its metadata says {} = '{}', which is no number", key, text);
  return value;
}

Vocabulary vocabulary_of(const Path& file, const Metadata& metadata) {
  const std::string& unit = entry(file, metadata, "text_unit");
  for (const auto& [value, name] : units)
    if (name == unit) return Vocabulary(decode_utf8(entry(file, metadata, "vocabulary")), value);
  fail(file, "its metadata says text_unit = '{}', which is none of code_point, byte", unit);
}

// Throws unless the tensors are of the size that the metadata says, before anything of that size is made.
void check_size(const Path& file, const nn::StateDict& tensors, const CharRNNConfig& config) {
  const AnyTensor* weight = tensors.find("fc.weight");
  if (!weight) fail(file, "it has no tensor 'fc.weight'");
  if (weight->shape() != Shape{config.vocabulary, config.hidden})
    fail(file, "'fc.weight' has shape {}, where its metadata says {} characters and {} hidden units",
         to_string(weight->shape()), config.vocabulary, config.hidden);
  if (config.layers > static_cast<std::int64_t>(tensors.size()))
    fail(file, "its metadata says {} layers, and it has {} tensors", config.layers, tensors.size());
}

template <Real T>
TrainedCharRNN<T> model_of(const Path& file) {
  const nn::Safetensors content = nn::load_safetensors(file);
  const Metadata& metadata = content.metadata;
  if (entry(file, metadata, "model") != model_name)
    fail(file, "it holds a model '{}', not '{}'", entry(file, metadata, "model"), model_name);
  Vocabulary vocabulary = vocabulary_of(file, metadata);
  const CharRNNConfig config{.vocabulary = vocabulary.size(),
                             .hidden = number<std::int64_t>(file, metadata, "hidden"),
                             .layers = number<std::int64_t>(file, metadata, "layers"),
                             .cell = cell_of(entry(file, metadata, "cell")),
                             .dropout = number<double>(file, metadata, "dropout")};
  if (config.hidden < 1 || config.hidden > 0xffffffff)
    fail(file, "its metadata says hidden = {}", config.hidden);
  check_size(file, content.tensors, config);
  Generator unused;  // the default one stays where it is
  CharRNN<T> model(config, unused);
  nn::load_state_dict(model, content.tensors);
  return {std::move(model), std::move(vocabulary)};
}

}  // namespace

template <Real T>
void save_char_rnn(const Path& file, const CharRNN<T>& model, const Vocabulary& vocabulary) {
  if (vocabulary.size() != model.config.vocabulary)
    throw ValueError(fmt::format("save_char_rnn: a vocabulary of {} characters for a model of {}",
                                 vocabulary.size(), model.config.vocabulary));
  nn::save_safetensors(file, nn::state_dict(model), metadata_of(model.config, vocabulary));
}

template <Real T>
TrainedCharRNN<T> load_char_rnn(const Path& file) {
  try {
    return model_of<T>(file);
  } catch (const FormatError& error) {
    if (std::string_view(error.what()).find(file.string()) != std::string_view::npos) throw;
    fail(file, "{}", error.what());
  } catch (const ValueError& error) {  // a configuration or vocabulary that cannot be
    fail(file, "{}", error.what());
  }
}

#define XGRAD_INSTANTIATE(T)                                                      \
  template void save_char_rnn(const Path&, const CharRNN<T>&, const Vocabulary&); \
  template TrainedCharRNN<T> load_char_rnn(const Path&);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::models
