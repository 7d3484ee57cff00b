// Checking a row of the table of ops: differences in double, float against double, with and without
// recording, and as a Replay.
#include "op_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad::testing {

namespace {

constexpr double tolerance = 1e-6;  // of the largest entry, against differences
constexpr double floor_of_scale = 1e-3;

// The values of the inputs. Argument i of the function is tensor number argument[i].
struct Inputs {
  std::vector<Shape> shapes;
  std::vector<std::vector<double>> values;
  std::vector<bool> constant;
  std::vector<std::size_t> argument;
};

std::uint64_t hash(const std::string& text) {
  std::uint64_t h = 14695981039346656037ull;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return h;
}

std::vector<double> draw(const Domain& domain, const Shape& shape, Generator& random) {
  std::vector<double> values;
  for (const double kink : domain.kinks) values.insert(values.end(), {kink - 0.001, kink + 0.001});
  const auto count = static_cast<std::size_t>(shape.elements());
  values.resize(std::min(count, values.size()));
  while (values.size() < count) {
    const double x = domain.low + (domain.high - domain.low) * random.uniform();
    if (std::ranges::all_of(domain.kinks, [&](double k) { return std::abs(x - k) >= 0.05; }))
      values.push_back(x);
  }
  if (domain.adjust) domain.adjust(shape, values);
  return values;
}

const Domain& domain_of(const OpRow& row, std::size_t input) {
  return row.domains[std::min(input, row.domains.size() - 1)];
}

Inputs draw(const OpRow& row, const std::vector<Shape>& shapes, Generator& random) {
  Inputs inputs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    inputs.shapes.push_back(shapes[i]);
    inputs.values.push_back(draw(domain_of(row, i), shapes[i], random));
    inputs.constant.push_back(domain_of(row, i).constant);
    inputs.argument.push_back(i);
  }
  return inputs;
}

Inputs at_points(const OpRow& row, const std::vector<std::vector<double>>& values) {
  Inputs inputs;
  for (std::size_t i = 0; i < values.size(); ++i) {
    inputs.shapes.push_back({static_cast<std::int64_t>(values[i].size())});
    inputs.values.push_back(values[i]);
    inputs.constant.push_back(domain_of(row, i).constant);
    inputs.argument.push_back(i);
  }
  return inputs;
}

// The same with one tensor in place of every differentiable input that has the first one's shape; or none
// such.
bool share(Inputs& inputs) {
  bool any = false;
  for (std::size_t i = 1; i < inputs.shapes.size(); ++i)
    if (!inputs.constant[0] && !inputs.constant[i] && inputs.shapes[i] == inputs.shapes[0]) {
      inputs.argument[i] = 0;
      any = true;
    }
  return any;
}

template <Real T>
Tensor<T> make(const Shape& shape, const std::vector<double>& values) {
  const std::vector<T> converted(values.begin(), values.end());
  return from_values<T>(shape, std::span<const T>(converted));
}

// What the differences move: the tensors that are asked for a gradient, each with a function to rebuild it.
template <Real T>
struct Leaves {
  Tensors<T> all;        // one for each tensor
  Tensors<T> arguments;  // as the function takes them
  Tensors<T> wanted;     // those used, and not constant
};

template <Real T>
Leaves<T> leaves(const Inputs& inputs, bool requires_grad) {
  Leaves<T> result;
  for (std::size_t i = 0; i < inputs.shapes.size(); ++i) {
    Tensor<T> x = make<T>(inputs.shapes[i], inputs.values[i]);
    const bool used = std::ranges::count(inputs.argument, i) > 0;
    if (requires_grad && !inputs.constant[i]) x.set_requires_grad();
    result.all.push_back(x);
    if (used && !inputs.constant[i]) result.wanted.push_back(x);
  }
  for (const std::size_t i : inputs.argument) result.arguments.push_back(result.all[i]);
  return result;
}

// sum of a * b over everything, differentiable
template <Real T>
Tensor<T> inner(const Tensors<T>& a, const Tensors<T>& b) {
  Tensor<T> total = scalar<T>(0);
  for (std::size_t k = 0; k < a.size(); ++k)
    if (b[k].defined()) total = total + sum(a[k] * b[k]);
  return total;
}

