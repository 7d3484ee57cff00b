// Products of one-hot rows, which are never formed, with a weight.
#include <fmt/format.h>

#include <algorithm>

#include "autograd/create.hpp"
#include "autograd/error.hpp"
#include "autograd/op.hpp"
#include "ops/index.hpp"
#include "ops/kernels/columns.hpp"
#include "ops/kernels/gather.hpp"
#include "ops/kernels/transpose.hpp"
#include "ops/layout.hpp"
#include "ops/recurrent.hpp"
#include "ops/shape.hpp"

namespace xgrad {

namespace {

// The gradient of a weight that one-hot rows selected columns of, in either of two ways: the rows' gradients added to
// those columns, or the transpose of a table to whose rows they were added.
struct ColumnGradient {
  static const Indices& indices(const DeferredGradient& d) { return *reinterpret_cast<const Indices*>(d.attributes[0]); }

  template <Real T>
  static void written(const DeferredGradient& d, AnyTensor& into, bool accumulate) {
    T* out = detail::data_of<T>(into);
    if (!accumulate) std::fill_n(out, into.elements(), T(0));
    kernels::scatter_add_columns(d.shape[0], d.shape[1], indices(d).values(), reinterpret_cast<const T*>(d.a.bytes()), out);
  }
  static void write(const DeferredGradient& d, AnyTensor& into, bool accumulate) {
    d.a.dtype() == DType::float32 ? written<float>(d, into, accumulate) : written<double>(d, into, accumulate);
  }
  static AnyTensor record(const DeferredGradient& d);
  static constexpr DeferredKind kind{write, record};
};

struct TransposedGradient {
  template <Real T>
  static void written(const DeferredGradient& d, AnyTensor& into) {
    kernels::transpose(d.shape[1], d.shape[0], reinterpret_cast<const T*>(d.a.bytes()), d.shape[0], detail::data_of<T>(into), d.shape[1]);
  }
  static void write(const DeferredGradient& d, AnyTensor& into, bool accumulate) {
    AnyTensor fresh = accumulate ? AnyTensor::empty(d.shape, d.a.dtype()) : into;
    d.a.dtype() == DType::float32 ? written<float>(d, fresh) : written<double>(d, fresh);
    if (accumulate) add_into(into, fresh);
  }
  static AnyTensor record(const DeferredGradient& d) {
    if (d.a.dtype() == DType::float32) return transpose(Tensor<float>(d.a), 0, 1);
    return transpose(Tensor<double>(d.a), 0, 1);
  }
  static constexpr DeferredKind kind{write, record};
};

// The adjoints, for gradients of gradients: rows added to columns of zeros, or to rows.
template <Real T>
struct AddToColumns {
  static constexpr std::string_view name = "add_to_columns";
  Indices x;
  Shape shape;

  Tensor<T> forward(const Tensor<T>& rows) const {
    Tensor<T> y = zeros<T>(shape);
    kernels::scatter_add_columns(shape[0], shape[1], x.values(), rows.data(), detail::data_of<T>(y));
    return y;
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {one_hot_linear(x, g)}; }
};

template <Real T>
struct AddToRows {
  static constexpr std::string_view name = "add_to_rows";
  Indices x;
  Shape shape;

  Tensor<T> forward(const Tensor<T>& rows) const {
    Tensor<T> y = zeros<T>(shape);
    kernels::scatter_add_rows(1, shape[0], shape[1], x.values(), rows.data(), detail::data_of<T>(y));
    return y;
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {embedding(g, x)}; }
};

AnyTensor ColumnGradient::record(const DeferredGradient& d) {
  const auto at = Location::current();
  if (d.a.dtype() == DType::float32) return apply(AddToColumns<float>{indices(d), d.shape}, at, Tensor<float>(d.a));
  return apply(AddToColumns<double>{indices(d), d.shape}, at, Tensor<double>(d.a));
}

// A few rows read their columns. Many read rows of the transposed weight instead, to which the bias is then added once
// for each column, not once for each of them; and their gradients are gathered in such a table before they go on.
template <Real T>
struct OneHotLinear {
  static constexpr std::string_view name = "one_hot_linear";
  Indices x;
  bool has_bias, by_rows;

  Tensor<T> read(const Tensor<T>& weight, const T* bias) const {
    const std::int64_t rows = weight.shape()[0], columns = weight.shape()[1];
    Shape shape = x.shape();
    shape.push_back(rows);
    AnyTensor y = AnyTensor::empty(shape, dtype_of<T>);
    if (by_rows) {
      AnyTensor table = AnyTensor::empty({columns, rows}, dtype_of<T>);
      kernels::transpose_plus_row(rows, columns, weight.data(), bias, detail::data_of<T>(table));
      kernels::gather_rows(1, columns, rows, x.values(), detail::data_of<T>(table), detail::data_of<T>(y));
    } else {
      kernels::gather_columns(rows, columns, x.values(), weight.data(), bias, detail::data_of<T>(y));
    }
    return Tensor<T>(std::move(y));
  }
  Tensor<T> forward(const Tensor<T>& weight) const { return read(weight, nullptr); }
  Tensor<T> forward(const Tensor<T>& weight, const Tensor<T>& bias) const { return read(weight, bias.data()); }

  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    Gradients<T> result(1);
    Tensor<T> sums = g;  // whose sum over rows is the bias's gradient
    if (saved.needs(0) && by_rows) {
      const Shape& shape = saved.shape(0);
      sums = apply(AddToRows<T>{x, {shape[1], shape[0]}}, Location::current(), g);
      result[0] = DeferredGradient{.kind = &TransposedGradient::kind, .a = sums, .b = {}, .attributes = {}, .shape = shape};
    } else if (saved.needs(0)) {
      result[0] = DeferredGradient{.kind = &ColumnGradient::kind, .a = g, .b = {},
                                   .attributes = {reinterpret_cast<std::int64_t>(&x)}, .shape = saved.shape(0)};
    }
    if (has_bias) result.push_back(std::move(sums));
    return result;
  }
};

}  // namespace

template <Real T>
Tensor<T> one_hot_linear(const Indices& x, const Tensor<T>& weight, const Tensor<T>& bias, Location at) {
  detail::check_defined("one_hot_linear", weight);
  if (weight.rank() != 2 || (bias.defined() && bias.shape() != Shape{weight.shape()[0]}))
    throw ShapeError(fmt::format("one_hot_linear: weight {}{}; a weight [out, in] and a bias [out] are needed",
                                 to_string(weight.shape()),
                                 bias.defined() ? fmt::format(", bias {}", to_string(bias.shape())) : ""));
  check_indices("one_hot_linear", x, weight.shape()[1]);
  const bool by_rows = 2 * x.elements() >= weight.shape()[1];
  if (bias.defined()) return apply(OneHotLinear<T>{x, true, by_rows}, at, weight, bias);
  return apply(OneHotLinear<T>{x, false, by_rows}, at, weight);
}

template Tensor<float> one_hot_linear(const Indices&, const Tensor<float>&, const Tensor<float>&, Location);
template Tensor<double> one_hot_linear(const Indices&, const Tensor<double>&, const Tensor<double>&, Location);

}  // namespace xgrad
