// The table of ops that tests go through: how to call each public function, and on which inputs.
//
//   table.add({.name = "matmul", .note = "vector by matrix",
//              .function = op([](const auto& x) { return matmul(x[0], x[1]); }),
//              .cases = {{{3}, {3, 4}}, {{0}, {0, 4}}}});
//
// A name may have several rows. Each row is checked by check_row(); op_table_test.cpp says what that is.
#pragma once

#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::testing {

template <Real T>
using Tensors = std::vector<Tensor<T>>;

/// The element type of the tensors that a row's lambda gets: `using T = Element<decltype(x)>;`.
template <class X>
using Element = std::remove_cvref_t<X>::value_type::value_type;

/// A row's function in both element types.
struct OpFunction {
  std::function<Tensors<float>(const Tensors<float>&)> single;
  std::function<Tensors<double>(const Tensors<double>&)> twice;
};

namespace detail {

template <Real T>
Tensors<T> as_list(Tensor<T> y) {
  return {std::move(y)};
}
template <Real T>
Tensors<T> as_list(Tensors<T> y) {
  return y;
}
template <Real T, std::size_t N>
Tensors<T> as_list(const std::array<Tensor<T>, N>& y) {
  return {y.begin(), y.end()};
}
template <Real T>
Tensors<T> as_list(const std::pair<Tensor<T>, Tensor<T>>& y) {
  return {y.first, y.second};
}

}  // namespace detail

/// From a generic lambda that takes the inputs as `const auto& x` (a std::vector of tensors) and returns one
/// tensor, or a vector, array or pair of them.
template <class F>
OpFunction op(F f) {
  return {[f](const Tensors<float>& x) { return detail::as_list(f(x)); },
          [f](const Tensors<double>& x) { return detail::as_list(f(x)); }};
}

/// Where the values of an input come from: uniform in [low, high], 0.05 away from every kink; the first
/// elements stand 0.001 below and above each kink instead.
struct Domain {
  double low = -2, high = 2;
  std::vector<double> kinks = {};
  bool constant = false;  ///< no gradient is asked for (a condition, a target)
  /// Called last, to give the values what uniform ones lack: distinct, ordered, positive definite, …
  std::function<void(const Shape& shape, std::span<double> values)> adjust = {};
};

struct OpRow {
  std::string name;  ///< the public function
  std::string note = "";
  OpFunction function = {};
  /// Shapes of the inputs, several times. Include a dimension of 0, one of 1, and broadcasting where there is
  /// any. Two inputs of equal shape are also passed as one and the same tensor.
  std::vector<std::vector<Shape>> cases = {};
  std::vector<Domain> domains = {{}};  ///< of input i; the last one serves all inputs after it too
  /// Further cases: the values of every input (each of rank 1), such as points near a tie.
  std::vector<std::vector<std::vector<double>>> points = {};
  bool same_input = true;                  ///< whether it makes sense to pass one tensor twice
  std::string no_second_order = "";        ///< a reason to skip gradients of gradients; printed
  double replay_tolerance = 0;             ///< in roundings of the largest entry; 0: the same bits
  double float_tolerance = 2e-6;           ///< of the largest entry: float against double, results
  double float_gradient_tolerance = 1e-5;  ///< and gradients
};

class OpTable {
 public:
  void add(OpRow row) { rows_.push_back(std::move(row)); }
  /// A public name in ops/*.hpp that is no function of tensors, with the reason.
  void exempt(std::string name, std::string reason) {
    exempt_.emplace_back(std::move(name), std::move(reason));
  }

  const std::vector<OpRow>& rows() const { return rows_; }
  const std::vector<std::pair<std::string, std::string>>& exemptions() const { return exempt_; }
  /// The first row of that name. Throws std::out_of_range.
  const OpRow& row(const std::string& name) const;

 private:
  std::vector<OpRow> rows_;
  std::vector<std::pair<std::string, std::string>> exempt_;
};

// One function for each family, in op_rows_<family>.cpp.
void add_elementwise_rows(OpTable& table);
void add_reduce_rows(OpTable& table);
void add_loss_rows(OpTable& table);
void add_shape_rows(OpTable& table);
void add_index_rows(OpTable& table);
void add_ordering_rows(OpTable& table);
void add_matmul_rows(OpTable& table);
void add_linalg_rows(OpTable& table);
void add_cell_rows(OpTable& table);
void add_norm_rows(OpTable& table);
void add_conv_rows(OpTable& table);
void add_pool_rows(OpTable& table);
void add_attention_rows(OpTable& table);

/// All rows.
const OpTable& op_table();

/// Checks a row in every way that op_table_test.cpp lists: one line for each thing that is wrong, or none.
std::string check_row(const OpRow& row);

/// Checks that the row's function, its gradient and its gradient's gradient can be made a Replay of, which
/// then gives the same bits, for other values than it was made with. `refusal`: why it refuses to be, if it
/// does.
std::string check_replay(const OpRow& row, std::string& refusal);

}  // namespace xgrad::testing
