// Products of one-hot rows, which are never formed, with a weight.
#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/recurrent.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

// Adds the rows to the columns of `into` that x names.
template <Real T>
void add_columns(const Indices& x, const AnyTensor& rows, AnyTensor& into) {
  launch(kernels::on(into.device()).of<T>().scatter_add_columns, into.shape()[0], into.shape()[1], reads(x),
         x.elements(), reads<T>(rows), writes<T>(into));
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

  // `bias` may be undefined.
  Tensor<T> read(const Tensor<T>& weight, const AnyTensor& bias) const {
    const std::int64_t rows = weight.shape()[0], columns = weight.shape()[1];
    const Indices& which = x.unchanged(name);
    const auto& k = kernels_of(weight);
    Shape shape = x.shape();
    shape.push_back(rows);
    const Tensor<T> y = empty<T>(shape);
    if (!by_rows) {
      launch(k.gather_columns, rows, columns, reads(which), which.elements(), reads(weight), reads<T>(bias),
             writes(y));
      return y;
    }
    const Tensor<T> table = empty<T>({columns, rows});
    launch(k.transpose, rows, columns, reads(weight), reads<T>(bias), writes(table));
    launch(k.gather_rows, std::int64_t{1}, columns, rows, reads(which), which.elements(), reads(table),
           writes(y));
    return y;
  }
  Tensor<T> forward(const Tensor<T>& weight) const { return read(weight, {}); }
  Tensor<T> forward(const Tensor<T>& weight, const Tensor<T>& bias) const { return read(weight, bias); }
  Tensor<T> forward(const Tensor<T>& weight, const Tensor<T>& bias, const Tensor<T>& second_bias) const {
    AnyTensor sum = copy_of(bias);
    add_into(sum, second_bias);
    return read(weight, sum);
  }

  bool backward(const Saved<T>& saved, std::span<GradientSlot> gradients, GradientSink& sink) const {
    const auto& k = kernels::on(gradients[0].value.device()).of<T>();
    AnyTensor sums = gradients[0].value;  // whose sum over rows is the gradient of each bias
    if (saved.needs(0) && by_rows) {
      const std::int64_t rows = saved.shape(0)[0], columns = saved.shape(0)[1];
      AnyTensor table = AnyTensor::zeros({columns, rows}, dtype_of<T>);
      launch(k.scatter_add_rows, std::int64_t{1}, columns, rows, reads(x.unchanged(name)),
             x.shape().elements(), reads<T>(sums), writes<T>(table));
      sums = std::move(table);
    }
    sink.write(0, [&](AnyTensor& into, bool accumulate) {
      by_rows ? transposed(sums, into, accumulate) : added(sums, into, accumulate);
    });
    if (biases == 0) return true;
    AnyTensor sum = AnyTensor::empty({sums.shape().back()}, dtype_of<T>);
    launch(k.column_sums, sums.shape().elements(0, sums.rank() - 1), sums.shape().back(), reads<T>(sums), false,
           writes<T>(sum));
    for (std::size_t i = 1; i <= biases; ++i)
      if (sink.wants(i)) sink.add(i, {sum, biases == 1});
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
    launch(kernels::on(into.device()).of<T>().transpose, into.shape()[1], into.shape()[0], reads<T>(table),
           reads<T>(AnyTensor()), writes<T>(fresh));
    if (accumulate) add_into(into, fresh);
  }
};

template <Real T, std::same_as<Tensor<T>>... Biases>
Tensor<T> product(std::string_view caller, const Indices& x, Location at, const Tensor<T>& weight,
                  const Biases&... biases) {
  const CallSite call(at);
  check_defined(caller, weight);
  if (weight.rank() != 2 || ((biases.shape() != Shape{weight.shape()[0]}) || ...))
    throw ShapeError(fmt::format(
        "{}: weight {}{}; a weight [out, in] and a bias [out] are needed", caller, to_string(weight.shape()),
        (fmt::format(", bias {}", to_string(biases.shape())) + ... + "")));
  check_indices(caller, x, weight.shape()[1]);
  // Columns of a narrow weight are read fast: their cache lines serve all of them.
  const std::int64_t columns = weight.shape()[1], some = columns <= 128 ? columns : columns / 2;
  const bool by_rows = x.elements() > some;
  return apply(OneHotLinear<T>{x, by_rows, sizeof...(biases)}, at, weight, biases...);
}

}  // namespace

template <Real T>
Tensor<T> detail::one_hot_linear_of(std::string_view caller, const Indices& x, const Tensor<T>& weight,
                                    const Tensor<T>& bias, const Tensor<T>& second_bias, Location at) {
  if (second_bias.defined()) return product(caller, x, at, weight, bias, second_bias);
  return bias.defined() ? product(caller, x, at, weight, bias) : product(caller, x, at, weight);
}

template <Real T>
Tensor<T> one_hot_linear(const Indices& x, const Tensor<T>& weight, const Tensor<T>& bias, Location at) {
  return detail::one_hot_linear_of("one_hot_linear", x, weight, bias, {}, at);
}

template <Real T>
Tensor<T> one_hot_linear(const Indices& x, const Tensor<T>& weight, const Tensor<T>& bias,
                         const Tensor<T>& second_bias, Location at) {
  const CallSite call(at);
  check_defined("one_hot_linear", bias, 1);
  check_defined("one_hot_linear", second_bias, 2);
  return product("one_hot_linear", x, at, weight, bias, second_bias);
}

#define XGRAD_INSTANTIATE(T)                                                                              \
  template Tensor<T> one_hot_linear(const Indices&, const Tensor<T>&, const Tensor<T>&, Location);        \
  template Tensor<T> one_hot_linear(const Indices&, const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, \
                                    Location);                                                            \
  template Tensor<T> detail::one_hot_linear_of(std::string_view, const Indices&, const Tensor<T>&,        \
                                               const Tensor<T>&, const Tensor<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
