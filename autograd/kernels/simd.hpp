// SIMD registers: the one header that includes xsimd, for one instruction set per translation unit.
#pragma once

// What breaks otherwise: rounding steps folded away, tests for NaN and infinity that are never true.
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "xgrad needs IEEE arithmetic (sigmoid(-100) would be NaN): no -ffast-math, -Ofast, -ffinite-math-only"
#endif

#include <cstddef>
#include <cstdint>

// GCC 12 warns of a variable in its own AVX-512 intrinsics that is uninitialised on purpose.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <xsimd/xsimd.hpp>
#pragma GCC diagnostic pop
#else
#include <xsimd/xsimd.hpp>
#endif

// Kernels compiled by the library define XGRAD_ARCH on the command line; any other file takes what its own
// compiler flags allow.
#ifndef XGRAD_ARCH
#define XGRAD_ARCH native
#endif

// Everything here is inlined by force, in a namespace named after the instruction set: an out-of-line copy
// that the linker shared between files would carry AVX-512 instructions into a program on a machine without
// them.
#define XGRAD_INLINE [[gnu::always_inline]] inline

namespace xgrad::kernels::arch_types {
using sse2 = xsimd::sse2;
using avx2 = xsimd::fma3<xsimd::avx2>;
using avx512 = xsimd::avx512bw;
using native = xsimd::default_arch;
}  // namespace xgrad::kernels::arch_types

namespace xgrad::kernels::XGRAD_ARCH {

using Arch = arch_types::XGRAD_ARCH;
static_assert(Arch::supported(), "XGRAD_ARCH names an instruction set that the compiler flags do not enable");

/// A register of T (float, double, or an integer of 32 or 64 bits), and the mask that comparing two gives.
template <class T>
using Batch = xsimd::batch<T, Arch>;
template <class T>
using Mask = xsimd::batch_bool<T, Arch>;

/// How many T one register holds.
template <class T>
constexpr std::size_t lanes = Batch<T>::size;

/// Whether a * b + c rounds once.
#if defined(__FMA__) || defined(__AVX512F__) || (defined(__aarch64__) && defined(__ARM_FEATURE_FMA))
constexpr bool has_fma = true;
#else
constexpr bool has_fma = false;
#endif

template <class T>
XGRAD_INLINE Batch<T> load(const T* p) {
  return Batch<T>::load_unaligned(p);
}

template <class T>
XGRAD_INLINE void store(T* p, const Batch<T>& x) {
  x.store_unaligned(p);
}

#ifdef __AVX2__
/// All bits of the first n lanes of a 32-byte register.
template <class T>
XGRAD_INLINE __m256i first_lanes(std::size_t n) {
  if constexpr (sizeof(T) == 4) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  } else {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(n)), _mm256_setr_epi64x(0, 1, 2, 3));
  }
}
#endif

/// The first n <= lanes<T> elements; the other lanes are `fill`. Touches nothing after p[n - 1].
template <class T>
XGRAD_INLINE Batch<T> load_partial(const T* p, std::size_t n, T fill = T(0)) {
  [[maybe_unused]] constexpr std::size_t bytes = sizeof(Batch<T>), width = sizeof(T);
  [[maybe_unused]] const Batch<T> other(fill);
#ifdef __AVX512F__
  [[maybe_unused]] const unsigned bits = (1u << n) - 1;
  if constexpr (bytes == 64 && width == 4) return Batch<T>(_mm512_mask_loadu_ps(other, __mmask16(bits), p));
  if constexpr (bytes == 64 && width == 8) return Batch<T>(_mm512_mask_loadu_pd(other, __mmask8(bits), p));
#endif
#ifdef __AVX2__
  if constexpr (bytes == 32 && width == 4) {
    const __m256i mask = first_lanes<T>(n);
    return Batch<T>(_mm256_blendv_ps(other, _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask)));
  }
  if constexpr (bytes == 32 && width == 8) {
    const __m256i mask = first_lanes<T>(n);
    return Batch<T>(_mm256_blendv_pd(other, _mm256_maskload_pd(p, mask), _mm256_castsi256_pd(mask)));
  }
#endif
  T lane[lanes<T>];
  for (std::size_t i = 0; i < lanes<T>; ++i) lane[i] = i < n ? p[i] : fill;
  return load(lane);
}

/// Writes the first n <= lanes<T> elements, and nothing after p[n - 1].
template <class T>
XGRAD_INLINE void store_partial(T* p, const Batch<T>& x, std::size_t n) {
  [[maybe_unused]] constexpr std::size_t bytes = sizeof(Batch<T>);
  [[maybe_unused]] constexpr bool single = sizeof(T) == 4;
#ifdef __AVX512F__
  [[maybe_unused]] const unsigned bits = (1u << n) - 1;
  if constexpr (bytes == 64 && single) return _mm512_mask_storeu_ps(p, __mmask16(bits), x);
  if constexpr (bytes == 64 && !single) return _mm512_mask_storeu_pd(p, __mmask8(bits), x);
#endif
#ifdef __AVX2__
  if constexpr (bytes == 32 && single) return _mm256_maskstore_ps(p, first_lanes<T>(n), x);
  if constexpr (bytes == 32 && !single) return _mm256_maskstore_pd(p, first_lanes<T>(n), x);
#endif
  T lane[lanes<T>];
  store(lane, x);
  for (std::size_t i = 0; i < n; ++i) p[i] = lane[i];
}

