// Checkpoints: all that training goes on from, in one file.
#include <xgrad/nn/checkpoint.hpp>

#include <bit>
#include <memory>

#include <fmt/format.h>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/nn/file.hpp>
#include <xgrad/nn/prepared_load.hpp>
#include <xgrad/nn/safetensors.hpp>

namespace xgrad::nn {

namespace {

using detail::FileName;
using Path = std::filesystem::path;
using Commits = std::vector<std::function<void()>>;

constexpr const char* format_key = "xgrad.checkpoint";

// f(name, part) of all parts that there are.
void each_part(const Checkpoint& parts, auto f) {
  const auto one = [&](const std::string& name, const CheckpointPart& part) {
    if (part.state) f(name, part);
  };
  one("model", parts.model);
  one("optimizer", parts.optimizer);
  one("schedule", parts.schedule);
  for (const auto& [name, part] : parts.more) one(name, part);
}

void check_names(const char* function, const Checkpoint& parts) {
  for (const auto& [name, part] : parts.more)
    if (name.empty() || name.find('.') != std::string::npos || name == "model" || name == "optimizer" ||
        name == "schedule" || name == "generator")
      throw ValueError(fmt::format("{}: a part cannot be called '{}'; take another name, without a dot",
                                   function, detail::printable(name)));
  if (parts.extra.contains(format_key))
    throw ValueError(fmt::format("{}: '{}' in `extra` is reserved", function, format_key));
}

std::string generator_name(std::size_t k) { return fmt::format("generator.{}", k); }

AnyTensor tensor_of(const Generator::State& state) {
  return Indices(Shape{3},
                 {std::bit_cast<std::int64_t>(state.seed), std::bit_cast<std::int64_t>(state.counter),
                  static_cast<std::int64_t>(state.used)});
}

Generator::State generator_state(const FileName& file, const StateDict& tensors, const std::string& name) {
  const AnyTensor* const found = tensors.find(name);
  if (!found) fail(file, "it has no '{}'; nothing was changed", name);
  if (found->dtype() != DType::int64 || found->shape() != Shape{3})
    fail(file, "'{}' is no state of a generator; nothing was changed", name);
  const auto values = Indices(*found).values();
  if (values[2] < 0 || values[2] > 4)
    fail(file, "'{}' is no state of a generator; nothing was changed", name);
  return {std::bit_cast<std::uint64_t>(values[0]), std::bit_cast<std::uint64_t>(values[1]),
          static_cast<std::uint32_t>(values[2])};
}

StateDict with_prefix(const StateDict& tensors, const std::string& prefix) {
  StateDict result;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix)) result.push_back({name.substr(prefix.size()), tensor});
  return result;
}

Commits prepare_all(const FileName& file, const StateDict& tensors, const Checkpoint& parts) {
  Commits result;
  each_part(parts, [&](const std::string& name, const CheckpointPart& part) {
    const StateDict own = with_prefix(tensors, fmt::format("{}.", name));
    if (own.empty() && !part.state().empty()) fail(file, "it has no {}; nothing was changed", name);
    try {
      result.push_back(part.prepare(own));
    } catch (const FormatError& error) {
      fail(file, "{}: {}", name, error.what());
    }
  });
  for (std::size_t k = 0; k < parts.generator.size(); ++k)
    result.push_back([state = generator_state(file, tensors, generator_name(k)), to = parts.generator[k]] {
      to->set_state(state);
    });
  return result;
}

}  // namespace

std::function<void()> CheckpointPart::prepared(const Visitor& visitor, const StateDict& dict) {
  return [load = std::make_shared<detail::PreparedLoad>(detail::prepare_load(visitor, dict, true))] {
    load->copy();
  };
}

void save_checkpoint(const Path& file, const Checkpoint& parts) {
  detail::with_memory_errors({"save_checkpoint", file}, [&] {
    check_names("save_checkpoint", parts);
    StateDict tensors;
    each_part(parts, [&](const std::string& name, const CheckpointPart& part) {
      for (auto& [own, tensor] : part.state()) tensors.push_back({fmt::format("{}.{}", name, own), tensor});
    });
    for (std::size_t k = 0; k < parts.generator.size(); ++k)
      tensors.push_back({generator_name(k), tensor_of(parts.generator[k]->state())});
    auto metadata = parts.extra;
    metadata.emplace(format_key, "1");
    save_safetensors(file, tensors, metadata);
  });
}

std::map<std::string, std::string> load_checkpoint(const Path& file, const Checkpoint& parts) {
  const FileName name{"load_checkpoint", file};
  return detail::with_memory_errors(name, [&] {
    check_names("load_checkpoint", parts);
    Safetensors content = load_safetensors(file);
    if (content.metadata.erase(format_key) == 0)
      fail(name, "it is no checkpoint; read it by load_safetensors() and load_state_dict()");
    for (const auto& commit : prepare_all(name, content.tensors, parts)) commit();
    return std::move(content.metadata);
  });
}

}  // namespace xgrad::nn
