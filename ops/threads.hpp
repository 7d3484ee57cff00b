// Threads: those of large matrix products, and what a program promises about its own.
#pragma once

namespace xgrad {

/// Sets the number of BLAS's threads for the whole process (PyTorch's torch.set_num_threads): a program's
/// business, done once; the library never calls it. Returns false, having changed nothing, where this BLAS
/// cannot be told. Throws ValueError for less than one thread.
bool set_threads(int count);

/// How many threads BLAS has now.
int threads();

/// Promises that only the calling thread will ever touch tensors, so that counting references takes no atomic
/// operations: a third of a small model's step. Without it that is known only of a program that has no other
/// thread at all, and BLAS starts its own when it is loaded. It cannot be taken back. Throws GraphError where
/// other threads have made tensors, and in any thread that makes one later.
void promise_one_thread();

}  // namespace xgrad