Tensors<double> random_like(const Tensors<double>& list, Generator& random) {
  Tensors<double> result;
  for (const auto& x : list) {
    result.push_back(rand<double>(x.shape(), random));
    for (double& v : result.back().mutable_values()) v = 2 * v - 1;
  }
  return result;
}

// Gradients of a scalar, zeros where it does not depend on an input.
template <Real T>
Tensors<T> gradients(const Tensor<T>& s, const Tensors<T>& inputs, bool create_graph = false) {
  Tensors<T> result(inputs.size());
  if (s.requires_grad() && !inputs.empty())
    result = grad(std::vector{s}, inputs, {.create_graph = create_graph, .allow_unused = true});
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!result[i].defined()) result[i] = zeros<T>(inputs[i].shape());
  return result;
}

double largest(std::span<const double> values) {
  double m = 0;
  for (const double v : values) m = std::max(m, std::abs(v));
  return m;
}

std::string compare(const std::string& what, std::span<const double> got, std::span<const double> want,
                    double limit) {
  const double scale = std::max({largest(got), largest(want), floor_of_scale});
  for (std::size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(got[i] - want[i]) <= limit * scale))
      return fmt::format("{}: element {} is {}, expected {}: wrong by {:.2g} of the largest entry\n", what, i,
                         got[i], want[i], std::abs(got[i] - want[i]) / scale);
  return {};
}

// d f / d x[i] for every element of every tensor of `at`, which `f` gets: fourth-order central differences.
template <class F>
std::vector<std::vector<double>> differences(F f, const Tensors<double>& at) {
  constexpr double h = 1e-4;
  std::vector<std::vector<double>> result;
  for (std::size_t k = 0; k < at.size(); ++k) {
    result.emplace_back();
    for (std::size_t i = 0; i < at[k].values().size(); ++i) {
      const auto value = [&](double step) {
        Tensors<double> moved = at;
        moved[k] = from_values<double>(at[k].shape(), at[k].values());
        moved[k].mutable_values()[i] += step;
        return f(moved);
      };
      result.back().push_back((8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h));
    }
  }
  return result;
}

struct Checker {
  const OpRow& row;
  const Inputs& inputs;
  Generator& random;

  // The function at other values of the wanted tensors.
  Tensors<double> at(const Tensors<double>& wanted) const {
    Tensors<double> all, arguments;
    std::size_t next = 0;
    for (std::size_t i = 0; i < inputs.shapes.size(); ++i) {
      const bool used = std::ranges::count(inputs.argument, i) > 0;
      all.push_back(used && !inputs.constant[i] ? wanted[next++]
                                                : make<double>(inputs.shapes[i], inputs.values[i]));
    }
    for (const std::size_t i : inputs.argument) arguments.push_back(all[i]);
    return row.function.twice(arguments);
  }

  std::string first_order() {
    const auto x = leaves<double>(inputs, true);
    const auto y = row.function.twice(x.arguments);
    const auto u = random_like(y, random);
    const auto g = gradients(inner(u, y), x.wanted);
    const auto expected = differences(
        [&](const Tensors<double>& moved) {
          const no_grad scope;
          return inner(u, at(moved)).item();
        },
        detached(x.wanted));
    std::string wrong;
    for (std::size_t i = 0; i < g.size(); ++i)
      if (g[i].shape() != x.wanted[i].shape())
        wrong += fmt::format("gradient {} has shape {}\n", i, to_string(g[i].shape()));
      else
        wrong += compare(fmt::format("gradient of tensor {}", i), g[i].values(), expected[i], tolerance);
    return wrong;
  }

