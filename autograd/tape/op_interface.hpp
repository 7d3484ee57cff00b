// What a struct op is handed to keep tensors and to ask for them, and what its vjp returns.
#pragma once

#include <string_view>
#include <vector>

#include <xgrad/autograd/core/location.hpp>
#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/autograd/tape/sink.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad {

namespace detail {

template <class Op, Real T>
class OpNode;

template <class T>
using PoolVector = std::vector<T, pool::Allocator<T>>;

// A saved tensor, and whether it is an input or an output of the node: those come back with their history.
struct SavedValue {
  enum class Origin : std::uint8_t { constant, input, output };
  AnyTensor tensor;  // detached
  std::uint32_t version = 0;
  Origin origin = Origin::constant;
  std::uint32_t index = 0;
  const Node* node = nullptr;  // that it had: this tells an input from another that is its detached copy
};

[[noreturn]] void changed_in_place(std::string_view op, const SavedValue& saved, const std::string& where);
[[noreturn]] void undefined_input(std::string_view op, std::size_t index);

template <class Op>
concept NamedOp = requires {
  { Op::name } -> std::convertible_to<std::string_view>;
};

// What forward may return: one tensor, or a vector or array of them.
template <class R, class T>
concept OpResult = std::same_as<R, Tensor<T>> || requires(R r) {
  std::span<Tensor<T>>(r.data(), r.size());
};

}  // namespace detail

/// What `forward` writes to keep tensors for `vjp`, in order.
template <Real T>
class Saver {
 public:
  /// Keeps `x`: an input or a result exactly as it is, or a constant. An undefined one comes back undefined.
  void operator()(const Tensor<T>& x) {
    if (values_.empty()) values_.reserve(4);
    values_.push_back({.tensor = x.detached(), .version = x.defined() ? x.version() : 0, .node = x.node()});
  }

 private:
  template <class Op, Real U>
  friend class detail::OpNode;
  detail::PoolVector<detail::SavedValue> values_;
};

/// One gradient that a `vjp` returns: none, or a tensor, which its receiver may overwrite where it is donated
/// or nothing else holds it.
template <Real T>
class Gradient {
 public:
  Gradient() = default;
  Gradient(Tensor<T> value) : slot_{std::move(value)} {}
  Gradient(GradientSlot slot) : slot_(std::move(slot)) {}

 private:
  template <class Op, Real U>
  friend class detail::OpNode;
  GradientSlot slot_;
};

/// Gradients of the inputs in order. Missing ones at the end count as none.
template <Real T>
struct Gradients : detail::PoolVector<Gradient<T>> {
  using detail::PoolVector<Gradient<T>>::PoolVector;
  Gradients(Gradient<T> first) { this->push_back(std::move(first)); }
  template <class... G>
  requires(sizeof...(G) > 1 && (std::convertible_to<G, Gradient<T>> && ...)) Gradients(G&&... gradients) {
    this->reserve(sizeof...(G));
    (this->push_back(Gradient<T>(std::forward<G>(gradients))), ...);
  }
};

/// What `vjp` can ask about the recorded op.
template <Real T>
class Saved {
 public:
  /// The i-th tensor that `forward` saved. Throws GraphError when it was changed in place since, or not
  /// saved. These throw GraphError for an input that the op does not have.
  virtual Tensor<T> operator[](std::size_t i) const = 0;
  /// Whether the gradient of input `i` is wanted; others may be left out.
  virtual bool needs(std::size_t i) const = 0;
  /// Shape of input `i`, whose gradient is wanted.
  virtual Shape shape(std::size_t i) const = 0;
  /// Whether the gradient handed to `vjp` was donated: it may be overwritten, and parts of it donated on.
  virtual bool gradient_donated() const = 0;
  /// Whether `vjp` is being recorded for gradients of gradients.
  virtual bool recording() const = 0;

 protected:
  ~Saved() = default;
};

}  // namespace xgrad
