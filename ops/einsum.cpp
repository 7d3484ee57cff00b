// Sums of products: reading the description, and contracting pairs of operands through matrix products.
#include <xgrad/ops/einsum.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/short_memory.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

namespace {

// An axis has a label: a letter's number, or, of an ellipsis's axes, one that counts from the right.
using Labels = std::vector<int>;
constexpr int first_ellipsis = 64, label_count = first_ellipsis + static_cast<int>(Shape::max_rank);

bool contains(const Labels& labels, int label) { return std::ranges::find(labels, label) != labels.end(); }

// How many elements run along each label.
using Extents = std::array<std::int64_t, label_count>;

std::int64_t product_of(const Labels& labels, const Extents& extents) {
  std::int64_t n = 1;
  for (const int label : labels) n *= extents[static_cast<std::size_t>(label)];
  return n;
}

Shape shape_of(const Labels& labels, const Extents& extents) {
  Shape shape;
  for (const int label : labels) shape.push_back(extents[static_cast<std::size_t>(label)]);
  return shape;
}

// The text on either side of the arrow, taken apart.
class Equation {
 public:
  Equation(std::string_view equation, std::size_t operands) : text_(equation) {
    std::string plain;
    for (const char c : equation)
      if (c != ' ') plain += c;
    const std::size_t arrow = plain.find("->");
    std::string inputs = plain.substr(0, arrow) + ",";
    for (std::size_t from = 0, comma; from < inputs.size(); from = comma + 1) {
      comma = inputs.find(',', from);
      terms_.push_back(checked(inputs.substr(from, comma - from)));
    }
    if (arrow != std::string::npos) result_ = checked(plain.substr(arrow + 2));
    has_result_ = arrow != std::string::npos;
    if (terms_.size() != operands)
      fail<ValueError>(fmt::format("{} terms for {} operands; give a term for each, with commas between",
                                   terms_.size(), operands));
  }

  /// The labels of operand `i`, whose shape this is.
  Labels term(std::size_t i, const Shape& shape) const {
    const std::string& term = terms_[i];
    const bool ellipsis = term.find('.') != std::string::npos;
    const std::size_t letters = term.size() - (ellipsis ? 3 : 0);
    if (shape.rank() < letters || (!ellipsis && shape.rank() != letters))
      fail<ShapeError>(fmt::format("operand {} has shape {}, and its term \"{}\" names {} axes", i,
                                   to_string(shape), term, letters));
    return labels(term, shape.rank() - letters);
  }

  /// The result's labels; `used` are those of all operands, and no ellipsis stands for more axes than given.
  Labels result(const Labels& used, std::size_t ellipsis_axes) const {
    Labels result;
    if (has_result_) {
      result = labels(result_, ellipsis_axes);
    } else {
      result = labels("...", ellipsis_axes);
      for (int label = 0; label < first_ellipsis; ++label)
        if (std::ranges::count(used, label) == 1) result.push_back(label);
    }
    for (const int label : result) {
      if (std::ranges::count(result, label) > 1)
        fail<ValueError>(fmt::format("the result names '{}' twice; once is all it can have", letter(label)));
      if (!contains(used, label))
        fail<ValueError>(fmt::format("the result names '{}', which no operand has", letter(label)));
    }
    return result;
  }

  template <class Exception>
  [[noreturn]] void fail(std::string_view why) const {
    throw Exception(fmt::format("einsum \"{}\": {}", text_, why));
  }

  static char letter(int label) { return static_cast<char>('A' + label); }

 private:
  std::string checked(std::string term) const {
    std::string rest = term;
    if (const std::size_t dots = rest.find("..."); dots != std::string::npos) rest.erase(dots, 3);
    for (const char c : rest)
      if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
        fail<ValueError>(fmt::format(
            "'{}' in \"{}\" is no letter; name each axis by one letter, and others by ...", c, term));
    return term;
  }

  static Labels labels(std::string_view term, std::size_t ellipsis_axes) {
    Labels result;
    for (std::size_t i = 0; i < term.size(); ++i) {
      if (term[i] != '.') {
        result.push_back(term[i] - 'A');
        continue;
      }
      i += 2;
      for (std::size_t axis = ellipsis_axes; axis-- > 0;)
        result.push_back(first_ellipsis + static_cast<int>(axis));
    }
    return result;
  }