  // The gradient of <v, gradient> by the inputs and by the cotangent.
  std::string second_order() {
    const auto x = leaves<double>(inputs, true);
    const auto y = row.function.twice(x.arguments);
    Tensors<double> u = random_like(y, random), by = x.wanted;
    for (auto& c : u) by.push_back(c.set_requires_grad());
    const auto v = random_like(x.wanted, random);
    const auto g = gradients(inner(v, gradients(inner(u, y), x.wanted, true)), by);
    const auto expected = differences(
        [&](const Tensors<double>& moved) {
          Tensors<double> wanted(moved.begin(), moved.begin() + static_cast<std::ptrdiff_t>(x.wanted.size()));
          const Tensors<double> cotangent(moved.begin() + static_cast<std::ptrdiff_t>(x.wanted.size()),
                                          moved.end());
          for (auto& w : wanted) w.set_requires_grad();
          return inner(v, gradients(inner(cotangent, at(wanted)), wanted)).item();
        },
        detached(by));
    std::string wrong;
    for (std::size_t i = 0; i < g.size(); ++i)
      wrong +=
          compare(i < x.wanted.size() ? fmt::format("second gradient of tensor {}", i)
                                      : fmt::format("second gradient of cotangent {}", i - x.wanted.size()),
                  g[i].values(), expected[i], tolerance);
    return wrong;
  }

  // Float against double on the same values.
  std::string in_float() {
    Inputs rounded = inputs;
    for (auto& list : rounded.values)
      for (double& v : list) v = static_cast<double>(static_cast<float>(v));
    const auto x = leaves<double>(rounded, true);
    const auto xf = leaves<float>(rounded, true);
    const auto y = row.function.twice(x.arguments);
    const auto yf = row.function.single(xf.arguments);
    if (y.size() != yf.size()) return "float and double give different numbers of results\n";
    std::string wrong;
    Tensors<double> u = random_like(y, random);
    Tensors<float> uf;
    for (std::size_t k = 0; k < y.size(); ++k) {
      if (y[k].shape() != yf[k].shape()) return "float and double give different shapes\n";
      wrong +=
          compare(fmt::format("float result {}", k), as_double(yf[k]), y[k].values(), row.float_tolerance);
      uf.push_back(make<float>(u[k].shape(), {u[k].values().begin(), u[k].values().end()}));
    }
    const auto g = gradients(inner(u, y), x.wanted);
    const auto gf = gradients(inner(uf, yf), xf.wanted);
    for (std::size_t i = 0; i < g.size(); ++i)
      wrong += compare(fmt::format("float gradient of tensor {}", i), as_double(gf[i]), g[i].values(),
                       row.float_gradient_tolerance);
    return wrong;
  }

  // Recording changes no bit of the result, and the function none of its inputs.
  std::string unrecorded() {
    const auto x = leaves<double>(inputs, true), plain = leaves<double>(inputs, false);
    const auto recorded = row.function.twice(x.arguments);
    Tensors<double> silent;
    {
      const no_grad scope;
      silent = row.function.twice(x.arguments);
    }
    const auto constant = row.function.twice(plain.arguments);
    std::string wrong;
    for (std::size_t k = 0; k < recorded.size(); ++k) {
      if (!same_bits(recorded[k].values(), silent[k].values()) ||
          !same_bits(recorded[k].values(), constant[k].values()))
        wrong += "the result differs without recording\n";
      if ((silent[k].requires_grad() && !silent[k].is_leaf()) || constant[k].requires_grad())
        wrong += "recorded under no_grad\n";
    }
    for (std::size_t i = 0; i < inputs.values.size(); ++i)
      if (!same_bits(x.all[i].values(), inputs.values[i]) ||
          !same_bits(plain.all[i].values(), inputs.values[i]))
        wrong += fmt::format("tensor {} was overwritten\n", i);
    return wrong;
  }

