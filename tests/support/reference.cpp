// What PyTorch computes, held against calls of ours.
#include "reference.hpp"

#include <algorithm>
#include <iostream>

#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include "near.hpp"
#include "tensors.hpp"

namespace xgrad::testing {

namespace {

/// The arrays of one case, by letter and number (see cases.py).
class Case {
 public:
  Case(const std::map<std::string, AnyTensor>& arrays, std::string prefix)
      : arrays_(arrays), prefix_(std::move(prefix)) {}

  const AnyTensor* find(char letter, std::size_t k) const {
    const auto found = arrays_.find(prefix_ + letter + std::to_string(k));
    return found == arrays_.end() ? nullptr : &found->second;
  }
  bool has(char letter) const { return find(letter, 0); }
  bool exists() const { return has('x') || has('i') || has('y') || has('z'); }

  Tensors<double> tensors(char letter) const {
    Tensors<double> result;
    while (const AnyTensor* x = find(letter, result.size())) result.push_back(Tensor<double>(*x).clone());
    return result;
  }
  std::vector<Indices> indices(char letter) const {
    std::vector<Indices> result;
    while (const AnyTensor* x = find(letter, result.size())) result.push_back(Indices(*x));
    return result;
  }

 private:
  const std::map<std::string, AnyTensor>& arrays_;
  std::string prefix_;
};

/// Adds a line for each of the tensors that is off.
void compare(std::string& wrong, char letter, const Tensors<double>& got, const Tensors<double>& want,
             double limit) {
  if (got.size() != want.size()) {
    wrong += "  " + std::to_string(got.size()) + " results, wanted " + std::to_string(want.size()) + "\n";
    return;
  }
  for (std::size_t k = 0; k < want.size(); ++k) {
    const std::string line = off(got[k], want[k].shape(), list(want[k]), limit);
    if (!line.empty()) wrong += std::string("  ") + letter + std::to_string(k) + ": " + line + "\n";
  }
}

/// sum(a0 * b0) + sum(a1 * b1) + …, of those that need a gradient.
Tensor<double> paired(const Tensors<double>& a, const Tensors<double>& b) {
  Tensor<double> total;
  for (std::size_t k = 0; k < a.size(); ++k) {
    if (!a[k].requires_grad()) continue;
    const Tensor<double> term = sum(a[k] * b[k]);
    total = total.defined() ? total + term : term;
  }
  return total;
}

/// d total / d x, with zeros where there is no dependence.
Tensors<double> gradients(const Tensor<double>& total, const Tensors<double>& x, bool create_graph) {
  Tensors<double> g;
  if (total.defined())
    g = grad(total, x, {.retain_graph = true, .create_graph = create_graph, .allow_unused = true});
  g.resize(x.size());
  for (std::size_t k = 0; k < x.size(); ++k)
    if (!g[k].defined()) g[k] = zeros<double>(x[k].shape());
  return g;
}

/// The lines of what is wrong: of results and gradients, and of gradients of gradients.
struct Findings {
  std::string first, second;
};

Findings compare_case(const Case& c, const ReferenceTable::Call& call, double limit) {
  Findings wrong;
  ReferenceInputs inputs;
  for (Tensor<double>& x : c.tensors('x')) inputs.push_back(c.has('g') ? x.set_requires_grad() : x);
  inputs.indices = c.indices('i');
  const ReferenceResult result = call(inputs);

  compare(wrong.first, 'y', result.tensors, c.tensors('y'), limit);
  const std::vector<Indices> want = c.indices('z');
  if (result.indices.size() != want.size()) wrong.first += "  another number of integer results\n";
  for (std::size_t k = 0; k < std::min(want.size(), result.indices.size()); ++k)
    if (result.indices[k].shape() != want[k].shape() ||
        !std::ranges::equal(result.indices[k].values(), want[k].values()))
      wrong.first += "  z" + std::to_string(k) + " differs\n";
  if (!wrong.first.empty() || !c.has('g')) return wrong;

  const Tensors<double> g = gradients(paired(result.tensors, c.tensors('v')), inputs, c.has('w'));
  compare(wrong.first, 'g', g, c.tensors('g'), limit);
  if (!c.has('w')) return wrong;
  const Tensors<double> h = gradients(paired(g, c.tensors('w')), inputs, false);
  compare(wrong.second, 'h', h, c.tensors('h'), limit);
  return wrong;
}

}  // namespace

ReferenceTable::ReferenceTable(const std::string& file) {
  const std::string path = XGRAD_SOURCE_DIR "/tests/reference/" + file;
  for (const auto& [name, array] : nn::load_safetensors(path).tensors) {
    arrays_.emplace(name, array);
    names_.insert(name.substr(0, name.find('/')));
  }
}

void ReferenceTable::add(const std::string& name, Call call, ReferenceOptions options) {
  rows_.push_back({name, std::move(call), std::move(options)});
}

std::string ReferenceTable::check() const {
  std::string wrong;
  std::set<std::string> unchecked = names_;
  for (const auto& [name, call, options] : rows_) {
    if (!unchecked.erase(name)) wrong += name + ": not in the file, or twice in the table\n";
    for (int number = 0; Case(arrays_, name + "/" + std::to_string(number) + "/").exists(); ++number) {
      const Case c(arrays_, name + "/" + std::to_string(number) + "/");
      const std::string label = name + ", case " + std::to_string(number);
      Findings found;
      try {
        found = compare_case(c, call, options.limit);
      } catch (const std::exception& error) {
        found.first = std::string("  ") + error.what() + "\n";
      }
      for (const std::string& different : options.different) {
        const bool first = different.starts_with(std::to_string(number) + ": ");
        if (!first && !different.starts_with(std::to_string(number) + " second: ")) continue;
        if ((first ? found.first : found.second).empty())
          wrong += label + ": agrees, though it is said to differ: " + different + "\n";
        else
          std::cout << label << " differs on purpose: " << different << "\n";
        (first ? found.first : found.second).clear();
        if (first) found.second.clear();
      }
      if (const std::string lines = found.first + found.second; !lines.empty())
        wrong += label + ":\n" + lines;
    }
  }
  for (const std::string& name : unchecked) wrong += name + ": in the file, but not in the table\n";
  return wrong;
}

}  // namespace xgrad::testing
