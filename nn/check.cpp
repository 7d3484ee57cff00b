// Whether a module names all that a loss trains.
#include <xgrad/nn/check.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unordered_set>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/location.hpp>
#include <xgrad/autograd/tape/graph.hpp>

namespace xgrad::nn::detail {

std::vector<std::string> check(const Visitor& visitor, const AnyTensor& loss) {
  if (!loss.defined() || !loss.requires_grad() || loss.is_leaf())
    throw GraphError(
        "check: the loss was not recorded: nothing that it was computed from needs a gradient, or it was "
        "computed under "
        "no_grad; call set_requires_grad() on the parameters, and compute it first");
  std::unordered_set<const xgrad::detail::Node*> read, named;
  const auto leaves = xgrad::detail::leaves_of(loss);
  for (const xgrad::detail::GraphLeaf& leaf : leaves) read.insert(leaf.node);
  std::vector<std::string> unused, problems;
  for (const NamedTensor& p : parameters(visitor)) {
    if (p.tensor.node()) named.insert(p.tensor.node());
    if (!read.contains(p.tensor.node())) unused.push_back(p.name);
  }
  for (const xgrad::detail::GraphLeaf& leaf : leaves)
    if (!named.contains(leaf.node))
      problems.push_back(fmt::format("one of shape {}, first read by '{}'{}", to_string(leaf.shape),
                                     leaf.reader, xgrad::detail::describe(leaf.at)));
  if (!problems.empty())
    throw GraphError(
        fmt::format("check: the loss depends on {} that the module does not name, and that would be neither "
                    "trained nor saved: {}; "
                    "hand {} to v in the module's visit(), or freeze {}",
                    problems.size() == 1 ? "a leaf" : fmt::format("{} leaves", problems.size()),
                    fmt::join(problems, "; "), problems.size() == 1 ? "it" : "them",
                    problems.size() == 1 ? "it" : "them"));
  return unused;
}

}  // namespace xgrad::nn::detail
