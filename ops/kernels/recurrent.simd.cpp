// The elementwise part of recurrent steps.
#include <xgrad/autograd/kernels/simd.hpp>
#include <xgrad/autograd/kernels/simd_math.hpp>
#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

namespace k = kernels::XGRAD_ARCH;

// A register's worth of elements from `from` on, or where `partial` the first `count` of them.
template <class T, bool partial>
struct Block {
  std::int64_t from;
  std::size_t count;

  XGRAD_INLINE Batch<T> read(const T* p) const {
    if constexpr (partial)
      return load_partial(p + from, count);
    else
      return load(p + from);
  }
  XGRAD_INLINE void write(T* p, const Batch<T>& x) const {
    if constexpr (partial)
      store_partial(p + from, x, count);
    else
      store(p + from, x);
  }
};

// Calls f(block) for all of n elements.
template <class T, class F>
XGRAD_INLINE void each_block(std::int64_t n, F f) {
  constexpr auto W = static_cast<std::int64_t>(lanes<T>);
  std::int64_t i = 0;
  for (; i + W <= n; i += W) f(Block<T, false>{i, lanes<T>});
  if (i < n) f(Block<T, true>{i, static_cast<std::size_t>(n - i)});
}

template <class T>
void tanh(std::int64_t n, const T* z, T* h) {
  each_block<T>(
      n, [=](auto b) __attribute__((always_inline)) { b.write(h, k::tanh(b.read(z))); });
}

template <class T>
void relu(std::int64_t n, const T* z, T* h) {
  const Batch<T> zero(T(0));
  each_block<T>(
      n, [=](auto b) __attribute__((always_inline)) {
        const Batch<T> x = b.read(z);
        b.write(h, select<T>(x <= zero, zero, x));
      });
}

template <class T>
void tanh_adjoint(std::int64_t n, const T* h, const T* dh, T* dz) {
  each_block<T>(
      n, [=](auto b) __attribute__((always_inline)) {
        const Batch<T> y = b.read(h);
        b.write(dz, b.read(dh) * fnma(y, y, Batch<T>(T(1))));
      });
}

template <class T>
void relu_adjoint(std::int64_t n, const T* h, const T* dh, T* dz) {
  const Batch<T> zero(T(0));
  each_block<T>(
      n, [=](auto b)
             __attribute__((always_inline)) { b.write(dz, select<T>(b.read(h) > zero, b.read(dh), zero)); });
}

template <class T>
void lstm(std::int64_t batch, std::int64_t hidden, T* z, const T* c, T* next_h, T* next_c) {
  for (; batch > 0; --batch, z += 4 * hidden, c += hidden, next_h += hidden, next_c += hidden)
    each_block<T>(
        hidden, [=](auto b) __attribute__((always_inline)) {
          const Batch<T> i = k::sigmoid(b.read(z)), f = k::sigmoid(b.read(z + hidden));
          const Batch<T> g = k::tanh(b.read(z + 2 * hidden)), o = k::sigmoid(b.read(z + 3 * hidden));
          const Batch<T> next = fma(f, b.read(c), i * g);
          b.write(z, i);
          b.write(z + hidden, f);
          b.write(z + 2 * hidden, g);
          b.write(z + 3 * hidden, o);
          b.write(next_c, next);
          b.write(next_h, o * k::tanh(next));
        });
}

