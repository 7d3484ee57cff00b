// The threads that large matrix products run on.
#pragma once

namespace xgrad {

/// Sets the number of BLAS's threads for the whole process (PyTorch's torch.set_num_threads): a program's
/// business, done once; the library never calls it. Returns false, having changed nothing, where this BLAS
/// cannot be told. Throws ValueError for less than one thread.
bool set_threads(int count);

/// How many threads BLAS has now.
int threads();

}  // namespace xgrad
