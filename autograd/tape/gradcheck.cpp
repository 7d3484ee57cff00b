// Finite differences, and their comparison with the tape.
#include <xgrad/autograd/tape/gradcheck.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/core/random.hpp>

namespace xgrad::detail {

namespace {

using Input = std::span<const Tensor<double>>;

// Copies of their own, so that the caller's tensors stay as they are.
Tensors leaves(Input inputs) {
  Tensors copies;
  for (const auto& x : inputs) {
    if (!x.defined()) throw ValueError("gradcheck: an input is undefined (default constructed)");
    copies.push_back(Tensor<double>(copy_of(x)).set_requires_grad());
  }
  return copies;
}

Tensors cotangents(const Tensors& outputs, std::uint64_t seed) {
  Generator generator(seed);
  Tensors result;
  for (const auto& y : outputs) result.push_back(randn<double>(y.shape(), generator));
  return result;
}

// The tape's gradients of sum(outputs * cotangents); zeros where there is no path.
Tensors gradients(const Tensors& outputs, const Tensors& cotangents, Input inputs,
                  bool create_graph = false) {
  std::vector<AnyTensor> from, seeds;
  for (std::size_t k = 0; k < outputs.size(); ++k)
    if (outputs[k].requires_grad()) from.push_back(outputs[k]), seeds.push_back(cotangents[k]);
  const GradOptions options{.grad_outputs = seeds, .create_graph = create_graph, .allow_unused = true};
  auto found = grad(from, std::vector<AnyTensor>(inputs.begin(), inputs.end()), options, Location::current());
  Tensors result;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    result.push_back(found[i].defined() ? Tensor<double>(std::move(found[i])) : zeros_like(inputs[i]));
  return result;
}

double largest(const Tensor<double>& x) {
  double size = 0;
  for (const double value : x.values()) size = std::max(size, std::abs(value));
  return size;
}

// The gradients of sum(f * cotangents) by differences, each with a bound of its rounding error.
class Differences {
 public:
  Differences(const CheckedFunction& f, Input inputs, const Tensors& cotangents, double step)
      : f_(f), cotangents_(cotangents), step_(step) {
    for (const auto& x : inputs) {
      const double size = largest(x);
      point_.emplace_back(copy_of(x));
      least_step_.push_back(step * (size > 0 && size < 1 ? size : 1));
    }
  }

  struct Estimate {
    double value = 0, rounding = 0;
  };

  Estimate by(std::size_t input, std::size_t element) {
    const double x = point_[input].values()[element], h = std::max(step_ * std::abs(x), least_step_[input]);
    const std::array<double, 4> offsets{-2, -1, 1, 2}, weights{1, -8, 8, -1};
    std::array<Tensors, 4> at;
    for (std::size_t k = 0; k < 4; ++k) {
      point_[input].mutable_values()[element] = x + offsets[k] * h;
      at[k] = f_.call(point_);
      for (auto& y : at[k]) y = Tensor<double>(copy_of(y));  // it may be a view of the point, which moves on
    }
    point_[input].mutable_values()[element] = x;
    Estimate sum;
    for (std::size_t j = 0; j < cotangents_.size(); ++j)
      for (std::size_t e = 0; e < cotangents_[j].values().size(); ++e) {
        double difference = 0,
               size = 0;  // element by element: a sum first would drown the change in rounding
        for (std::size_t k = 0; k < 4; ++k) {
          difference += weights[k] * at[k][j].values()[e];
          size = std::max(size, std::abs(at[k][j].values()[e] * cotangents_[j].values()[e]));
        }
        if (difference == 0) continue;
        sum.value += difference / (12 * h) * cotangents_[j].values()[e];
        sum.rounding += 4 * std::numeric_limits<double>::epsilon() * size / h;
      }
    return sum;
  }

