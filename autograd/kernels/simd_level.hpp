// Which instruction set the library's loops run on: found out once, when first asked.
#pragma once

#include <string_view>

namespace xgrad::kernels {

#if defined(__x86_64__)
enum class SimdLevel { sse2, avx2, avx512 };
#else
enum class SimdLevel { native };
#endif

/// The level that the environment variable XGRAD_SIMD names, or else the widest that the processor has. It is
/// found when first asked for and stays; throws as choose_simd_level.
SimdLevel simd_level();

/// The level of that name (sse2, avx2 or avx512); the widest for an empty one. Throws ValueError for a name
/// that is unknown or that the processor does not support.
SimdLevel choose_simd_level(std::string_view name);

/// The level's name as XGRAD_SIMD spells it.
const char* simd_level_name(SimdLevel level);

}  // namespace xgrad::kernels

/// Stands in namespace xgrad::kernels and declares one subject's table of function pointers: an
/// `extern const Type name` in each instruction set's namespace, and `name()`, which picks among them.
/// `static` keeps `name()` out of what the object files of different instruction sets could share.
#if defined(__x86_64__)
#define XGRAD_SIMD_TABLE(Type, name)                                            \
  namespace sse2 {                                                              \
  extern const Type name;                                                       \
  }                                                                             \
  namespace avx2 {                                                              \
  extern const Type name;                                                       \
  }                                                                             \
  namespace avx512 {                                                            \
  extern const Type name;                                                       \
  }                                                                             \
  [[maybe_unused]] static const Type& name() {                                  \
    static const Type& table = simd_level() == SimdLevel::avx512 ? avx512::name \
                               : simd_level() == SimdLevel::avx2 ? avx2::name   \
                                                                 : sse2::name;  \
    return table;                                                               \
  }
#else
#define XGRAD_SIMD_TABLE(Type, name) \
  namespace native {                 \
  extern const Type name;            \
  }                                  \
  [[maybe_unused]] static const Type& name() { return native::name; }
#endif
