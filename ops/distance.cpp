// Distances and similarities of vectors, by norms.
#include <xgrad/ops/distance.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/functional.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

template <Real T>
Tensor<T> detail::norm_of_any_p(const Tensor<T>& x, double p, const Axes& axes, bool keepdims, Location at) {
  if (!(p >= 0)) throw ValueError(fmt::format("norm: p is {}; give 0 or more, infinity included", p));
  if (p == 0) return sum(x != 0, axes, keepdims, at);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  // Divided by the largest one, powers neither overflow nor vanish; where a power is of 0, the branch is cut
  // off.
  const Tensor<T> largest = norm(x.detach(), infinity, axes, true, at);
  const Tensor<T> scale = where(logical_and(largest > 0, largest < infinity), largest, 1);
  const Tensor<T> size = abs(x / scale, at), is_zero = size == 0;
  const Tensor<T> powers = where(is_zero, size.detach(), pow(where(is_zero, 1, size), p, at));
  const Tensor<T> total = sum(powers, axes, true, at), nothing = total == 0;
  const Tensor<T> y = scale * where(nothing, 0, pow(where(nothing, 1, total), 1 / p, at));
  return keepdims ? y : sum(y, axes, false, at);  // of one element each
}

template <Real T>
Tensor<T> cosine_similarity(const Tensor<T>& x1, const Tensor<T>& x2, std::int64_t axis, double eps,
                            Location at) {
  const CallSite call(at);
  check_defined("cosine_similarity", x1);
  check_defined("cosine_similarity", x2, 1);
  const Shape shape = broadcast("cosine_similarity", x1.shape(), x2.shape());
  const auto along = static_cast<std::int64_t>(normalize_axis("cosine_similarity", axis, shape));
  const auto length = [&](const Tensor<T>& x) {
    return clamp_min(norm(expand(x, shape, at), 2, along, false, at), eps, at);
  };
  return sum(x1 * x2, along, false, at) / (length(x1) * length(x2));
}

template <Real T>
Tensor<T> pairwise_distance(const Tensor<T>& x1, const Tensor<T>& x2, double p, double eps, bool keepdims,
                            Location at) {
  const CallSite call(at);
  check_defined("pairwise_distance", x1);
  check_defined("pairwise_distance", x2, 1);
  return norm(x1 - x2 + eps, p, -1, keepdims, at);
}

template <Real T>
Tensor<T> cdist(const Tensor<T>& x1, const Tensor<T>& x2, double p, Location at) {
  const CallSite call(at);
  check_defined("cdist", x1);
  check_defined("cdist", x2, 1);
  if (x1.rank() < 2 || x2.rank() < 2 || x1.shape().back() != x2.shape().back())
    throw ShapeError(
        fmt::format("cdist: {} and {}; give matrices, or stacks of them, whose rows are of equal width",
                    to_string(x1.shape()), to_string(x2.shape())));
  const auto distances = [p](const std::vector<Tensor<T>>& x) {
    return norm(unsqueeze(x[0], -2) - unsqueeze(x[1], -3), p, -1);
  };
  constexpr std::int64_t most = 1 << 18;  // differences at a time
  const std::int64_t rows = x1.shape()[x1.rank() - 2];
  const Shape lead = broadcast("cdist", Shape(x1.shape().begin(), x1.shape().end() - 2),
                               Shape(x2.shape().begin(), x2.shape().end() - 2));
  const std::int64_t of_a_row =
      std::max<std::int64_t>(lead.elements() * x2.shape()[x2.rank() - 2] * x2.shape().back(), 1);
  const std::int64_t block = std::max<std::int64_t>(most / of_a_row, 1);
  if (rows <= block) return distances({x1, x2});
  std::vector<Tensor<T>> blocks;
  for (const Tensor<T>& part : split(x1, block, -2, at))
    blocks.push_back(checkpoint(distances, std::vector{part, x2}, at));
  return cat(blocks, -2, at);
}

#define XGRAD_INSTANTIATE(T)                                                                                \
  template Tensor<T> detail::norm_of_any_p(const Tensor<T>&, double, const Axes&, bool, Location);          \
  template Tensor<T> cosine_similarity(const Tensor<T>&, const Tensor<T>&, std::int64_t, double, Location); \
  template Tensor<T> pairwise_distance(const Tensor<T>&, const Tensor<T>&, double, double, bool, Location); \
  template Tensor<T> cdist(const Tensor<T>&, const Tensor<T>&, double, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
