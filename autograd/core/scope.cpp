// The table of module paths.
#include <xgrad/autograd/core/scope.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>

#include <xgrad/autograd/core/short_memory.hpp>
#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {

using namespace detail;

namespace {

// A scope is a number: the path's in the table above 18 bits of step + 1. So a loop over time adds nothing to
// the table.
constexpr int step_bits = 18;
constexpr std::uint32_t step_mask = (1u << step_bits) - 1;
constexpr std::size_t most_paths = std::size_t{1} << (32 - step_bits);
static_assert(ScopeText::last_step == step_mask - 1);

struct Paths {
  std::shared_mutex mutex;
  std::deque<std::string> texts{""};
  std::map<std::pair<std::uint32_t, std::string>, std::uint32_t, std::less<>> inside;  // parent, name -> path
};

Paths& paths() {
  static auto* table = new Paths;  // never destroyed: threads may end after static destruction began
  return *table;
}

// Ordered like the keys of `inside`, without making a string of the name.
struct Key {
  std::uint32_t parent;
  std::string_view name;
  friend bool operator<(const Key& a, const std::pair<std::uint32_t, std::string>& b) {
    return a.parent != b.first ? a.parent < b.first : a.name < b.second;
  }
  friend bool operator<(const std::pair<std::uint32_t, std::string>& a, const Key& b) {
    return a.first != b.parent ? a.first < b.parent : a.second < b.name;
  }
};

std::uint32_t path_inside(std::uint32_t parent, std::string_view name) {
  if (name.empty()) return parent;
  Paths& table = paths();
  {
    std::shared_lock lock(table.mutex);
    if (const auto found = table.inside.find(Key{parent, name}); found != table.inside.end())
      return found->second;
  }
  std::lock_guard lock(table.mutex);
  if (table.texts.size() == most_paths) return parent;
  if (const auto found = table.inside.find(Key{parent, name}); found != table.inside.end())
    return found->second;
  const auto number = static_cast<std::uint32_t>(table.texts.size());
  return or_error("named_scope", [&] {  // a text that no path leads to does no harm
    table.texts.push_back((parent ? table.texts[parent] + "." : "") + std::string(name));
    return table.inside.try_emplace({parent, std::string(name)}, number).first->second;
  });
}

}  // namespace

named_scope::named_scope(std::string_view name) : before_(this_thread.scope) {
  this_thread.scope = path_inside(before_ >> step_bits, name) << step_bits | (before_ & step_mask);
}

named_scope::named_scope(std::string_view name, std::int64_t step) : before_(this_thread.scope) {
  if (step < 0) throw ValueError(fmt::format("named_scope: time step {} of '{}' is negative", step, name));
  const auto shown = static_cast<std::uint32_t>(std::min(step, ScopeText::last_step)) + 1;
  this_thread.scope = path_inside(before_ >> step_bits, name) << step_bits | shown;
}

named_scope::~named_scope() { this_thread.scope = before_; }

ScopeText scope_text(std::uint32_t scope) {
  Paths& table = paths();
  std::shared_lock lock(table.mutex);
  ScopeText text{table.texts.at(scope >> step_bits), {}};
  if (const std::uint32_t shown = scope & step_mask) text.step = shown - 1;
  return text;
}

}  // namespace xgrad
