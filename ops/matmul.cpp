// Matrix products, and their gradients: products contracted straight into the arrays that they add up in.
#include <xgrad/ops/matmul.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/kernels/packing.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/product.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

// What a product is told beside its operands. A vector is a row on the left and a column on the right.
struct ProductOptions {
  bool transpose_a = false, transpose_b = false;
  bool row = false, column = false;  // whether a, b is a vector
  bool constant_b = false;           // whether b is a parameter, which stays the same over many products
  bool flat = false;                 // whether the leading axes are those of rows of a: one matrix in all

  Shape with_axes_of_vectors(Shape shape) const {
    if (row) shape.insert(shape.rank() - (column ? 0 : 1), 1);
    if (column) shape.push_back(1);
    return shape;
  }
  Shape without_axes_of_vectors(Shape shape) const {
    if (column) shape.erase(shape.rank() - 1);
    if (row) shape.erase(shape.rank() - (column ? 1 : 2));
    return shape;
  }
};

// into = the sum of x over all axes but the last, or into += it.
void sum_rows(const AnyTensor& x, AnyTensor& into, bool accumulate) {
  dispatch(x.dtype(), [&]<Real T>() {
    launch(kernels::on(x.device()).of<T>().column_sums, x.shape().elements(0, x.rank() - 1), x.shape().back(),
           reads<T>(x), accumulate, writes<T>(into));
  });
}

// The operands as matrices.
AnyTensor left(const AnyTensor& a) { return a.rank() == 1 ? a.part({1, a.elements()}) : a; }
AnyTensor right(const AnyTensor& b) { return b.rank() == 1 ? b.part({b.elements(), 1}) : b; }

// Every axis but the last as one.
template <Real T>
Tensor<T> as_rows(const Tensor<T>& x) {
  return reshape(x, {x.shape().elements(0, x.rank() - 1), x.shape().back()});
}

// A recorded product, with or without a bias. It is a node of its own rather than an op struct because small
// recurrent nets are made of little else: one block of memory, and no handle copied in backward.
class ProductNode final : public Node {
 public:
  static void record(std::string_view name, const ProductOptions& options, const AnyTensor& a,
                     const AnyTensor& b, const AnyTensor* bias, AnyTensor& result, Location at) {
    const std::size_t inputs = bias ? 3 : 2;
    auto* node = new (allocate(inputs, sizeof(ProductNode))) ProductNode(name, options, inputs, result, at);
    if (a.requires_grad()) {
      node->connect(0, a.edge());
      node->save(1, b, options.column ? Shape{b.elements(), 1} : b.shape());
    }
    if (b.requires_grad()) {
      node->connect(1, b.edge());
      node->save(0, a, options.row ? Shape{1, a.elements()} : a.shape());
    }
    if (bias && bias->requires_grad()) node->connect(2, bias->edge());
    result.attach(Ref<Node>::adopt(node), 0);
  }

  std::string_view name() const override { return name_; }
  Shape output_shape(std::size_t) const override { return shape_; }
  void release_saved() noexcept override {
    for (AnyTensor& x : saved_) x = AnyTensor();
  }
  std::string attributes() const override {
    const bool both = options_.transpose_a && options_.transpose_b;
    return both                   ? "transpose_a, transpose_b"
           : options_.transpose_a ? "transpose_a"
           : options_.transpose_b ? "transpose_b"
                                  : "";
  }

  void backward(std::span<GradientSlot> gradients, GradientSink& sink) override {
    if (sink.create_graph()) {
      return dispatch(dtype(),
                      [&]<Real T>() { record_backward(Tensor<T>(gradients[0].value), sink); });
    }
    const bool vectors = options_.row || options_.column;
    AnyTensor g = std::move(gradients[0].value);
    if (vectors) g = g.part(options_.with_axes_of_vectors(shape_));
    sink.write(0, [&](AnyTensor& into, bool accumulate) {
      if (options_.transpose_a)
        product({saved(1), options_.transpose_b}, {g, true}, into, accumulate);
      else
        product({g}, {saved(1), !options_.transpose_b, options_.constant_b}, into, accumulate);
    });
    sink.write(1, [&](AnyTensor& into, bool accumulate) {
      if (options_.transpose_b)
        product({g, true}, {saved(0), options_.transpose_a}, into, accumulate);
      else
        product({saved(0), !options_.transpose_a}, {g}, into, accumulate);
    });
    if (has_bias()) sink.write(2, [&](AnyTensor& into, bool accumulate) { sum_rows(g, into, accumulate); });
  }

 private:
  ProductNode(std::string_view name, const ProductOptions& options, std::size_t inputs,
              const AnyTensor& result, Location at)
      : Node(result.dtype(), at, inputs, 1), options_(options), name_(name), shape_(result.shape()) {}
  void destroy() noexcept override { end(this); }
  bool has_bias() { return edges().size() == 3; }

