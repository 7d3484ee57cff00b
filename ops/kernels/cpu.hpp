// The parts of the CPU's table: each function fills in the kernels of its file.
#pragma once

#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::kernels {

using Part = void (*)(Table& table);

// Loops that are compiled for each instruction set: fold_loops() is the part of this machine's.
XGRAD_SIMD_TABLE(Part, fold_loops)
XGRAD_SIMD_TABLE(Part, norm_loops)
XGRAD_SIMD_TABLE(Part, recurrent_loops)
XGRAD_SIMD_TABLE(Part, softmax_loops)
XGRAD_SIMD_TABLE(Part, sum_of_squares_loops)

void add_columns(Table& table);
void add_convolutions(Table& table);  // the loops of conv.hpp, shared between threads
void add_copies(Table& table);
void add_gathers(Table& table);
void add_integers(Table& table);
void add_linear_algebra(Table& table);
void add_orders(Table& table);
void add_pools(Table& table);
void add_products(Table& table);
void add_recurrent(Table& table);  // recurrent_loops(), shared between threads
void add_scans(Table& table);
void add_targets(Table& table);

}  // namespace xgrad::kernels
