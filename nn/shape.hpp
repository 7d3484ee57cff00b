// Shapes as modules, for Sequential: Identity, Flatten, Unflatten.
#pragma once

#include <vector>

#include <xgrad/ops/shape.hpp>

namespace xgrad::nn {

/// torch.nn.Identity: what it is given.
struct Identity {
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location = Location::current()) const {
    return x;
  }
  void visit(auto&&) {}
};

/// torch.nn.Flatten: the axes from `start` to `end`, both included, as one.
struct Flatten {
  std::int64_t start = 1, end = -1;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return flatten(x, start, end, at);
  }
  void visit(auto&&) {}
};

/// torch.nn.Unflatten: an axis as several, of which one may be -1. Throws ShapeError where their product is
/// another.
struct Unflatten {
  std::int64_t axis;
  std::vector<std::int64_t> sizes;
  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x, Location at = Location::current()) const {
    return unflatten(x, axis, sizes, at);
  }
  void visit(auto&&) {}
};

}  // namespace xgrad::nn