template <class T>
void lstm_adjoint(std::int64_t batch, std::int64_t hidden, const T* gates, const T* c, const T* next_c,
                  const T* dh, const T* next_dc, T* dz, T* dc) {
  const Batch<T> zero(T(0)), one(T(1));
  const auto forward = [=](const T*& p, std::int64_t by) { p = p ? p + by : nullptr; };
  for (; batch > 0; --batch) {
    each_block<T>(
        hidden, [=](auto b) __attribute__((always_inline)) {
          const Batch<T> i = b.read(gates), f = b.read(gates + hidden), g = b.read(gates + 2 * hidden),
                         o = b.read(gates + 3 * hidden);
          const Batch<T> t = k::tanh(b.read(next_c)), gh = dh ? b.read(dh) : zero;
          const Batch<T> gc = fma(gh * o, fnma(t, t, one), next_dc ? b.read(next_dc) : zero);
          const Batch<T> before = b.read(c);
          b.write(dz, gc * g * i * (one - i));
          b.write(dz + hidden, gc * before * f * (one - f));
          b.write(dz + 2 * hidden, gc * i * fnma(g, g, one));
          b.write(dz + 3 * hidden, gh * t * o * (one - o));
          b.write(dc, gc * f);
        });
    forward(gates, 4 * hidden), forward(dh, hidden), forward(next_dc, hidden);
    c += hidden, next_c += hidden, dz += 4 * hidden, dc += hidden;
  }
}

template <class T>
void gru(std::int64_t batch, std::int64_t hidden, T* zx, const T* zh, const T* bias, const T* h, T* zh_n,
         T* next_h) {
  for (; batch > 0;
       --batch, zx += 3 * hidden, zh += 3 * hidden, h += hidden, zh_n += hidden, next_h += hidden)
    each_block<T>(
        hidden, [=](auto b) __attribute__((always_inline)) {
          const auto of_h = [=](std::int64_t from) __attribute__((always_inline)) {
            return bias ? b.read(zh + from) + b.read(bias + from) : b.read(zh + from);
          };
          const Batch<T> r = k::sigmoid(b.read(zx) + of_h(0));
          const Batch<T> z = k::sigmoid(b.read(zx + hidden) + of_h(hidden)), inner = of_h(2 * hidden);
          const Batch<T> n = k::tanh(fma(r, inner, b.read(zx + 2 * hidden)));
          b.write(zx, r);
          b.write(zx + hidden, z);
          b.write(zx + 2 * hidden, n);
          b.write(zh_n, inner);
          b.write(next_h, fma(z, b.read(h) - n, n));
        });
}

template <class T>
void gru_adjoint(std::int64_t batch, std::int64_t hidden, const T* gates, const T* zh_n, const T* h,
                 const T* next_dh, T* dzx, T* dzh, bool accumulate, T* dh) {
  const Batch<T> one(T(1));
  for (; batch > 0; --batch) {
    each_block<T>(
        hidden, [=](auto b) __attribute__((always_inline)) {
          const Batch<T> r = b.read(gates), z = b.read(gates + hidden), n = b.read(gates + 2 * hidden);
          const Batch<T> g = b.read(next_dh), through_z = g * z;
          const Batch<T> dn = fnma(z, g, g) * fnma(n, n, one);
          const Batch<T> dr = dn * b.read(zh_n) * r * (one - r);
          const Batch<T> dz = through_z * (b.read(h) - n) * (one - z);
          b.write(dzx, dr), b.write(dzh, dr);
          b.write(dzx + hidden, dz), b.write(dzh + hidden, dz);
          b.write(dzx + 2 * hidden, dn), b.write(dzh + 2 * hidden, dn * r);
          if (dh) b.write(dh, accumulate ? b.read(dh) + through_z : through_z);
        });
    gates += 3 * hidden, zh_n += hidden, h += hidden, next_dh += hidden;
    dzx += 3 * hidden, dzh += 3 * hidden, dh = dh ? dh + hidden : nullptr;
  }
}

}  // namespace

extern constexpr Part recurrent_loops = [](Table& table) {
  table.each([]<class T>(KernelsOf<T>& loops) {
    loops.rnn_tanh = tanh<T>;
    loops.rnn_relu = relu<T>;
    loops.rnn_tanh_adjoint = tanh_adjoint<T>;
    loops.rnn_relu_adjoint = relu_adjoint<T>;
    loops.lstm = lstm<T>;
    loops.lstm_adjoint = lstm_adjoint<T>;
    loops.gru = gru<T>;
    loops.gru_adjoint = gru_adjoint<T>;
  });
};

}  // namespace xgrad::kernels::XGRAD_ARCH
