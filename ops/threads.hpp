// Threads: those that share large products and loops, and what a program promises about its own.
#pragma once

namespace xgrad {

/// Sets how many threads share each large product and loop, the calling one included, for the whole process
/// (PyTorch's torch.set_num_threads): a program's business, done once; the library never calls it. There are
/// never more than the machine has processors: they would only wait for each other. OpenBLAS's own threads,
/// of which it starts one for each processor, are left out from then on; another BLAS has to be told by its
/// own means. Throws ValueError for less than one thread, and Error, leaving one, where the system gives no
/// more.
void set_threads(int count);

/// How many threads there are: those set, or before that those of BLAS as far as it tells.
int threads();

/// Promises that only the calling thread will ever touch tensors, so that counting references takes no atomic
/// operations: a third of a small model's step. Without it that is known only of a program that has no other
/// thread at all, and BLAS starts its own when it is loaded; those, and set_threads's, touch no tensor. It
/// cannot be taken back. Throws GraphError where
/// other threads have made tensors, and in any thread that makes one later.
void promise_one_thread();

}  // namespace xgrad
