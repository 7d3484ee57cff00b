// Which instruction set the library's loops run on: found out once, when first asked.
#pragma once

namespace xgrad::kernels {

#if defined(__x86_64__)
enum class SimdLevel { sse2, avx2, avx512 };
#else
enum class SimdLevel { native };
#endif

/// The widest level that this processor and the library have, or the one that the environment variable
/// XGRAD_SIMD names (sse2, avx2 or avx512; read once). Throws ValueError for an unknown or unsupported name.
SimdLevel simd_level();

/// The level's name as XGRAD_SIMD spells it.
const char* simd_level_name(SimdLevel level);

}  // namespace xgrad::kernels

/// Stands in namespace xgrad::kernels and declares one subject's table of function pointers: an
/// `extern const Type name` in each instruction set's namespace, and `name()`, which picks among them. `static`
/// keeps `name()` out of what the object files of different instruction sets could share.
#if defined(__x86_64__)
#define XGRAD_SIMD_TABLE(Type, name)                                \
  namespace sse2 { extern const Type name; }                        \
  namespace avx2 { extern const Type name; }                        \
  namespace avx512 { extern const Type name; }                      \
  [[maybe_unused]] static const Type& name() {                      \
    static const Type& table = simd_level() == SimdLevel::avx512 ? avx512::name \
                               : simd_level() == SimdLevel::avx2 ? avx2::name   \
                                                                 : sse2::name;  \
    return table;                                                   \
  }
#else
#define XGRAD_SIMD_TABLE(Type, name)           \
  namespace native { extern const Type name; }   \
  [[maybe_unused]] static const Type& name() { return native::name; }
#endif
