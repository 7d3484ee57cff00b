// Products of one-hot rows, which are never formed, with a weight.
#include <fmt/format.h>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/rows.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/kernels/columns.hpp>
#include <xgrad/ops/kernels/gather.hpp>
#include <xgrad/ops/kernels/transpose.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/recurrent.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

namespace {

// Adds the rows to the columns of `into` that x names.
template <Real T>
void add_columns(const Indices& x, const AnyTensor& rows, AnyTensor& into) {
  launch([height = into.shape()[0], width = into.shape()[1], x = x.address(),
          from = reinterpret_cast<const T*>(rows.bytes()),
          to = detail::data_of<T>(into)] { kernels::scatter_add_columns(height, width, x, from, to); });
}

// Rows added to columns of zeros: the gradient of a weight that one-hot rows selected columns of.
template <Real T>
struct AddToColumns {
  static constexpr std::string_view name = "add_to_columns";
  SavedIndices x;
  Shape shape;

  Tensor<T> forward(const Tensor<T>& rows) const {
    Tensor<T> y = zeros<T>(shape);
    add_columns<T>(x.unchanged(name), rows, y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const {
    return {one_hot_linear(x.unchanged(name), g)};
  }
};

// A few rows read their columns. Many read rows of the transposed weight instead, to which the bias is then
// added once for each column, not once for each of them; and their gradients are gathered in such a table
// before they go on.
template <Real T>
struct OneHotLinear {
  static constexpr std::string_view name = "one_hot_linear";
  SavedIndices x;
  bool by_rows;
  std::size_t biases;

  Tensor<T> read(const Tensor<T>& weight, const T* bias) const {
    const std::int64_t rows = weight.shape()[0], columns = weight.shape()[1];
    Shape shape = x.shape();
    shape.push_back(rows);
    AnyTensor y = AnyTensor::empty(shape, dtype_of<T>), table;
    if (by_rows) table = AnyTensor::empty({columns, rows}, dtype_of<T>);
    launch([=, x = x.unchanged(name).address(), from = weight.address(), to = detail::data_of<T>(y),
            table = by_rows ? detail::data_of<T>(table) : nullptr] {
      if (!table) return kernels::gather_columns(rows, columns, x, from, bias, to);
      kernels::transpose_plus_row(rows, columns, from, bias, table);
      kernels::gather_rows(1, columns, rows, x, table, to);
    });
    return Tensor<T>(std::move(y));
  }
  Tensor<T> forward(const Tensor<T>& weight) const { return read(weight, nullptr); }
  Tensor<T> forward(const Tensor<T>& weight, const Tensor<T>& bias) const {
    return read(weight, bias.address());
  }
  Tensor<T> forward(const Tensor<T>& weight, const Tensor<T>& bias, const Tensor<T>& second_bias) const {
    AnyTensor sum = copy_of(bias);
    add_into(sum, second_bias);
    return read(weight, detail::data_of<T>(sum));
  }

  bool backward(const Saved<T>& saved, std::span<GradientSlot> gradients, GradientSink& sink) const {
    AnyTensor sums = gradients[0].value;  // whose sum over rows is the gradient of each bias
    if (saved.needs(0) && by_rows) {
      const std::int64_t rows = saved.shape(0)[0], columns = saved.shape(0)[1];
      AnyTensor table = AnyTensor::zeros({columns, rows}, dtype_of<T>);
      launch([=, x = x.unchanged(name).address(), from = reinterpret_cast<const T*>(sums.bytes()),
              to = detail::data_of<T>(table)] { kernels::scatter_add_rows(1, columns, rows, x, from, to); });
      sums = std::move(table);
    }
    sink.write(0, [&](AnyTensor& into, bool accumulate) {
      by_rows ? transposed(sums, into, accumulate) : added(sums, into, accumulate);
    });
    if (biases == 0) return true;
    AnyTensor sum = AnyTensor::empty({sums.shape().back()}, dtype_of<T>);
    launch([rows = sums.shape().elements(0, sums.rank() - 1), columns = sums.shape().back(),
            from = reinterpret_cast<const T*>(sums.bytes()),
            to = detail::data_of<T>(sum)] { kernels::column_sums(rows, columns, from, false, to); });
    for (std::size_t i = 1; i <= biases; ++i)
      if (sink.wants(i)) sink.add(i, sum, biases == 1 ? Ownership::owned : Ownership::shared);
    return true;
  }

  // The gradients as recorded ops.
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    Gradients<T> result(1);
    if (saved.needs(0))
      result[0] = apply(AddToColumns<T>{x.unchanged(name), saved.shape(0)}, Location::current(), g);
    result.insert(result.end(), biases, g);
    return result;
  }

  void added(const AnyTensor& rows, AnyTensor& into, bool accumulate) const {
    if (!accumulate) into.fill_zero();
    add_columns<T>(x.unchanged(name), rows, into);
  }
  void transposed(const AnyTensor& table, AnyTensor& into, bool accumulate) const {
    AnyTensor fresh = accumulate ? AnyTensor::empty(into.shape(), dtype_of<T>) : into;
    launch([rows = into.shape()[0], columns = into.shape()[1],
            from = reinterpret_cast<const T*>(table.bytes()),
            to = detail::data_of<T>(fresh)] { kernels::transpose(columns, rows, from, rows, to, columns); });
    if (accumulate) add_into(into, fresh);
  }
};

template <Real T, std::same_as<Tensor<T>>... Biases>
Tensor<T> product(const Indices& x, Location at, const Tensor<T>& weight, const Biases&... biases) {
  detail::check_defined("one_hot_linear", weight);
  if (weight.rank() != 2 || ((biases.shape() != Shape{weight.shape()[0]}) || ...))
    throw ShapeError(fmt::format(
        "one_hot_linear: weight {}{}; a weight [out, in] and a bias [out] are needed",
        to_string(weight.shape()), (fmt::format(", bias {}", to_string(biases.shape())) + ... + "")));
  check_indices("one_hot_linear", x, weight.shape()[1]);
  // Columns of a narrow weight are read fast: their cache lines serve all of them.
  const std::int64_t columns = weight.shape()[1], some = columns <= 128 ? columns : columns / 2;
  const bool by_rows = x.elements() > some;
  return apply(OneHotLinear<T>{x, by_rows, sizeof...(biases)}, at, weight, biases...);
}

}  // namespace

template <Real T>
Tensor<T> one_hot_linear(const Indices& x, const Tensor<T>& weight, const Tensor<T>& bias, Location at) {
  return bias.defined() ? product(x, at, weight, bias) : product(x, at, weight);
}

template <Real T>
Tensor<T> one_hot_linear(const Indices& x, const Tensor<T>& weight, const Tensor<T>& bias,
                         const Tensor<T>& second_bias, Location at) {
  detail::check_defined("one_hot_linear", bias, 1);
  detail::check_defined("one_hot_linear", second_bias, 2);
  return product(x, at, weight, bias, second_bias);
}

#define XGRAD_INSTANTIATE(T)                                                                              \
  template Tensor<T> one_hot_linear(const Indices&, const Tensor<T>&, const Tensor<T>&, Location);        \
  template Tensor<T> one_hot_linear(const Indices&, const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, \
                                    Location);
XGRAD_INSTANTIATE(float)
XGRAD_INSTANTIATE(double)
#undef XGRAD_INSTANTIATE

}  // namespace xgrad