template <class T>
XGRAD_INLINE Batch<T> broadcast(T x) {
  return Batch<T>(x);
}

/// yes where the mask is set, else no.
template <class T>
XGRAD_INLINE Batch<T> select(const Mask<T>& mask, const Batch<T>& yes, const Batch<T>& no) {
  return xsimd::select(mask, yes, no);
}

/// c + a * b, rounded once where the instruction set can. (xsimd fuses it on AVX-512 from version 11 only.)
template <class T>
XGRAD_INLINE Batch<T> fma(const Batch<T>& a, const Batch<T>& b, const Batch<T>& c) {
  [[maybe_unused]] constexpr std::size_t bytes = sizeof(Batch<T>), width = sizeof(T);
#ifdef __AVX512F__
  if constexpr (bytes == 64 && width == 4) return Batch<T>(_mm512_fmadd_ps(a, b, c));
  if constexpr (bytes == 64 && width == 8) return Batch<T>(_mm512_fmadd_pd(a, b, c));
#endif
#ifdef __FMA__
  if constexpr (bytes == 32 && width == 4) return Batch<T>(_mm256_fmadd_ps(a, b, c));
  if constexpr (bytes == 32 && width == 8) return Batch<T>(_mm256_fmadd_pd(a, b, c));
  if constexpr (bytes == 16 && width == 4) return Batch<T>(_mm_fmadd_ps(a, b, c));
  if constexpr (bytes == 16 && width == 8) return Batch<T>(_mm_fmadd_pd(a, b, c));
#endif
  return xsimd::fma(a, b, c);
}

/// c - a * b, likewise.
template <class T>
XGRAD_INLINE Batch<T> fnma(const Batch<T>& a, const Batch<T>& b, const Batch<T>& c) {
  [[maybe_unused]] constexpr std::size_t bytes = sizeof(Batch<T>), width = sizeof(T);
#ifdef __AVX512F__
  if constexpr (bytes == 64 && width == 4) return Batch<T>(_mm512_fnmadd_ps(a, b, c));
  if constexpr (bytes == 64 && width == 8) return Batch<T>(_mm512_fnmadd_pd(a, b, c));
#endif
#ifdef __FMA__
  if constexpr (bytes == 32 && width == 4) return Batch<T>(_mm256_fnmadd_ps(a, b, c));
  if constexpr (bytes == 32 && width == 8) return Batch<T>(_mm256_fnmadd_pd(a, b, c));
  if constexpr (bytes == 16 && width == 4) return Batch<T>(_mm_fnmadd_ps(a, b, c));
  if constexpr (bytes == 16 && width == 8) return Batch<T>(_mm_fnmadd_pd(a, b, c));
#endif
  if constexpr (has_fma) {
    return xsimd::fma(-a, b, c);
  } else {
    return c - a * b;
  }
}

/// Where x is NaN. Not x != x: xsimd 8 compares ordered there on AVX, which is false for NaN.
template <class T>
XGRAD_INLINE Mask<T> is_nan(const Batch<T>& x) {
  return !(x == x);
}

/// The smaller or larger of the two; y wherever either is NaN.
template <class T>
XGRAD_INLINE Batch<T> min_or_second(const Batch<T>& x, const Batch<T>& y) {
#if XSIMD_VERSION_MAJOR >= \
    14  // as std::min, which returns its first argument then; before, as the instruction
  return xsimd::min(y, x);
#else
  return xsimd::min(x, y);
#endif
}

template <class T>
XGRAD_INLINE Batch<T> max_or_second(const Batch<T>& x, const Batch<T>& y) {
#if XSIMD_VERSION_MAJOR >= 14
  return xsimd::max(y, x);
#else
  return xsimd::max(x, y);
#endif
}

/// Sum of the elements.
template <class T>
XGRAD_INLINE T reduce_add(const Batch<T>& x) {
#if XSIMD_VERSION_MAJOR >= 9
  return xsimd::reduce_add(x);
#else
  return xsimd::hadd(x);
#endif
}

/// Largest element, NaN if there is one.
template <class T>
XGRAD_INLINE T reduce_max(const Batch<T>& x) {
  T lane[lanes<T>];
  store(lane, x);
  for (std::size_t half = lanes<T> / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lane[i] = lane[i] > lane[i + half] ? lane[i] : lane[i + half];
  }
  return xsimd::any(is_nan(x)) ? reduce_add(x) : lane[0];
}

/// Smallest element, NaN if there is one.
template <class T>
XGRAD_INLINE T reduce_min(const Batch<T>& x) {
  return -reduce_max(-x);
}

template <class T>
XGRAD_INLINE bool any(const Mask<T>& mask) {
  return xsimd::any(mask);
}

template <class T>
XGRAD_INLINE bool all(const Mask<T>& mask) {
  return xsimd::all(mask);
}

/// The same bits read as elements of type To, which are as wide.
template <class To, class From>
XGRAD_INLINE Batch<To> bit_cast(const Batch<From>& x) {
  return __builtin_bit_cast(Batch<To>, x);
}

}  // namespace xgrad::kernels::XGRAD_ARCH
