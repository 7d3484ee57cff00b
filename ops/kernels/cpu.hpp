// The parts of the CPU's table: each function fills in the kernels of its file.
#pragma once

#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::kernels {

void add_columns(Table& table);
void add_copies(Table& table);
void add_gathers(Table& table);
void add_linear_algebra(Table& table);
void add_products(Table& table);
void add_scans(Table& table);
void add_targets(Table& table);

}  // namespace xgrad::kernels
