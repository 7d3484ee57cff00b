// Drawing from distributions.
#include <xgrad/ops/random.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/replay_mode.hpp>
#include <xgrad/ops/layout.hpp>

namespace xgrad {

using namespace detail;

namespace {

// One row of multinomial; the weights of what is drawn without replacement become 0.
void draw(std::vector<double>& weights, bool replacement, Generator& generator, std::span<std::int64_t> out) {
  for (std::int64_t& drawn : out) {
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    double rest = generator.uniform() * total;
    std::size_t last = 0;  // that has a weight: rounding may leave something over at the end
    for (std::size_t k = 0; k < weights.size(); ++k) {
      if (weights[k] == 0) continue;
      last = k;
      if (rest < weights[k]) break;
      rest -= weights[k];
    }
    drawn = static_cast<std::int64_t>(last);
    if (!replacement) weights[last] = 0;
  }
}

}  // namespace

template <Real T>
Tensor<T> bernoulli(const Tensor<T>& p, Generator& generator, Location at) {
  const CallSite call(at);
  check_defined("bernoulli", p);
  const auto probabilities = p.values();
  for (std::size_t k = 0; k < probabilities.size(); ++k)
    if (!(probabilities[k] >= 0 && probabilities[k] <= 1))
      throw ValueError(
          fmt::format("bernoulli: {} at position {} of {} is no probability; give numbers from 0 to 1",
                      probabilities[k], k, to_string(p.shape())));
  std::vector<double> uniform(probabilities.size());
  generator.fill_uniform(uniform);
  std::vector<T> drawn(probabilities.size());
  for (std::size_t k = 0; k < drawn.size(); ++k)
    drawn[k] = uniform[k] < static_cast<double>(probabilities[k]);
  return from_values<T>(p.shape(), drawn);
}

template <Real T>
Indices multinomial(const Tensor<T>& weights, std::int64_t count, bool replacement, Generator& generator,
                    Location at) {
  const CallSite call(at);
  check_defined("multinomial", weights);
  if (weights.rank() < 1 || weights.rank() > 2)
    throw ShapeError(fmt::format("multinomial: weights of shape {}; give a vector or a matrix",
                                 to_string(weights.shape())));
  if (count < 0) throw ValueError(fmt::format("multinomial: {} draws; give 0 or more", count));
  const std::int64_t columns = weights.shape().back(), rows = weights.shape().elements(0, weights.rank() - 1);
  const auto all = weights.values();
  std::vector<std::int64_t> drawn(static_cast<std::size_t>(rows * count));
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto own = all.subspan(static_cast<std::size_t>(row * columns), static_cast<std::size_t>(columns));
    std::vector<double> left(own.begin(), own.end());
    for (const double w : left)
      if (!(w >= 0) || !std::isfinite(w))
        throw ValueError(
            fmt::format("multinomial: a weight of {} in row {}; give finite ones, 0 or more", w, row));
    const auto positive = std::ranges::count_if(left, [](double w) { return w > 0; });
    if (count > 0 && (positive == 0 || (!replacement && positive < count)))
      throw ValueError(
          fmt::format("multinomial: {} draws{} from row {}, in which {} weights are not 0; draw fewer", count,
                      replacement ? "" : " without replacement", row, positive));
    draw(left, replacement, generator,
         std::span(drawn).subspan(static_cast<std::size_t>(row * count), static_cast<std::size_t>(count)));
  }
  return weights.rank() == 1 ? Indices(Shape{count}, drawn) : Indices(Shape{rows, count}, drawn);
}

Indices randperm(std::int64_t n, Generator& generator) {
  if (n < 0) throw ValueError(fmt::format("randperm: {} integers; give 0 or more", n));
  if (in_replay())
    refuse_in_replay("randperm",
                     "it would be drawn once, not in every run; draw before each, and assign() it");
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[generator.below(left)]);
  return Indices(order);
}

#define XGRAD_INSTANTIATE(T)                                            \
  template Tensor<T> bernoulli(const Tensor<T>&, Generator&, Location); \
  template Indices multinomial(const Tensor<T>&, std::int64_t, bool, Generator&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
