// Where in a model a node was made: module path and time step, for exports and reports.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xgrad {

/// Annotates the nodes that this thread makes until the end of the scope: `named_scope scope("encoder", t);`. Names
/// of nested scopes are joined by dots; a step holds for the scopes inside too, until one of them gives its
/// own.
class named_scope {
 public:
  explicit named_scope(std::string_view name);
  /// With a time step, which must not be negative. An empty name leaves the path as it is.
  named_scope(std::string_view name, std::int64_t step);
  named_scope(const named_scope&) = delete;
  named_scope& operator=(const named_scope&) = delete;
  ~named_scope();

 private:
  std::uint32_t before_;
};

/// What a node's `scope()` stands for.
struct ScopeText {
  std::string path;  ///< "model.encoder"; empty outside of all scopes
  std::optional<std::int64_t>
      step;  ///< at most ScopeText::last_step, which stands for itself and all later ones
  static constexpr std::int64_t last_step = 262142;
};
ScopeText scope_text(std::uint32_t scope);

}  // namespace xgrad