  std::string_view text_;
  std::vector<std::string> terms_;
  std::string result_;
  bool has_result_ = false;
};

// An operand, or what several have been contracted to. Each label names one axis.
template <Real T>
struct Term {
  Tensor<T> x;
  Labels labels;
};

// The term with its axes in another order.
template <Real T>
Tensor<T> ordered(const Term<T>& term, const Labels& order, Location at) {
  std::vector<std::int64_t> axes;
  for (const int label : order) axes.push_back(std::ranges::find(term.labels, label) - term.labels.begin());
  return permute(term.x, axes, at);
}

// One axis in place of the first two that have the same label: its diagonal; until there are none.
template <Real T>
void take_diagonals(Term<T>& term, Location at) {
  for (std::size_t i = 0; i < term.labels.size(); ++i)
    for (std::size_t j = i + 1; j < term.labels.size(); ++j) {
      if (term.labels[i] != term.labels[j]) continue;
      // Both axes to the end and as one, of which every (n + 1)-th element is on the diagonal.
      std::vector<std::int64_t> order;
      for (std::size_t axis = 0; axis < term.labels.size(); ++axis)
        if (axis != i && axis != j) order.push_back(static_cast<std::int64_t>(axis));
      Labels labels;
      for (const std::int64_t axis : order) labels.push_back(term.labels[static_cast<std::size_t>(axis)]);
      labels.push_back(term.labels[i]);
      order.push_back(static_cast<std::int64_t>(i));
      order.push_back(static_cast<std::int64_t>(j));
      const Tensor<T> x = permute(term.x, order, at);
      std::vector<Slice> slices(labels.size());
      slices.back().step = x.shape().back() + 1;
      term = {slice(flatten(x, -2, -1, at), slices, at), std::move(labels)};
      return take_diagonals(term, at);
    }
}

// Drops what is broadcast: axes of extent 1 beside longer ones.
template <Real T>
void drop_broadcast(Term<T>& term, const Extents& extents, Location at) {
  Term<T> rest;
  Shape shape;
  for (std::size_t i = 0; i < term.labels.size(); ++i) {
    if (term.x.shape()[i] != extents[static_cast<std::size_t>(term.labels[i])]) continue;
    rest.labels.push_back(term.labels[i]);
    shape.push_back(term.x.shape()[i]);
  }
  if (rest.labels.size() != term.labels.size()) term = {reshape(term.x, shape, at), rest.labels};
}

// Sums over the axes that no other operand names.
template <Real T>
void sum_out(Term<T>& term, const Labels& wanted, Location at) {
  std::vector<std::int64_t> axes;
  Labels rest;
  for (std::size_t i = 0; i < term.labels.size(); ++i)
    if (contains(wanted, term.labels[i]))
      rest.push_back(term.labels[i]);
    else
      axes.push_back(static_cast<std::int64_t>(i));
  if (!axes.empty()) term = {sum(term.x, axes, false, at), rest};
}

// Groups of labels as the axes of one matrix of a stack: in the order given, or with the last two groups
// swapped where that spares a copy.
template <Real T>
struct Stack {
  Stack(const Term<T>& term, const Labels& batch, const Labels& rows, const Labels& columns,
        const Extents& extents, Location at) {
    Labels plain = batch, swapped = batch;
    for (const auto* group : {&rows, &columns}) plain.insert(plain.end(), group->begin(), group->end());
    for (const auto* group : {&columns, &rows}) swapped.insert(swapped.end(), group->begin(), group->end());
    transposed = term.labels == swapped && term.labels != plain;
    const std::int64_t r = product_of(rows, extents), c = product_of(columns, extents);
    Shape shape = batch.empty() ? Shape{} : Shape{product_of(batch, extents)};
    shape.push_back(transposed ? c : r);
    shape.push_back(transposed ? r : c);
    matrices = reshape(ordered(term, transposed ? swapped : plain, at), shape, at);
  }
  Tensor<T> matrices;
  bool transposed = false;
};

// The product of two terms, summed over what only they name.
template <Real T>
Term<T> contract(const Term<T>& a, const Term<T>& b, const Labels& wanted, const Extents& extents,
                 Location at) {
  Labels batch, summed, free_a, free_b;
  for (const int label : a.labels)
    (!contains(b.labels, label) ? free_a : contains(wanted, label) ? batch : summed).push_back(label);
  for (const int label : b.labels)
    if (!contains(a.labels, label)) free_b.push_back(label);
  const Stack<T> left(a, batch, free_a, summed, extents, at), right(b, batch, summed, free_b, extents, at);
  Labels labels = batch;
  labels.insert(labels.end(), free_a.begin(), free_a.end());
  labels.insert(labels.end(), free_b.begin(), free_b.end());
  Tensor<T> y;
  const std::int64_t count = product_of(batch, extents), rows = product_of(free_a, extents),
                     columns = product_of(free_b, extents);
  if (summed.empty()) {  // nothing for a matrix product to do
    y = reshape(left.matrices, {count, rows, 1}, at) * reshape(right.matrices, {count, 1, columns}, at);
  } else if (count > 1 && rows == 1 && columns == 1) {  // many small dot products
    const std::int64_t depth = product_of(summed, extents);
    y = sum(reshape(left.matrices, {count, depth}, at) * reshape(right.matrices, {count, depth}, at), 1,
            false, at);
  } else {
    y = matmul(left.matrices, right.matrices, {left.transposed, right.transposed}, at);
  }
  return {reshape(y, shape_of(labels, extents), at), labels};
}

// What it costs to contract two terms: the number of multiplications.
template <Real T>
double cost(const Term<T>& a, const Term<T>& b, const Extents& extents) {
  double n = 1;
  for (const int label : a.labels) n *= static_cast<double>(extents[static_cast<std::size_t>(label)]);
  for (const int label : b.labels)
    if (!contains(a.labels, label)) n *= static_cast<double>(extents[static_cast<std::size_t>(label)]);
  return n;
}

template <Real T>
Labels labels_of(const std::vector<Term<T>>& terms) {
  Labels all;
  for (const auto& term : terms) all.insert(all.end(), term.labels.begin(), term.labels.end());
  return all;
}

// The operands with their labels; what runs along each.
template <Real T>
std::vector<Term<T>> read(const Equation& equation, std::span<const Tensor<T>> operands, Extents& extents) {
  extents.fill(-1);
  std::vector<Term<T>> terms;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    terms.push_back({operands[i], equation.term(i, operands[i].shape())});
    const Labels& labels = terms[i].labels;
    for (std::size_t axis = 0; axis < labels.size(); ++axis) {
      const int label = labels[axis];
      std::int64_t& extent = extents[static_cast<std::size_t>(label)];
      const auto first = static_cast<std::size_t>(std::ranges::find(labels, label) - labels.begin());
      const bool diagonal = first < axis;
      const std::int64_t here = operands[i].shape()[axis],
                         elsewhere = diagonal ? operands[i].shape()[first] : extent;
      const bool broadcasts = !diagonal && (here == 1 || elsewhere == 1);
      if (elsewhere != -1 && elsewhere != here && !broadcasts)
        equation.template fail<ShapeError>(
            fmt::format("operand {} of shape {} has {} elements along {}, which has {} elsewhere", i,
                        to_string(operands[i].shape()), here,
                        label < first_ellipsis ? fmt::format("'{}'", Equation::letter(label))
                                               : fmt::format("axis {}, in the ellipsis", axis),
                        elsewhere));
      if (extent == -1 || extent == 1) extent = here;
    }
  }
  return terms;
}

