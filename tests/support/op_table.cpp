// The rows of all families.
#include "op_table.hpp"

#include <stdexcept>

namespace xgrad::testing {

const OpRow& OpTable::row(const std::string& name) const {
  for (const OpRow& row : rows_)
    if (row.name == name) return row;
  throw std::out_of_range("the table of ops has no row " + name);
}

const OpTable& op_table() {
  static const OpTable table = [] {
    OpTable t;
    for (auto* add : {&add_elementwise_rows, &add_reduce_rows, &add_loss_rows, &add_shape_rows,
                      &add_index_rows, &add_ordering_rows, &add_matmul_rows, &add_linalg_rows, &add_cell_rows,
                      &add_norm_rows, &add_conv_rows, &add_pool_rows, &add_attention_rows})
      add(t);
    return t;
  }();
  return table;
}

}  // namespace xgrad::testing
