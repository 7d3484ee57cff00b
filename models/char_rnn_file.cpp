// A CharRNN's file: safetensors, with configuration and vocabulary as metadata.
#include <fmt/format.h>

#include <charconv>
#include <map>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/models/char_rnn.hpp>
#include <xgrad/nn/file.hpp>
#include <xgrad/nn/safetensors.hpp>

namespace xgrad::models {

namespace {

using nn::detail::FileName;
using nn::detail::printable;
using Path = std::filesystem::path;
using Metadata = std::map<std::string, std::string>;

constexpr std::string_view model_name = "xgrad.char_rnn";
constexpr std::pair<TextUnit, std::string_view> units[] = {{TextUnit::code_point, "code_point"},
                                                           {TextUnit::byte, "byte"}};

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

const std::string& entry(const FileName& file, const Metadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) fail(file, "its metadata has no '{}'; it is no model of char_rnn", key);
  return found->second;
}

template <class N>
N number(const FileName& file, const Metadata& metadata, const char* key) {
  const std::string& text = entry(file, metadata, key);
  N value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    fail(file, "its metadata says {} = '{}', which is no number", key, printable(text));
  return value;
}

Vocabulary vocabulary_of(const FileName& file, const Metadata& metadata) {
  const std::string& unit = entry(file, metadata, "text_unit");
  for (const auto& [value, name] : units)
    if (name == unit) return Vocabulary(decode_utf8(entry(file, metadata, "vocabulary")), value);
  fail(file, "its metadata says text_unit = '{}', which is none of code_point, byte", printable(unit));
}

// Throws unless the file has all parameters of the shapes that its metadata says, before any is made: what a
// model takes is then no more than its file.
void check_parameters(const FileName& file, const nn::StateDict& tensors, const CharRNNConfig& config) {
  std::map<std::string_view, const AnyTensor*> given;
  for (const nn::NamedTensor& t : tensors) given.emplace(t.name, &t.tensor);
  const auto check = [&](const std::string& name, const Shape& shape) {
    const auto found = given.find(name);
    if (found == given.end() || found->second->shape() != shape)
      fail(file, "it has {}, where its metadata says {} layers, {} characters and {} hidden units",
           found == given.end() ? fmt::format("no tensor '{}'", name)
                                : fmt::format("'{}' of shape {} and not {}", name,
                                              to_string(found->second->shape()), to_string(shape)),
           config.layers, config.vocabulary, config.hidden);
  };
  check("fc.weight", {config.vocabulary, config.hidden});
  check("fc.bias", {config.vocabulary});
  const std::int64_t rows = nn::detail::gates_of(config.cell) * config.hidden;
  for (std::int64_t k = 0; k < config.layers; ++k) {
    check(fmt::format("rnn.weight_ih_l{}", k), {rows, k == 0 ? config.vocabulary : config.hidden});
    check(fmt::format("rnn.weight_hh_l{}", k), {rows, config.hidden});
    check(fmt::format("rnn.bias_ih_l{}", k), {rows});
    check(fmt::format("rnn.bias_hh_l{}", k), {rows});
  }
}

template <Real T>
TrainedCharRNN<T> model_of(const FileName& file) {
  const nn::Safetensors content = nn::load_safetensors(file.path);
  const Metadata& metadata = content.metadata;
  if (entry(file, metadata, "model") != model_name)
    fail(file, "it holds a model '{}', not '{}'", printable(entry(file, metadata, "model")), model_name);
  Vocabulary vocabulary = vocabulary_of(file, metadata);
  CharRNNConfig config{.vocabulary = vocabulary.size(),
                       .hidden = number<std::int64_t>(file, metadata, "hidden"),
                       .layers = number<std::int64_t>(file, metadata, "layers"),
                       .cell = cell_of(entry(file, metadata, "cell")),
                       .dropout = number<double>(file, metadata, "dropout")};
  // A dropout between layers where there are none, as files say that were written before it was refused.
  if (config.layers == 1 && config.dropout >= 0 && config.dropout <= 1) config.dropout = 0;
  if (config.hidden < 1 || config.hidden > 0xffffffff)
    fail(file, "its metadata says hidden = {}", config.hidden);
  check_parameters(file, content.tensors, config);
  Generator unused;  // the default one stays where it is
  CharRNN<T> model(config, unused);
  nn::load_state_dict(model, content.tensors);
  return {std::move(model), std::move(vocabulary)};
}

// An error that does not name the file was thrown by what knows none: of a configuration or vocabulary that
// cannot be.
template <Real T>
TrainedCharRNN<T> model_or_format_error(const FileName& file) {
  try {
    return model_of<T>(file);
  } catch (const FormatError& error) {
    if (std::string_view(error.what()).find(file.path.string()) != std::string_view::npos) throw;
    fail(file, "{}", error.what());
  } catch (const ValueError& error) {
    fail(file, "{}", error.what());
  } catch (const ShapeError& error) {
    fail(file, "{}", error.what());
  }
}

}  // namespace

template <Real T>
void save_char_rnn(const Path& file, const CharRNN<T>& model, const Vocabulary& vocabulary) {
  nn::detail::with_memory_errors({"save_char_rnn", file}, [&] {
    if (vocabulary.size() != model.config.vocabulary)
      throw ValueError(fmt::format("save_char_rnn: a vocabulary of {} characters for a model of {}",
                                   vocabulary.size(), model.config.vocabulary));
    nn::save_safetensors(file, nn::state_dict(model), metadata_of(model.config, vocabulary));
  });
}

template <Real T>
TrainedCharRNN<T> load_char_rnn(const Path& file) {
  const FileName name{"load_char_rnn", file};
  return nn::detail::with_memory_errors(name, [&] { return model_or_format_error<T>(name); });
}

#define XGRAD_INSTANTIATE(T)                                                      \
  template void save_char_rnn(const Path&, const CharRNN<T>&, const Vocabulary&); \
  template TrainedCharRNN<T> load_char_rnn(const Path&);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::models
