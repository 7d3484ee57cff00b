// The loops of optimizers and gradient clipping.
#include <xgrad/autograd/kernels/optimizer.hpp>

#include <xgrad/autograd/kernels/simd.hpp>
#include <xgrad/autograd/kernels/simd_math.hpp>

namespace xgrad::kernels::XGRAD_ARCH {

namespace {

// f(values of the arrays, gradient) changes the values of `arrays` in place, a register at a time.
template <class T, int count, class F>
XGRAD_INLINE void update(std::int64_t n, T* const (&arrays)[count], const T* gradient, F f) {
  constexpr auto W = static_cast<std::int64_t>(lanes<T>);
  Batch<T> x[count];
  std::int64_t i = 0;
  for (; i + W <= n; i += W) {
    for (int a = 0; a < count; ++a) x[a] = load(arrays[a] + i);
    f(x, load(gradient + i));
    for (int a = 0; a < count; ++a) store(arrays[a] + i, x[a]);
  }
  if (i == n) return;
  const auto rest = static_cast<std::size_t>(n - i);
  for (int a = 0; a < count; ++a) x[a] = load_partial(arrays[a] + i, rest);
  f(x, load_partial(gradient + i, rest));
  for (int a = 0; a < count; ++a) store_partial(arrays[a] + i, x[a], rest);
}

template <class T>
XGRAD_INLINE Batch<T> all(double x) {
  return Batch<T>(static_cast<T>(x));
}

template <class T>
void sgd(std::int64_t n, T* parameter, const T* gradient, T* momentum, const SgdUpdate& u) {
  using B = Batch<T>;
  const B lr = all<T>(u.lr), decay = all<T>(u.weight_decay);
  if (!momentum)
    return update(
        n, {parameter}, gradient, [&](B * x, B g) __attribute__((always_inline)) {
          x[0] = fnma(lr, fma(decay, x[0], g), x[0]);
        });
  const B keep = all<T>(u.first ? 0 : u.momentum), fresh = all<T>(u.first ? 1 : 1 - u.dampening);
  const B ahead = all<T>(u.momentum), gradient_weight = all<T>(u.nesterov ? 1 : 0);
  const B buffer_weight = u.nesterov ? ahead : all<T>(1);
  update(
      n, {parameter, momentum}, gradient, [&](B * x, B g) __attribute__((always_inline)) {
        g = fma(decay, x[0], g);
        x[1] = fma(keep, x[1], fresh * g);
        x[0] = fnma(lr, fma(buffer_weight, x[1], gradient_weight * g), x[0]);
      });
}

template <class T>
void adam(std::int64_t n, T* parameter, const T* gradient, T* mean, T* square, T* largest,
          const AdamUpdate& u) {
  using B = Batch<T>;
  const B beta1 = all<T>(u.beta1), rest1 = all<T>(1 - u.beta1), beta2 = all<T>(u.beta2),
          rest2 = all<T>(1 - u.beta2);
  const B eps = all<T>(u.eps), step_size = all<T>(u.step_size), root_correction = all<T>(u.root_correction);
  const B decay = all<T>(u.weight_decay), shrink = all<T>(u.shrink);
  const auto moments = [&](B * x, B g) __attribute__((always_inline)) {
    g = fma(decay, x[0], g);
    x[1] = fma(beta1, x[1], rest1 * g);
    x[2] = fma(beta2, x[2], rest2 * g * g);
  };
  const auto step = [&](B * x, const B& second) __attribute__((always_inline)) {
    x[0] = fnma(step_size, x[1] / (sqrt<T>(second) / root_correction + eps), shrink * x[0]);
  };
  if (largest)
    update(
        n, {parameter, mean, square, largest}, gradient, [&](B * x, B g) __attribute__((always_inline)) {
          moments(x, g);
          x[3] = max_or_second<T>(x[3], x[2]);
          step(x, x[3]);
        });
  else
    update(
        n, {parameter, mean, square}, gradient, [&](B * x, B g) __attribute__((always_inline)) {
          moments(x, g);
          step(x, x[2]);
        });
}

template <class T>
void rmsprop(std::int64_t n, T* parameter, const T* gradient, T* square, T* mean, T* momentum,
             const RmspropUpdate& u) {
  using B = Batch<T>;
  const B lr = all<T>(u.lr), alpha = all<T>(u.alpha), rest = all<T>(1 - u.alpha), eps = all<T>(u.eps);
  const B decay = all<T>(u.weight_decay), keep = all<T>(u.momentum);
  // The gradient over its root mean square; `centre`, `momentum_at` say which of x these are, if any.
  const auto step = [&](B * x, B g, int centre, int momentum_at) __attribute__((always_inline)) {
    g = fma(decay, x[0], g);
    x[1] = fma(alpha, x[1], rest * g * g);
    B second = x[1];
    if (centre) {
      x[centre] = fma(alpha, x[centre], rest * g);
      second = fnma(x[centre], x[centre], second);
    }
    B change = g / (sqrt<T>(second) + eps);
    if (momentum_at) change = x[momentum_at] = fma(keep, x[momentum_at], change);
    x[0] = fnma(lr, change, x[0]);
  };
  if (mean && momentum)
    update(
        n, {parameter, square, mean, momentum},
        gradient, [&](B * x, B g) __attribute__((always_inline)) { step(x, g, 2, 3); });
  else if (mean)
    update(
        n, {parameter, square, mean},
        gradient, [&](B * x, B g) __attribute__((always_inline)) { step(x, g, 2, 0); });
  else if (momentum)
    update(
        n, {parameter, square, momentum},
        gradient, [&](B * x, B g) __attribute__((always_inline)) { step(x, g, 0, 2); });
  else
    update(
        n, {parameter, square},
        gradient, [&](B * x, B g) __attribute__((always_inline)) { step(x, g, 0, 0); });
}

template <class T>
double sum_of_squares(std::int64_t n, const T* x) {
  constexpr auto W = static_cast<std::int64_t>(lanes<T>);
  constexpr std::int64_t block = 4096;
  double total = 0;
  for (std::int64_t first = 0; first < n; first += block) {
    const std::int64_t last = n - first < block ? n : first + block;
    Batch<T> sum[4] = {Batch<T>(T(0)), Batch<T>(T(0)), Batch<T>(T(0)), Batch<T>(T(0))};
    std::int64_t i = first;
    for (; i + 4 * W <= last; i += 4 * W)
      for (int k = 0; k < 4; ++k) {
        const Batch<T> v = load(x + i + k * W);
        sum[k] = fma(v, v, sum[k]);
      }
    for (; i < last; i += W) {
      const Batch<T> v = last - i < W ? load_partial(x + i, static_cast<std::size_t>(last - i)) : load(x + i);
      sum[0] = fma(v, v, sum[0]);
    }
    total += static_cast<double>(reduce_add<T>((sum[0] + sum[1]) + (sum[2] + sum[3])));
  }
  return total;
}

template <class T>
void scale(std::int64_t n, T* x, double factor) {
  const Batch<T> f = all<T>(factor);
  update(
      n, {x}, x, [&](Batch<T> * v, const Batch<T>&) __attribute__((always_inline)) { v[0] *= f; });
}

template <class T>
void clamp(std::int64_t n, T* x, double limit) {
  const Batch<T> high = all<T>(limit), low = all<T>(-limit);
  update(
      n, {x}, x, [&](Batch<T> * v, const Batch<T>&) __attribute__((always_inline)) {
        v[0] = max_or_second<T>(low, min_or_second<T>(high, v[0]));
      });
}

template <class T>
constexpr UpdateLoops<T> loops = {sgd<T>, adam<T>, rmsprop<T>, sum_of_squares<T>, scale<T>, clamp<T>};

}  // namespace

const OptimizerLoops optimizer_loops = {loops<float>, loops<double>};

}  // namespace xgrad::kernels::XGRAD_ARCH
