// The CPU's table of kernels with one before it that counts: every kernel call of every test program goes through it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace xgrad::testing {

struct KernelCount {
  std::string name;  // "softmax<float>"
  std::int64_t calls;
};

/// How often each kernel was called since the program began.
std::vector<KernelCount> kernel_counts();

}  // namespace xgrad::testing
