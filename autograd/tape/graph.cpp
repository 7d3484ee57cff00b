// Walking recorded graphs, without recursion, and writing them out.
#include <xgrad/autograd/tape/graph.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <xgrad/autograd/core/scope.hpp>
#include <xgrad/autograd/tape/node.hpp>

namespace xgrad {

using namespace detail;

namespace {

// Every node reachable, operands before results.
std::vector<Node*> reachable(std::span<const AnyTensor> outputs) {
  std::vector<Node*> nodes;
  std::unordered_set<const Node*> seen;
  const auto enter = [&](Node* node) {
    if (node && seen.insert(node).second) nodes.push_back(node);
  };
  for (const AnyTensor& output : outputs) enter(output.node());
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (const Edge& edge : nodes[i]->edges()) enter(edge.node.get());
  std::ranges::stable_sort(nodes, {}, &Node::sequence);
  return nodes;
}

std::string_view module_of(std::string_view leaf) {
  return leaf.substr(0, std::min(leaf.rfind('.'), leaf.size()));
}

// "a.b" of "a.b.c" and "a.b.d".
std::string_view common_module(std::string_view a, std::string_view b) {
  while (a != b) {
    std::string_view& longer = a.size() >= b.size() ? a : b;
    const std::size_t dot = longer.rfind('.');
    longer = longer.substr(0, dot == longer.npos ? 0 : dot);
  }
  return a;
}

class DotWriter {
 public:
  explicit DotWriter(const LeafNames& names) {
    for (const auto& [name, tensor] : names)
      if (tensor.node() && tensor.is_leaf()) names_.emplace(tensor.node(), name);
  }

  std::string write(std::span<const AnyTensor> outputs) {
    line("digraph xgrad {{\n  rankdir=BT;\n  node [shape=box, style=rounded, fontname=monospace];\n");
    const auto nodes = reachable(outputs);
    for (std::size_t i = 0; i < nodes.size(); ++i) numbers_.emplace(nodes[i], i);
    for (Node* node : nodes) node->is_leaf() ? leaf(*node) : op(*node);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      const AnyTensor& output = outputs[k];
      if (!output.node()) continue;
      line("  out{} [label=\"output\", shape=plaintext];\n", k);
      arrow(*output.node(), output.output(), fmt::format("out{}", k));
    }
    return text_ + "}\n";
  }

 private:
  template <class... A>
  void line(fmt::format_string<A...> format, A&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<A>(values)...);
  }

  // What stands inside a label's quotes.
  static std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
      if (c == '"' || c == '\\') result += '\\';
      c == '\n' ? result += "\\n" : result += c;
    }
    return result;
  }

  void leaf(Node& node) {
    const auto name = names_.find(&node);
    line("  n{} [label=\"{}\\n{}\", style=filled];\n", numbers_.at(&node),
         escaped(name == names_.end() ? "leaf" : name->second), to_string(node.output_shape(0)));
  }

  void op(Node& node) {
    const ScopeText scope = scope_text(node.scope());
    const std::string path = scope.path.empty() ? std::string(path_of(node)) : scope.path;
    line("  n{} [label=\"{}", numbers_.at(&node), escaped(node.name()));
    if (const std::string attributes = node.attributes(); !attributes.empty())
      line(" {}", escaped(attributes));
    for (std::size_t k = 0; k < node.outputs(); ++k)
      line("{}{}", k ? ", " : "\\n", to_string(node.output_shape(k)));
    if (!path.empty()) line("\\n{}", escaped(path));
    if (scope.step) line("{}step {}", path.empty() ? "\\n" : ", ", *scope.step);
    line("\"];\n");
    for (const Edge& edge : node.edges())
      if (edge.node) arrow(*edge.node, edge.output, fmt::format("n{}", numbers_.at(&node)));
  }

  void arrow(const Node& from, std::uint32_t output, const std::string& to) {
    line("  n{} -> {}", numbers_.at(&from), to);
    if (from.outputs() > 1) line(" [label=\"{}\"]", output);
    line(";\n");
  }

  std::string_view path_of(Node& node) const {
    std::string_view path;
    bool any = false;
    for (const Edge& edge : node.edges()) {
      const auto name = names_.find(edge.node.get());
      if (name == names_.end() || name->second.find('.') == std::string::npos) continue;
      const std::string_view module = module_of(name->second);
      path = std::exchange(any, true) ? common_module(path, module) : module;
    }
    return path;
  }

  std::unordered_map<const Node*, std::string> names_;
  std::unordered_map<const Node*, std::size_t> numbers_;
  std::string text_;
};

}  // namespace

std::string to_dot(std::span<const AnyTensor> outputs, const LeafNames& names) {
  return DotWriter(names).write(outputs);
}

std::string to_dot(const AnyTensor& output, const LeafNames& names) {
  return to_dot(std::span(&output, 1), names);
}

std::int64_t count_nodes(const AnyTensor& output) {
  return static_cast<std::int64_t>(reachable(std::span(&output, 1)).size());
}

std::vector<GraphLeaf> detail::leaves_of(const AnyTensor& output) {
  std::vector<GraphLeaf> leaves;
  std::unordered_set<const Node*> seen;
  for (const Node* node : reachable({&output, 1}))
    for (const Edge& edge : node->edges()) {
      const Node* const leaf = edge.node.get();
      if (leaf && leaf->is_leaf() && takes_gradient(*leaf) && seen.insert(leaf).second)
        leaves.push_back({leaf, leaf->output_shape(0), node->name(), node->location()});
    }
  return leaves;
}

}  // namespace xgrad