  void save(std::size_t i, const AnyTensor& x, const Shape& matrices) {
    versions_[i] = x.version();
    saved_[i] = x.part(matrices);
  }
  const AnyTensor& saved(std::size_t i) const {
    if (saved_[i].version() != versions_[i])
      changed_in_place(name_,
                       {saved_[i], versions_[i], SavedValue::Origin::input, static_cast<std::uint16_t>(i)},
                       where());
    return saved_[i];
  }

  // The i-th operand as a matrix, with its history.
  template <Real T>
  Tensor<T> recorded(std::size_t i, bool vector) {
    if (!saved_[i].defined()) return {};
    AnyTensor x = saved(i);
    if (const Edge& edge = edges()[i]; edge.node) {
      if (vector) x = x.part({x.elements()});
      x.attach(edge.node, edge.output);
      if (vector) return reshape(Tensor<T>(x), saved_[i].shape());
    }
    return Tensor<T>(x);
  }

  // The same gradients as recorded ops.
  template <Real T>
  void record_backward(const Tensor<T>& gradient, GradientSink& sink) {
    const auto& o = options_;
    Tensor<T> g = reshape(gradient, o.with_axes_of_vectors(shape_));
    Tensor<T> a = recorded<T>(0, o.row);
    const Tensor<T> b = recorded<T>(1, o.column);
    if (o.flat) {
      g = as_rows(g);
      if (a.defined()) a = as_rows(a);
    }
    const auto add = [&](std::size_t i, const Tensor<T>& x, bool tx, const Tensor<T>& y, bool ty) {
      Tensor<T> product = matmul(x, y, {tx, ty});
      const Shape shape = sink.shape(i);
      if (product.elements() != shape.elements())
        product =
            Tensor<T>(sum_to(product, shape.rank() > 1 ? shape : Shape{product.size(-2), product.size(-1)}));
      sink.add(i, {reshape(product, shape)});
    };
    if (sink.wants(0))
      o.transpose_a ? add(0, b, o.transpose_b, g, true) : add(0, g, false, b, !o.transpose_b);
    if (sink.wants(1))
      o.transpose_b ? add(1, g, true, a, o.transpose_a) : add(1, a, !o.transpose_a, g, false);
    if (has_bias() && sink.wants(2)) sink.add(2, {gradient});
  }

  std::array<AnyTensor, 2> saved_;  // as matrices
  std::array<std::uint32_t, 2> versions_{};
  ProductOptions options_;
  std::string_view name_;
  Shape shape_;
};

// a · b + bias, whose leading axes and matrices have the shape `matrices`.
template <Real T>
Tensor<T> multiply(std::string_view name, ProductOptions options, const Tensor<T>& a, const Tensor<T>& b,
                   const Tensor<T>* bias, const Shape& matrices, Location at) {
  const ProfiledOp timed(name);
  options.constant_b = b.node() && b.is_leaf();
  options.flat = !options.transpose_a && b.rank() <= 2;
  AnyTensor result = AnyTensor::empty(matrices, dtype_of<T>);
  if (bias)
    launch(kernels::on(result.device()).of<T>().fill_rows, matrices.elements(0, matrices.rank() - 1),
           matrices.back(), reads(*bias), writes<T>(result));
  if (options.row || options.column) {
    product({left(a), options.transpose_a}, {right(b), options.transpose_b, options.constant_b}, result,
            bias);
    result = result.part(options.without_axes_of_vectors(matrices));
  } else {
    product({a, options.transpose_a}, {b, options.transpose_b, options.constant_b}, result, bias);
  }
  if (this_thread.anomaly) check_finite(name, result, at, false);
  if (is_recording() && (a.requires_grad() || b.requires_grad() || (bias && bias->requires_grad())))
    ProductNode::record(name, options, a, b, bias, result, at);
  return Tensor<T>(std::move(result));
}

// Throws for operands whose inner dimensions differ, and says which transposition would help, if one does.
[[noreturn]] void inner_dimensions_differ(const Shape& a, const Shape& b, MatmulOptions options) {
  const auto fits = [&](bool flip_a, bool flip_b) {
    if ((flip_a && a.rank() == 1) || (flip_b && b.rank() == 1)) return false;
    const bool ta = a.rank() > 1 && options.transpose_a != flip_a,
               tb = b.rank() == 1 || options.transpose_b != flip_b;
    return a[a.rank() - (ta ? 2 : 1)] == b[b.rank() - (tb ? 1 : 2)];
  };
  const auto text = [](const Shape& shape, bool transposed) {
    return to_string(shape) + (transposed && shape.rank() > 1 ? "ᵀ" : "");
  };
  throw ShapeError(fmt::format("matmul: inner dimensions differ: {} · {}{}", text(a, options.transpose_a),
                               text(b, options.transpose_b),
                               fits(false, true)   ? "; transpose the right operand?"
                               : fits(true, false) ? "; transpose the left operand?"
                               : fits(true, true)  ? "; transpose both operands?"
                                                   : ""));
}

