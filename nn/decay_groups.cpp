// The parameters of a module that weight decay is for, and the others.
#include <xgrad/nn/decay_groups.hpp>

#include <set>

namespace xgrad::nn::detail {

std::vector<bool> decays(const Visitor& visitor) {
  std::set<std::string_view> spared;
  std::vector<bool> norms;  // the modules that the next item is in
  for (const Item& item : visitor.items()) {
    if (item.kind == Item::Kind::module) norms.push_back(item.type.find("Norm") != std::string::npos);
    if (item.kind == Item::Kind::end) norms.pop_back();
    if (item.kind != Item::Kind::parameter) continue;
    const bool bias = std::string_view(item.path).substr(item.name).starts_with("bias");
    if (bias || norms.back() || item.tensor->rank() < 2) spared.insert(item.path);
  }
  std::vector<bool> result;
  for (const NamedTensor& p : parameters(visitor)) result.push_back(!spared.contains(p.name));
  return result;
}

}  // namespace xgrad::nn::detail
