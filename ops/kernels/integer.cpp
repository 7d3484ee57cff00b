// Arithmetic with integers, comparison, and conversion from and to floating point.
#include <algorithm>
#include <functional>

#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels {

namespace {

using Int = std::int64_t;

constexpr Int wrapped(std::uint64_t x) { return static_cast<Int>(x); }
constexpr std::uint64_t bits(Int x) { return static_cast<std::uint64_t>(x); }

// By -1 apart: the processor traps where the quotient of the smallest integer does not fit.
Int quotient(Int a, Int b) {
  if (b == -1) return wrapped(-bits(a));
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
Int remainder(Int a, Int b) {
  if (b == -1) return 0;
  const Int rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

template <class Out, class F>
void each(Int n, const Int* a, Int step_a, const Int* b, Int step_b, Out* out, F f) {
  for (Int i = 0; i < n; ++i) out[i] = static_cast<Out>(f(a[i * step_a], b[i * step_b]));
}

void arithmetic(Arithmetic kind, Int n, const Int* a, Int step_a, const Int* b, Int step_b, Int* out) {
  const auto all = [&](auto f) { each(n, a, step_a, b, step_b, out, f); };
  switch (kind) {
    case Arithmetic::add:
      return all([](Int x, Int y) { return wrapped(bits(x) + bits(y)); });
    case Arithmetic::subtract:
      return all([](Int x, Int y) { return wrapped(bits(x) - bits(y)); });
    case Arithmetic::multiply:
      return all([](Int x, Int y) { return wrapped(bits(x) * bits(y)); });
    case Arithmetic::divide:
      return all(quotient);
    case Arithmetic::remainder:
      return all(remainder);
  }
}

void compare(Comparison kind, Int n, const Int* a, Int step_a, const Int* b, Int step_b, float* out) {
  const auto all = [&](auto f) { each(n, a, step_a, b, step_b, out, f); };
  switch (kind) {
    case Comparison::equal:
      return all(std::equal_to());
    case Comparison::not_equal:
      return all(std::not_equal_to());
    case Comparison::less:
      return all(std::less());
    case Comparison::less_equal:
      return all(std::less_equal());
  }
}

template <class T>
void from_integers(const Int* in, Int n, T* out) {
  std::copy_n(in, n, out);
}

template <class T>
Int to_integers(const T* in, Int n, Int* out) {
  constexpr T end = 0x1p63;  // the first that is too large
  for (Int i = 0; i < n; ++i) {
    if (!(in[i] >= -end && in[i] < end)) return i;
    out[i] = static_cast<Int>(in[i]);
  }
  return n;
}

}  // namespace

void add_integers(Table& table) {
  table.integers.arithmetic = arithmetic;
  table.integers.compare = compare;
  table.integers.find_zero = [](const Int* in, Int n) -> Int { return std::find(in, in + n, 0) - in; };
  table.each([]<class T>(KernelsOf<T>& k) {
    k.from_integers = from_integers<T>;
    k.to_integers = to_integers<T>;
  });
}

}  // namespace xgrad::kernels
