// What can be done with a module, on the description that its `visit` leaves.
#include <xgrad/nn/module.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/nn/file.hpp>
#include <xgrad/nn/prepared_load.hpp>
#include <xgrad/ops/integer.hpp>

namespace xgrad::nn {

namespace {

using detail::Item;

bool is_state(const Item& item) {
  return item.kind == Item::Kind::parameter || item.kind == Item::Kind::buffer;
}

// Same elements, same identity: what tied parameters have in common.
using Identity = std::tuple<const xgrad::detail::Storage*, std::int64_t, std::vector<std::uint32_t>>;
Identity identity(const AnyTensor& x) {
  return {x.storage().get(), x.offset(), {x.shape().begin(), x.shape().end()}};
}

// "constexpr std::string_view … [with M = xgrad::nn::Linear<float>; …]" or "… [M = …]": "Linear".
std::string type_name(std::string_view signature) {
  const std::size_t begin = signature.find("M = ");
  if (begin == std::string_view::npos) return std::string(signature);
  std::string_view name = signature.substr(begin + 4);
  name = name.substr(0, std::min(name.find(';'), name.rfind(']')));
  if (name.ends_with('>')) {
    int depth = 0;
    std::size_t at = name.size();
    do {
      --at;
      depth += (name[at] == '>') - (name[at] == '<');
    } while (at > 0 && depth > 0);
    name = name.substr(0, at);
  }
  const std::size_t colons = name.rfind("::");
  return std::string(colons == std::string_view::npos ? name : name.substr(colons + 2));
}

std::string_view dtype_name(DType type) { return type == DType::float32 ? "float" : "double"; }

// f(Tensor<T>) with the type that the tensor has.
void typed(const AnyTensor& x, auto f) {
  if (x.dtype() == DType::float32)
    f(Tensor<float>(x));
  else
    f(Tensor<double>(x));
}

// The values of `from` in the type of `to`, and in other memory.
AnyTensor values_for(const AnyTensor& to, const AnyTensor& from) {
  if (from.dtype() == to.dtype())
    return from.storage().get() == to.storage().get() ? xgrad::detail::copy_of(from) : from.detached();
  return dispatch(to.dtype(), [&]<Real T>() -> AnyTensor {
    if (from.dtype() == DType::int64) return to_tensor<T>(Indices(from));
    return Tensor<std::conditional_t<std::same_as<T, float>, double, float>>(from.detached())
        .template to<T>();
  });
}

// Names in `dict` by what they are to the module.
struct Comparison {
  std::vector<std::pair<const AnyTensor*, const AnyTensor*>> copies;  // from, to
  std::vector<std::string> missing, unexpected, misshapen;
  std::vector<std::string> refused;  // those unexpected ones that strict loading refuses
};

Comparison compare(const Visitor& visitor, const StateDict& dict) {
  Comparison result;
  std::map<std::string_view, const AnyTensor*> given;
  for (const NamedTensor& entry : dict)
    if (!given.emplace(entry.name, &entry.tensor).second)
      throw FormatError(fmt::format("load_state_dict: the state dict holds '{}' twice; nothing was changed",
                                    detail::printable(entry.name)));
  std::set<Identity> covered;  // by any of its names
  for (const Item& item : visitor.items())
    if (is_state(item) && given.contains(item.path)) covered.insert(identity(*item.tensor));
  for (const Item& item : visitor.items()) {
    if (!is_state(item)) continue;
    const auto found = given.find(item.path);
    if (found == given.end()) {
      if (!covered.contains(identity(*item.tensor))) result.missing.push_back(item.path);
      continue;
    }
    const AnyTensor& value = *found->second;
    if (!value.defined() || value.shape() != item.tensor->shape())
      result.misshapen.push_back(fmt::format("'{}' is {} and the module's is {}", item.path,
                                             value.defined() ? to_string(value.shape()) : "undefined",
                                             to_string(item.tensor->shape())));
    else
      result.copies.emplace_back(&value, item.tensor);
    given.erase(found);
  }
  for (const auto& [name, value] : dict) {
    if (!given.contains(name)) continue;
    result.unexpected.push_back(name);
    if (!value.defined() || value.dtype() != DType::int64) result.refused.push_back(name);
  }
  return result;
}

// "missing: a, b": of many names the first ten, as a message can show them.
void append_names(std::string& problems, std::string_view what, const std::vector<std::string>& names) {
  constexpr std::size_t most = 10;
  if (names.empty()) return;
  std::vector<std::string> shown;
  for (std::size_t k = 0; k < std::min(names.size(), most); ++k) shown.push_back(detail::printable(names[k]));
  problems += fmt::format("{}{}: {}", problems.empty() ? "" : "; ", what, fmt::join(shown, ", "));
  if (names.size() > most) problems += fmt::format(" and {} more", names.size() - most);
}

// The module whose heading `next` points at, as PyTorch prints it; `next` moves past its end.
std::string rendered(std::vector<Item>::const_iterator& next, int depth) {
  const Item& head = *next++;
  std::vector<std::string> lines;
  if (head.attributes && !head.attributes->empty()) lines.push_back(*head.attributes);
  const std::size_t own = lines.size();
  while (next->kind != Item::Kind::end) {
    const std::string name = next->path.substr(next->name);
    if (next->kind == Item::Kind::module) {
      lines.push_back(fmt::format("({}): {}", name, rendered(next, depth + 1)));
    } else {
      if (!head.attributes)
        lines.push_back(fmt::format("({}): {} {}", name, dtype_name(next->tensor->dtype()),
                                    xgrad::to_string(next->tensor->shape())));
      ++next;
    }
  }
  ++next;
  if (lines.size() == own) return fmt::format("{}({})", head.type, fmt::join(lines, ""));
  const std::string margin(static_cast<std::size_t>(2 * depth), ' ');
  return fmt::format("{0}(\n{1}  {2}\n{1})", head.type, margin, fmt::join(lines, "\n" + margin + "  "));
}

}  // namespace

const AnyTensor* StateDict::find(std::string_view name) const& {
  const auto found = std::ranges::find(*this, name, &NamedTensor::name);
  return found == end() ? nullptr : &found->tensor;
}

void Visitor::tensor(std::string_view name, AnyTensor& x, Item::Kind kind) {
  if (!x.defined()) return;  // switched off, such as the bias of a Linear without one
  items_.push_back({kind, path_ + std::string(name), path_.size(), &x, {}, {}});
  if (kind == Item::Kind::parameter && x.node() && x.is_leaf())
    static_cast<xgrad::detail::Leaf&>(*x.node()).set_label(items_.back().path);
}

void Visitor::begin(std::string_view name, std::string_view type, std::optional<std::string> attributes) {
  items_.push_back({Item::Kind::module, path_ + std::string(name), path_.size(), nullptr, type_name(type),
                    std::move(attributes)});
  open_.push_back(path_);
  if (!name.empty()) path_ += std::string(name) + ".";
}

void Visitor::end() {
  path_ = std::move(open_.back());
  open_.pop_back();
  items_.push_back({Item::Kind::end, {}, 0, nullptr, {}, {}});
  if (open_.empty()) check_names();
}

void Visitor::check_names() const {
  std::set<std::string_view> names;
  for (const Item& item : items_)
    if (is_state(item) && !names.insert(item.path).second)
      throw ValueError(
          fmt::format("module: two members are called '{}'; give each its own name in visit()", item.path));
}

// A list is made of copies by mistake: std::vector<nn::Linear<>>(3, nn::Linear<>{4, 4}).
void Visitor::check_distinct(std::span<const std::size_t> firsts) const {
  if (firsts.size() < 2) return;
  std::vector<std::vector<Identity>> elements(firsts.size());
  for (std::size_t k = 0; k < firsts.size(); ++k)
    for (std::size_t i = firsts[k]; i < (k + 1 < firsts.size() ? firsts[k + 1] : items_.size()); ++i)
      if (is_state(items_[i])) elements[k].push_back(identity(*items_[i].tensor));
  if (elements[0].empty() || !std::ranges::all_of(elements, [&](const auto& e) { return e == elements[0]; }))
    return;
  throw ValueError(
      fmt::format("module: the {} elements of '{}' are one and the same, for copies share their parameters; "
                  "make each anew, as "
                  "{{{{4, 4}}, {{4, 4}}}} or by emplace_back(4, 4) in a loop, or clone() it; of what is to "
                  "be used several times, "
                  "name one",
                  firsts.size(), std::string_view(path_).substr(0, path_.size() - 1)));
}

namespace detail {

std::vector<NamedTensor> parameters(const Visitor& visitor) {
  std::vector<NamedTensor> result;
  std::set<Identity> seen;
  for (const Item& item : visitor.items())
    if (item.kind == Item::Kind::parameter && seen.insert(identity(*item.tensor)).second)
      result.push_back({item.path, *item.tensor});
  return result;
}

std::vector<NamedTensor> parameters(const Visitor& visitor, DType type) {
  auto result = parameters(visitor);
  for (const NamedTensor& p : result)
    if (p.tensor.dtype() != type)
      throw ValueError(fmt::format(
          "parameters: '{0}' is of {1} and was asked for as {2}; call parameters<{1}>(module), or "
          "declare `using value_type = {1};` in the module",
          p.name, dtype_name(p.tensor.dtype()), dtype_name(type)));
  return result;
}

StateDict state_dict(const Visitor& visitor) {
  return xgrad::detail::or_error("state_dict", [&] {
    StateDict dict;
    for (const Item& item : visitor.items())
      if (is_state(item)) dict.push_back({item.path, item.tensor->detached()});
    return dict;
  });
}

PreparedLoad prepare_load(const Visitor& visitor, const StateDict& dict, bool strict) {
  Comparison found = compare(visitor, dict);
  std::string problems;
  if (strict) append_names(problems, "missing", found.missing);
  if (strict) append_names(problems, "unexpected", found.refused);
  append_names(problems, "wrong shape", found.misshapen);
  if (!problems.empty()) {
    const bool none = std::ranges::none_of(visitor.items(), is_state);
    throw FormatError(fmt::format("load_state_dict: {}{}; nothing was changed", problems,
                                  none ? "; the module has no parameters (is it default constructed?)" : ""));
  }
  for (const auto& [from, to] : found.copies)
    if (!to->is_leaf())
      throw GraphError(
          "load_state_dict: a parameter is the result of a recorded op and cannot be written; nothing was "
          "changed");
  // Memory is taken before anything is changed.
  PreparedLoad result;
  for (const auto& [from, to] : found.copies) {
    result.values.push_back(values_for(*to, *from));
    result.targets.push_back(to);
  }
  result.report = {std::move(found.missing), std::move(found.unexpected)};
  return result;
}

void PreparedLoad::copy() const {
  for (std::size_t k = 0; k < values.size(); ++k)
    typed(*targets[k], [&]<Real T>(Tensor<T> target) { target.assign(Tensor<T>(values[k])); });
}

LoadReport load_state_dict(const Visitor& visitor, const StateDict& dict, bool strict) {
  return xgrad::detail::or_error("load_state_dict", [&] {
    PreparedLoad load = prepare_load(visitor, dict, strict);
    load.copy();
    return std::move(load.report);
  });
}

void separate(const Visitor& visitor) {
  std::map<Identity, AnyTensor> copies;
  std::vector<AnyTensor> originals;  // kept, so that no identity is met again in new memory
  for (const Item& item : visitor.items()) {
    if (!is_state(item)) continue;
    originals.push_back(*item.tensor);
    AnyTensor& copy = copies[identity(*item.tensor)];
    if (!copy.defined()) {
      typed(xgrad::detail::copy_of(*item.tensor), [&](auto fresh) {
        if (item.tensor->node()) fresh.set_requires_grad().set_requires_grad(item.tensor->requires_grad());
        copy = fresh;
      });
    }
    *item.tensor = copy;
  }
}

void zero_grad(const Visitor& visitor) {
  for (const NamedTensor& p : parameters(visitor)) typed(p.tensor, [](auto x) { x.zero_grad(); });
}

void set_requires_grad(const Visitor& visitor, bool requires_grad) {
  for (const Item& item : visitor.items()) {
    if (item.kind != Item::Kind::parameter || item.tensor->requires_grad() == requires_grad) continue;
    typed(*item.tensor, [&](auto x) {
      x.set_requires_grad(requires_grad);
      *item.tensor = x;
    });
  }
}

void to(const Visitor& visitor, Device device) {
  for (const Item& item : visitor.items())
    if (is_state(item)) typed(*item.tensor, [&](auto x) { *item.tensor = x.to(device); });
}

void set_training(const Visitor& visitor, bool training) {
  for (bool* flag : visitor.flags()) *flag = training;
}

std::int64_t count_parameters(const Visitor& visitor, bool trainable_only) {
  std::int64_t count = 0;
  for (const NamedTensor& p : parameters(visitor))
    if (!trainable_only || p.tensor.requires_grad()) count += p.tensor.elements();
  return count;
}

std::string to_string(const Visitor& visitor) {
  auto next = visitor.items().begin();
  return rendered(next, 0);
}

}  // namespace detail

}  // namespace xgrad::nn