// What the result and others than terms i and j name.
template <Real T>
Labels wanted_beside(const std::vector<Term<T>>& terms, const Labels& result, std::size_t i, std::size_t j) {
  Labels wanted = result;
  for (std::size_t k = 0; k < terms.size(); ++k)
    if (k != i && k != j) wanted.insert(wanted.end(), terms[k].labels.begin(), terms[k].labels.end());
  return wanted;
}

template <Real T>
Tensor<T> evaluate(std::string_view text, std::span<const Tensor<T>> operands, Location at) {
  for (std::size_t i = 0; i < operands.size(); ++i) detail::check_defined("einsum", operands[i], i);
  const Equation equation(text, operands.size());
  Extents extents;
  std::vector<Term<T>> terms = read(equation, operands, extents);
  const auto ellipsis_axes = static_cast<std::size_t>(std::ranges::count_if(
      extents.begin() + first_ellipsis, extents.end(), [](std::int64_t n) { return n != -1; }));
  const Labels result = equation.result(labels_of(terms), ellipsis_axes);

  for (Term<T>& term : terms) {
    take_diagonals(term, at);
    drop_broadcast(term, extents, at);
  }
  for (std::size_t i = 0; i < terms.size(); ++i) sum_out(terms[i], wanted_beside(terms, result, i, i), at);
  while (terms.size() > 1) {
    std::size_t first = 0, second = 1;
    for (std::size_t i = 0; i < terms.size(); ++i)
      for (std::size_t j = i + 1; j < terms.size(); ++j)
        if (cost(terms[i], terms[j], extents) < cost(terms[first], terms[second], extents))
          first = i, second = j;
    // The one whose own axes come first in the result goes to the left: that may spare a copy at the end.
    const auto own =
        std::ranges::find_if(result, [&a = terms[first].labels, &b = terms[second].labels](int label) {
          return contains(a, label) != contains(b, label);
        });
    const bool swap = own != result.end() && contains(terms[second].labels, *own);
    Term<T> product = contract(terms[swap ? second : first], terms[swap ? first : second],
                               wanted_beside(terms, result, first, second), extents, at);
    terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(second));
    terms[first] = std::move(product);
  }
  return ordered(terms[0], result, at);
}

}  // namespace

template <Real T>
Tensor<T> einsum(std::string_view text, std::span<const Tensor<T>> operands, Location at) {
  const detail::CallSite call(at);
  return detail::or_error("einsum", [&] { return evaluate(text, operands, at); });
}

#define XGRAD_INSTANTIATE(T) \
  template Tensor<T> einsum(std::string_view, std::span<const Tensor<T>>, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
