// What a recurrent step computes of its pre-activations, and back. One table for each instruction set and
// element type.
#pragma once

#include <cstdint>

#include <xgrad/autograd/kernels/simd_level.hpp>

namespace xgrad::kernels {

/// Arrays are contiguous; n is a number of elements. Every result may lie exactly where an argument does.
template <class T>
struct RecurrentTable {
  void (*tanh)(std::int64_t n, const T* z, T* h);
  void (*relu)(std::int64_t n, const T* z, T* h);  // NaN stays NaN
  /// dz from h and its gradient.
  void (*tanh_adjoint)(std::int64_t n, const T* h, const T* dh, T* dz);
  void (*relu_adjoint)(std::int64_t n, const T* h, const T* dh, T* dz);

  /// Rows of z are the pre-activations of the gates i, f, g, o, each `hidden` elements, and become the gates.
  void (*lstm)(std::int64_t batch, std::int64_t hidden, T* z, const T* c, T* next_h, T* next_c);
  /// dz and dc from the gates, both c, and the gradients of next_h and next_c, either of which may be null:
  /// zeros.
  void (*lstm_adjoint)(std::int64_t batch, std::int64_t hidden, const T* gates, const T* c, const T* next_c,
                       const T* dh, const T* next_dc, T* dz, T* dc);

  /// Rows of zx and zh are what input and state contribute to the gates r, z, n, each `hidden` elements; zx
  /// becomes the gates. `bias`, a row or null, is added to zh, whose last block then goes to zh_n.
  void (*gru)(std::int64_t batch, std::int64_t hidden, T* zx, const T* zh, const T* bias, const T* h, T* zh_n,
              T* next_h);
  /// dzx and dzh from the gates, zh_n, h and the gradient of next_h. dh, which may be null, is what of the
  /// last goes to h directly, or it is added to dh.
  void (*gru_adjoint)(std::int64_t batch, std::int64_t hidden, const T* gates, const T* zh_n, const T* h,
                      const T* next_dh, T* dzx, T* dzh, bool accumulate, T* dh);
};

XGRAD_SIMD_TABLE(RecurrentTable<float>, recurrent_float)
XGRAD_SIMD_TABLE(RecurrentTable<double>, recurrent_double)

/// The same functions, shared between the team's threads.
const RecurrentTable<float>& shared_recurrent(float);
const RecurrentTable<double>& shared_recurrent(double);

}  // namespace xgrad::kernels