  // A Replay made at other values gives the bits of the function at these, of its gradients, and, where
  // `second`, of theirs.
  template <Real T>
  std::string replayed(const Inputs& other, bool second) {
    const auto x = leaves<T>(other, true);
    Tensors<T> u, v;
    const auto results = [&](const Leaves<T>& at) {
      const auto function = [&]() -> const auto& {
        if constexpr (std::same_as<T, float>)
          return row.function.single;
        else
          return row.function.twice;
      };
      Tensors<T> all = function()(at.arguments);
      if (u.empty()) u = fixed(all), v = fixed(at.wanted);
      const auto g = gradients(inner(u, all), at.wanted, second);
      all.insert(all.end(), g.begin(), g.end());
      if (second) {
        const auto h = gradients(inner(v, g), at.wanted);
        all.insert(all.end(), h.begin(), h.end());
      }
      return all;
    };
    Replay replay([&] { return results(x); });
    for (std::size_t i = 0; i < x.all.size(); ++i) {
      Tensor<T> input = x.all[i];
      input.assign(make<T>(inputs.shapes[i], inputs.values[i]));
    }
    const Tensors<T>& again = replay();
    const Tensors<T> plain = results(leaves<T>(inputs, true));
    std::string wrong;
    for (std::size_t k = 0; k < plain.size(); ++k)
      if (row.replay_tolerance > 0)
        wrong += compare("a Replay", Tensor<double>(again[k].template to<double>()).values(),
                         Tensor<double>(plain[k].template to<double>()).values(),
                         row.replay_tolerance * static_cast<double>(std::numeric_limits<T>::epsilon()));
      else if (std::memcmp(again[k].data(), plain[k].data(), plain[k].size_in_bytes()) != 0)
        wrong += fmt::format("result {} of {} of a Replay is not that of the function\n", k, plain.size());
    return wrong;
  }
  template <Real T>
  static Tensors<T> fixed(const Tensors<T>& like) {
    Tensors<T> result;
    for (const auto& x : like) result.emplace_back(linspace<T>(-1, 2, x.elements()).part(x.shape()));
    return result;
  }

  static bool same_bits(std::span<const double> a, std::span<const double> b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
  }
  static std::vector<double> as_double(const Tensor<float>& x) {
    return {x.values().begin(), x.values().end()};
  }
  static Tensors<double> detached(const Tensors<double>& list) {
    Tensors<double> result;
    for (const auto& x : list) result.push_back(x.detach());
    return result;
  }
};

std::string check_inputs(const OpRow& row, const Inputs& inputs, const std::string& how, Generator& random) {
  std::string wrong;
  Checker check{row, inputs, random};
  try {
    wrong += check.first_order();
    if (row.no_second_order.empty()) wrong += check.second_order();
    wrong += check.in_float();
    wrong += check.unrecorded();
  } catch (const std::exception& error) {
    wrong += fmt::format("threw: {}\n", error.what());
  }
  if (wrong.empty()) return {};
  std::vector<std::string> shapes;
  for (const Shape& s : inputs.shapes) shapes.push_back(to_string(s));
  return fmt::format("{} {} at {}{}:\n{}", row.name, row.note, fmt::join(shapes, ", "), how, wrong);
}

}  // namespace

std::string check_row(const OpRow& row) {
  Generator random(hash(row.name + row.note));
  std::string wrong;
  for (const auto& shapes : row.cases) {
    Inputs inputs = draw(row, shapes, random);
    wrong += check_inputs(row, inputs, "", random);
    if (row.same_input && share(inputs))
      wrong += check_inputs(row, inputs, ", one tensor as all of them", random);
  }
  for (const auto& values : row.points)
    wrong += check_inputs(row, at_points(row, values), ", at given points", random);
  return wrong;
}

std::string check_replay(const OpRow& row, std::string& refusal) {
  Generator random(hash(row.name + row.note));
  std::string wrong;
  for (const auto& shapes : row.cases)
    for (const bool second : {false, true}) {
      if (second && !row.no_second_order.empty()) continue;
      Inputs other = draw(row, shapes, random);
      const Inputs inputs = draw(row, shapes, random);
      if (other.values == inputs.values)  // of a domain without choice
        for (auto& values : other.values) std::ranges::reverse(values);
      Checker check{row, inputs, random};
      try {
        wrong += check.replayed<double>(other, second);
        wrong += check.replayed<float>(other, second);
      } catch (const GraphError& error) {
        refusal = error.what();
      }
    }
  return wrong.empty() ? wrong : fmt::format("{} {}:\n{}", row.name, row.note, wrong);
}

}  // namespace xgrad::testing
