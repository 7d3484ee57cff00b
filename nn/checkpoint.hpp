// Checkpoints: all that training goes on from, in one file.
#pragma once

#include <concepts>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// What has a state, as optimizers, schedules and averages do: lists of tensors with names.
template <class S>
concept Stateful = requires(S& s) {
  s.load_state(s.state());
  s.check_state(s.state());
};

/// A module, or something stateful, that a checkpoint is of; it must live as long as this. None where it is
/// default constructed.
class CheckpointPart {
 public:
  CheckpointPart() = default;
  template <class M>
  requires(Module<M> && !Stateful<M>) CheckpointPart(M& m)
      : state([&m] { return state_dict(m); }),
        prepare([&m](const StateDict& dict) { return prepared(m, dict); }) {}
  template <Stateful S>
  CheckpointPart(S& s)
      : state([&s] { return listed<StateDict>(s.state()); }), prepare([&s](const StateDict& dict) {
          const auto own = listed<std::remove_cvref_t<decltype(s.state())>>(dict);
          s.check_state(own);
          return std::function<void()>([&s, own] { s.load_state(own); });
        }) {}

  std::function<StateDict()> state;  ///< as it is now; empty where there is no part
  /// Checks what a file has, and returns what copies it. Throws FormatError, having changed nothing.
  std::function<std::function<void()>(const StateDict&)> prepare;

 private:
  template <class List>
  static List listed(const auto& from) {
    List result;
    for (const auto& [name, tensor] : from) result.push_back({name, tensor});
    return result;
  }
  template <class M>
  static std::function<void()> prepared(M& m, const StateDict& dict) {
    return prepared(detail::described(m), dict);
  }
  static std::function<void()> prepared(const Visitor& visitor, const StateDict& dict);
};

/// One generator, or several, in braces.
struct CheckpointGenerators : std::vector<Generator*> {
  CheckpointGenerators() = default;
  CheckpointGenerators(Generator& generator) : vector{&generator} {}
  CheckpointGenerators(std::initializer_list<std::reference_wrapper<Generator>> generators) {
    for (Generator& g : generators) push_back(&g);
  }
};

/// What a checkpoint is of: what is left out is neither saved nor loaded.
struct Checkpoint {
  CheckpointPart model = {};
  CheckpointPart optimizer = {};
  CheckpointPart schedule = {};
  CheckpointGenerators generator = {};  ///< of dropout, `default_generator()` if no other, and of shuffling
  std::map<std::string, CheckpointPart> more = {};  ///< such as an average of weights, each under a name
  std::map<std::string, std::string> extra = {};    ///< text to be kept with it: the epoch, the options
};

/// Writes one safetensors file, whole or not at all (save_safetensors): parameters and buffers as
/// "model.NAME", the others as "optimizer.NAME", "schedule.NAME", "generator.NUMBER" and "NAME.NAME", and
/// `extra` as metadata.
///
///   nn::save_checkpoint("run.safetensors", {.model = net, .optimizer = opt, .schedule = schedule,
///                                           .generator = default_generator(), .extra = {{"epoch", "3"}}});
///
/// Throws FormatError where it cannot be written, ValueError for a name of `more` that is taken or has a dot,
/// and Error where memory is short.
void save_checkpoint(const std::filesystem::path& file, const Checkpoint& parts);

/// Reads it back into the same parts, made with the same options, and returns `extra`; training then goes on
/// with the bits of training that was not stopped. A part that is not asked for is left in the file. Throws
/// FormatError, naming the file, the part and what differs, where the file lacks a part or has other names,
/// types or shapes, and Error where memory is short; then nothing is changed.
std::map<std::string, std::string> load_checkpoint(const std::filesystem::path& file,
                                                   const Checkpoint& parts);

}  // namespace xgrad::nn
