// Finding the processor's instruction set, and the XGRAD_SIMD override.
#include <xgrad/autograd/kernels/simd_level.hpp>

#include <cstdlib>
#include <string>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad::kernels {

namespace {

#if defined(__x86_64__)

constexpr SimdLevel levels[] = {SimdLevel::avx512, SimdLevel::avx2, SimdLevel::sse2};  // widest first

bool supported(SimdLevel level) {
  switch (level) {
    case SimdLevel::sse2:
      return true;
    case SimdLevel::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case SimdLevel::avx512:
      return supported(SimdLevel::avx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  }
  return false;
}

#else

constexpr SimdLevel levels[] = {SimdLevel::native};

bool supported(SimdLevel) { return true; }

#endif

}  // namespace

SimdLevel choose_simd_level(std::string_view name) {
  std::string choices;
  for (auto level : levels) {
    if (!supported(level)) continue;
    if (name.empty() || name == simd_level_name(level)) return level;
    choices += (choices.empty() ? "" : ", ") + std::string(simd_level_name(level));
  }
  throw ValueError("XGRAD_SIMD: \"" + std::string(name) +
                   "\" is unknown or not supported by this processor; choose from " + choices);
}

SimdLevel simd_level() {
  static const SimdLevel level = [] {
    const char* name = std::getenv("XGRAD_SIMD");
    return choose_simd_level(name ? name : "");
  }();
  return level;
}

const char* simd_level_name(SimdLevel level) {
#if defined(__x86_64__)
  switch (level) {
    case SimdLevel::sse2:
      return "sse2";
    case SimdLevel::avx2:
      return "avx2";
    case SimdLevel::avx512:
      return "avx512";
  }
#else
  if (level == SimdLevel::native) return "native";
#endif
  return "unknown";
}

}  // namespace xgrad::kernels