// The common leading axes of two operands of matmul.
Shape leading_axes(const Shape& a, const Shape& b) {
  if (a.rank() <= 2 && b.rank() <= 2) return {};
  const auto lead = [](const Shape& shape) {
    return Shape(shape.begin(), shape.end() - std::min<std::size_t>(shape.rank(), 2));
  };
  try {
    return broadcast("matmul", lead(a), lead(b));
  } catch (const ShapeError&) {
    throw ShapeError(
        fmt::format("matmul: the leading axes of {} · {} do not broadcast: {} and {}; each pair must be "
                    "equal, or one of it 1",
                    to_string(a), to_string(b), to_string(lead(a)), to_string(lead(b))));
  }
}

[[noreturn]] void linear_does_not_fit(const Shape& x, const Shape& weight) {
  if (weight.rank() != 2)
    throw ShapeError(
        fmt::format("linear: the weight has shape {}; it needs two axes, [out, in]", to_string(weight)));
  const bool other_way = !x.empty() && x.back() == weight[0];
  throw ShapeError(
      fmt::format("linear: inner dimensions differ: {} · {}ᵀ; {}", to_string(x), to_string(weight),
                  other_way ? "the weight is [out, in]: transpose it?"
                            : fmt::format("the last axis of x must have {} elements", weight[1])));
}

template <Real T>
Tensor<T> linear_of(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>* bias, Location at) {
  const CallSite call(at);
  check_defined("linear", x);
  check_defined("linear", weight, 1);
  if (bias) check_defined("linear", *bias, 2);
  if (weight.rank() != 2 || x.rank() == 0 || x.shape().back() != weight.shape()[1])
    linear_does_not_fit(x.shape(), weight.shape());
  const std::int64_t out = weight.shape()[0];
  if (bias && (bias->rank() != 1 || bias->shape()[0] != out))
    throw ShapeError(fmt::format("linear: the bias has shape {} beside a weight of {}; it must be [{}]",
                                 to_string(bias->shape()), to_string(weight.shape()), out));
  const ProductOptions options{.transpose_b = true, .row = x.rank() == 1};
  Shape matrices = x.shape();
  matrices.set(x.rank() - 1, out);
  return multiply("linear", options, x, weight, bias, options.with_axes_of_vectors(matrices), at);
}

}  // namespace

template <Real T>
Tensor<T> matmul(const Tensor<T>& a, const Tensor<T>& b, MatmulOptions options, Location at) {
  const CallSite call(at);
  check_defined("matmul", a);
  check_defined("matmul", b, 1);
  const Shape &sa = a.shape(), &sb = b.shape();
  if (sa.empty() || sb.empty())
    throw ShapeError(fmt::format("matmul: {} · {}: a scalar has no axis to multiply along; use *",
                                 to_string(sa), to_string(sb)));
  ProductOptions o{.row = sa.rank() == 1, .column = sb.rank() == 1};
  o.transpose_a = options.transpose_a && !o.row;
  o.transpose_b = options.transpose_b && !o.column;
  const std::int64_t inner_a = o.transpose_a ? sa[sa.rank() - 2] : sa.back();
  const std::int64_t inner_b = o.transpose_b || o.column ? sb.back() : sb[sb.rank() - 2];
  if (inner_a != inner_b) inner_dimensions_differ(sa, sb, options);
  Shape matrices = leading_axes(sa, sb);
  matrices.push_back(o.row ? 1 : o.transpose_a ? sa.back() : sa[sa.rank() - 2]);
  matrices.push_back(o.column ? 1 : o.transpose_b ? sb[sb.rank() - 2] : sb.back());
  return multiply<T>("matmul", o, a, b, nullptr, matrices, at);
}

template <Real T>
Tensor<T> linear(const Tensor<T>& x, const Tensor<T>& weight, Location at) {
  return linear_of<T>(x, weight, nullptr, at);
}

template <Real T>
Tensor<T> linear(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias, Location at) {
  return linear_of(x, weight, &bias, at);
}

template <Real T>
Tensor<T> outer(const Tensor<T>& a, const Tensor<T>& b, Location at) {
  const CallSite call(at);
  check_defined("outer", a);
  check_defined("outer", b, 1);
  if (a.rank() != 1 || b.rank() != 1)
    throw ShapeError(fmt::format("outer: shapes {} and {}; it takes two vectors (use matmul for others)",
                                 to_string(a.shape()), to_string(b.shape())));
  return matmul(reshape(a, {a.elements(), 1}, at), reshape(b, {1, b.elements()}, at), {}, at);
}

bool packing() { return kernels::packing(); }
void set_packing(bool on) { kernels::set_packing(on); }

#define XGRAD_INSTANTIATE(T)                                                                 \
  template Tensor<T> matmul(const Tensor<T>&, const Tensor<T>&, MatmulOptions, Location);    \
  template Tensor<T> linear(const Tensor<T>&, const Tensor<T>&, Location);                   \
  template Tensor<T> linear(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, Location); \
  template Tensor<T> outer(const Tensor<T>&, const Tensor<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