 private:
  const CheckedFunction& f_;
  const Tensors& cotangents_;
  double step_;
  Tensors point_;
  std::vector<double> least_step_;  // of each input
};

std::string position(std::size_t element, const Shape& shape) {
  std::vector<std::size_t> index(shape.rank());
  for (std::size_t axis = shape.rank(); axis-- > 0; element /= static_cast<std::size_t>(shape[axis]))
    index[axis] = element % static_cast<std::size_t>(shape[axis]);
  return fmt::format("[{}]", fmt::join(index, ", "));
}

// The function must give the same when it is asked again, without recording: else no difference means
// anything.
void check_repeatable(const CheckedFunction& f, const Tensors& outputs, Input inputs, const char* what) {
  const Tensors again = f.call(inputs);
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const double bound = 1e-9 * std::max(largest(outputs[k]), 1e-3);
    bool same = again.size() == outputs.size() && again[k].shape() == outputs[k].shape();
    for (std::size_t e = 0; same && e < outputs[k].values().size(); ++e) {
      const double a = outputs[k].values()[e], b = again[k].values()[e];
      same = a == b || std::abs(a - b) <= bound || (std::isnan(a) && std::isnan(b));
    }
    if (!same)
      throw GradcheckError(
          fmt::format("{}: output {} of {} differs between two calls with the same inputs, or between "
                      "one that records and one that does not; seed whatever is random in it",
                      what, k, f.name));
  }
}

bool check(const CheckedFunction& f, Input inputs, const GradcheckOptions& options, const char* what) {
  const enable_grad recording;
  const Tensors x = leaves(inputs), outputs = f.call(x), seeds = cotangents(outputs, options.seed);
  const Tensors analytic = gradients(outputs, seeds, x);
  const no_grad plain;
  Tensors constants;
  for (const auto& leaf : x) constants.push_back(leaf.detach());
  check_repeatable(f, outputs, constants, what);

  Differences differences(f, constants, seeds, options.step);
  std::string worst;
  double worst_excess = 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::vector<Differences::Estimate> numeric;
    double scale = largest(analytic[i]);
    for (std::size_t e = 0; e < x[i].values().size(); ++e) {
      numeric.push_back(differences.by(i, e));
      scale = std::max(scale, std::abs(numeric[e].value));
    }
    for (std::size_t e = 0; e < numeric.size(); ++e) {
      const double tape = analytic[i].values()[e], error = std::abs(tape - numeric[e].value);
      const double excess = error == 0 ? 0 : error / (options.tolerance * scale + numeric[e].rounding);
      if (excess <= worst_excess) continue;  // false for NaN
      worst_excess = std::isnan(excess) ? std::numeric_limits<double>::infinity() : excess;
      worst = fmt::format(
          "{}: the gradient of {} by input {}, element {} of shape {}, is {:.10g} on the tape and {:.10g} by "
          "finite "
          "differences; they differ by {:.3g}, and the largest entry is {:.3g}",
          what, f.name, i, position(e, x[i].shape()), to_string(x[i].shape()), tape, numeric[e].value, error,
          scale);
    }
  }
  if (!worst.empty()) throw GradcheckError(worst);
  return true;
}

}  // namespace

void wrong_arity(std::size_t inputs) {
  throw ValueError(
      fmt::format("gradcheck: the function does not take {} tensors; give it as many inputs as it has "
                  "parameters, at most eight, or let it take a std::span of them",
                  inputs));
}

bool gradcheck(const CheckedFunction& f, Input inputs, const GradcheckOptions& options) {
  return check(f, inputs, options, "gradcheck");
}

bool gradgradcheck(const CheckedFunction& f, Input inputs, const GradcheckOptions& options) {
  const std::size_t n = inputs.size();
  Tensors all(inputs.begin(), inputs.end());
  const Tensors outputs = f.call(leaves(inputs));
  for (auto& seed : cotangents(outputs, options.seed + 1)) all.push_back(std::move(seed));

  // The gradients as a function of inputs and cotangents. Called with leaves it records; otherwise the plain
  // backward pass runs, so that the two ways of going backward are compared as well.
  const auto gradient = [&](Input x) {
    const bool second_order = x[0].requires_grad();
    const enable_grad recording;
    Tensors point(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
    if (!second_order)
      for (auto& p : point) p = p.detach().set_requires_grad();
    const Tensors seeds(x.begin() + static_cast<std::ptrdiff_t>(n), x.end());
    return gradients(f.call(point), seeds, point, second_order);
  };
  return check({gradient, "the gradient of " + f.name}, all, options, "gradgradcheck");
}

}  // namespace xgrad::detail
