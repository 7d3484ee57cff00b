// Putting arrays together: cat and stack.
#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

using Starts = PoolVector<std::int64_t>;

// Joined along an axis, which is a new one where `stacked`.
template <bool stacked>
struct Join {
  static constexpr std::string_view name = stacked ? "stack" : "cat";
  std::size_t axis;
  Shape shape;    // of the result
  bool in_place;  // the parts lie one after another in one storage
  Starts starts;  // of each part of a cat, and the end

  std::string attributes() const { return fmt::format("axis {}", axis); }

  template <TypedArray X>
  X forward(std::span<const X> parts) const {
    if (in_place) return X(parts[0].part(shape));
    X y = empty_array<X>(shape);
    const AxisView v(shape, axis);
    std::int64_t at = 0;
    for (const X& part : parts) {
      const std::int64_t width = v.inner * (stacked ? 1 : part.shape()[axis]);
      launch(kernels_of(y).strided_write, std::array{v.outer, width},
             std::array{v.extent * v.inner, std::int64_t{1}}, reads(part), writes(y, at));
      at += width;
    }
    return y;
  }

  std::size_t parts() const { return stacked ? static_cast<std::size_t>(shape[axis]) : starts.size() - 1; }
  Shape part_shape(std::size_t k) const {
    Shape part = shape;
    if (stacked)
      part.erase(axis);
    else
      part.set(axis, starts[k + 1] - starts[k]);
    return part;
  }

  // Along the first axis the parts' gradients are views.
  template <Real T>
  bool backward(const Saved<T>& saved, std::span<GradientSlot> gradients, GradientSink& sink) const {
    if (shape.elements(0, axis) != 1) return false;
    const AnyTensor g = std::move(gradients[0].value);
    Shape part = part_shape(0);
    std::int64_t offset = 0;
    for (std::size_t k = 0; k < parts(); ++k) {
      if (!stacked) part = part_shape(k);
      if (sink.wants(k)) sink.add(k, {g.part(part, offset), saved.gradient_donated()});
      offset += part.elements();
    }
    return true;
  }

  template <Real T>
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const auto along = static_cast<std::int64_t>(axis);
    std::vector<Tensor<T>> slices;
    if (stacked) slices = unbind(g, along);  // one copy, or one node, for all
    Gradients<T> result;
    result.reserve(parts());
    for (std::size_t k = 0; k < parts(); ++k) {
      if (!saved.needs(k)) {
        result.emplace_back();
        continue;
      }
      Tensor<T> part =
          stacked ? std::move(slices[k]) : narrow(g, along, starts[k], starts[k + 1] - starts[k]);
      // A copy, or a slice of one that was made for this.
      result.emplace_back(GradientSlot{std::move(part), !saved.recording()});
    }
    return result;
  }
};

constexpr std::size_t max_inputs = 65535;  // of a node

template <TypedArray X>
void check_list(std::string_view op, std::span<const X> arrays) {
  if (arrays.empty()) throw ValueError(fmt::format("{}: no tensors; give at least one", op));
  for (std::size_t i = 0; i < arrays.size(); ++i) check_defined(op, arrays[i], i);
}

[[noreturn]] void mismatch(std::string_view op, std::size_t i, const Shape& shape, const Shape& first,
                           std::string_view rule) {
  throw ShapeError(fmt::format("{}: tensor {} has shape {} and tensor 0 {}; {}", op, i, to_string(shape),
                               to_string(first), rule));
}

// Whether a view can be the result. One that could be written to must not share its memory with the parts.
template <TypedArray X>
bool lie_in_order(std::span<const X> arrays) {
  bool recorded = false;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    recorded |= needs_gradient(arrays[i]);
    if (i > 0 && (arrays[i].storage().get() != arrays[0].storage().get() ||
                  arrays[i].offset() != arrays[i - 1].offset() + arrays[i - 1].elements()))
      return false;
  }
  return recorded && is_recording();
}

// More arrays than a node takes are joined in groups.
template <TypedArray X>
std::vector<X> in_groups(std::span<const X> arrays, auto join) {
  std::vector<X> groups;
  for (std::size_t i = 0; i < arrays.size(); i += max_inputs)
    groups.push_back(join(arrays.subspan(i, std::min(max_inputs, arrays.size() - i))));
  return groups;
}

}  // namespace

template <TypedArray X>
X cat(std::span<const X> arrays, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_list("cat", arrays);
  Shape shape = arrays[0].shape();
  const std::size_t along = normalize_axis("cat", axis, shape);
  if (arrays.size() > max_inputs)
    return cat(in_groups(arrays, [&](auto group) { return cat(group, axis, at); }), axis, at);
  Starts starts{0};
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    Shape own = arrays[i].shape();
    if (own.rank() != shape.rank())
      mismatch("cat", i, own, arrays[0].shape(), "they must have equally many axes");
    starts.push_back(starts.back() + own[along]);
    own.set(along, shape[along]);
    if (own != shape)
      mismatch("cat", i, arrays[i].shape(), arrays[0].shape(),
               fmt::format("they may differ along axis {} only", along));
  }
  shape.set(along, starts.back());
  const bool in_place = shape.elements(0, along) == 1 && lie_in_order(arrays);
  return apply(Join<false>{along, shape, in_place, std::move(starts)}, at, arrays);
}

template <TypedArray X>
X stack(std::span<const X> arrays, std::int64_t axis, Location at) {
  const CallSite call(at);
  check_list("stack", arrays);
  Shape shape = arrays[0].shape();
  for (std::size_t i = 0; i < arrays.size(); ++i)
    if (arrays[i].shape() != shape) mismatch("stack", i, arrays[i].shape(), shape, "all must have one shape");
  const auto rank = static_cast<std::int64_t>(shape.rank());
  if (axis < -rank - 1 || axis > rank)
    throw ShapeError(fmt::format("stack: no place {} for a new axis of shape {}; places run from {} to {}",
                                 axis, to_string(shape), -rank - 1, rank));
  const auto along = static_cast<std::size_t>(axis < 0 ? axis + rank + 1 : axis);
  if (arrays.size() > max_inputs)
    return cat(in_groups(arrays, [&](auto group) { return stack(group, axis, at); }),
               static_cast<std::int64_t>(along), at);
  shape.insert(along, static_cast<std::int64_t>(arrays.size()));
  const bool in_place = shape.elements(0, along) == 1 && lie_in_order(arrays);
  return apply(Join<true>{along, shape, in_place, {}}, at, arrays);
}

#define XGRAD_INSTANTIATE_ARRAY(X)                            \
  template X cat(std::span<const X>, std::int64_t, Location); \
  template X stack(std::span<const X>, std::int64_t, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
