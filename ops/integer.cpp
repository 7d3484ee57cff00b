// Arithmetic and comparison of Indices, and their conversion from and to tensors.
#include <xgrad/ops/integer.hpp>

#include <fmt/format.h>

#include <array>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

using kernels::Arithmetic;
using kernels::Comparison;

// The operands under their common shape. What is one value for all elements is not repeated.
struct Operands {
  Shape shape;
  Indices a, b;

  Operands(std::string_view op, const IntegerOperand& left, const IntegerOperand& right) {
    check_defined(op, left.values, 0);
    check_defined(op, right.values, 1);
    shape = broadcast(op, left.values.shape(), right.values.shape());
    a = spread(left.values), b = spread(right.values);
  }

  template <class Kernel, class Kind, TypedArray X>
  void run(Kernel kernel, Kind kind, const X& out) const {
    launch(kernel, kind, shape.elements(), reads(a), step(a), reads(b), step(b), writes(out));
  }

 private:
  Indices spread(const Indices& x) const { return x.elements() == 1 ? x : expand(x, shape); }
  static std::int64_t step(const Indices& x) { return x.elements() == 1 ? 0 : 1; }
};

struct DivisorCheck {
  std::string_view op;
  const std::int64_t* values;
  Shape shape;

  void operator()() const {
    const std::int64_t n = shape.elements();
    if (const std::int64_t at = kernels::on(Device::cpu()).integers.find_zero(values, n); at < n)
      throw ValueError(fmt::format("{}: the divisor at position {} of {} is 0; give others, or mask them", op,
                                   at, to_string(shape)));
  }
};

void check_divisors(std::string_view op, const Indices& divisors) {
  if (computed_in_replay(divisors))
    refuse_in_replay(op,
                     "divisors are computed, and might be 0; compute them before each run, and "
                     "assign() them");
  const DivisorCheck check{op, reads(divisors).address, divisors.shape()};
  check();
  if (in_replay()) this_thread.replay->append_check(check, {&divisors});
}

Indices compute(std::string_view op, Arithmetic kind, const IntegerOperand& left,
                const IntegerOperand& right) {
  const CallSite call(left.at);
  const Operands x(op, left, right);
  std::int64_t limit = KernelList::any_integer;
  if (kind == Arithmetic::divide || kind == Arithmetic::remainder) check_divisors(op, right.values);
  if (kind == Arithmetic::remainder && right.number && *right.number > 0) limit = *right.number;
  const IndexOp scope(std::array{x.a, x.b}, limit);
  const Indices y = Indices::empty(x.shape);
  x.run(kernels_of(y).arithmetic, kind, y);
  return y;
}

Tensor<> compare(std::string_view op, Comparison kind, const IntegerOperand& left,
                 const IntegerOperand& right) {
  const CallSite call(left.at);
  const Operands x(op, left, right);
  const Tensor<> y = empty(x.shape);
  x.run(kernels_of(x.a).compare, kind, y);
  return y;
}

}  // namespace

Indices operator+(const IntegerOperand& a, const IntegerOperand& b) {
  return compute("Indices +", Arithmetic::add, a, b);
}
Indices operator-(const IntegerOperand& a, const IntegerOperand& b) {
  return compute("Indices -", Arithmetic::subtract, a, b);
}
Indices operator*(const IntegerOperand& a, const IntegerOperand& b) {
  return compute("Indices *", Arithmetic::multiply, a, b);
}
Indices operator/(const IntegerOperand& a, const IntegerOperand& b) {
  return compute("Indices /", Arithmetic::divide, a, b);
}
Indices operator%(const IntegerOperand& a, const IntegerOperand& b) {
  return compute("Indices %", Arithmetic::remainder, a, b);
}

Tensor<> operator==(const IntegerOperand& a, const IntegerOperand& b) {
  return compare("Indices ==", Comparison::equal, a, b);
}
Tensor<> operator!=(const IntegerOperand& a, const IntegerOperand& b) {
  return compare("Indices !=", Comparison::not_equal, a, b);
}
Tensor<> operator<(const IntegerOperand& a, const IntegerOperand& b) {
  return compare("Indices <", Comparison::less, a, b);
}
Tensor<> operator<=(const IntegerOperand& a, const IntegerOperand& b) {
  return compare("Indices <=", Comparison::less_equal, a, b);
}
Tensor<> operator>(const IntegerOperand& a, const IntegerOperand& b) {
  return compare("Indices >", Comparison::less, b, a);
}
Tensor<> operator>=(const IntegerOperand& a, const IntegerOperand& b) {
  return compare("Indices >=", Comparison::less_equal, b, a);
}

template <Real T>
Tensor<T> to_tensor(const Indices& x, Location at) {
  const CallSite call(at);
  check_defined("to_tensor", x);
  Tensor<T> y = empty<T>(x.shape());
  launch(kernels_of(y).from_integers, reads(x), x.elements(), writes(y));
  return y;
}

template <Real T>
Indices to_indices(const Tensor<T>& x, Location location) {
  const CallSite call(location);
  check_defined("to_indices", x);
  if (in_replay())
    refuse_in_replay("to_indices",
                     "values that are no integers would be noticed in the middle of a "
                     "run; convert them before each run, and assign() the result");
  const Indices y = Indices::empty(x.shape());
  const std::int64_t n = x.elements(), at = kernels_of(x).to_integers(x.data(), n, writes(y).address);
  if (at < n)
    throw ValueError(fmt::format("to_indices: {} at position {} of {} is no 64-bit integer; clamp the values",
                                 x.data()[at], at, to_string(x.shape())));
  return y;
}

#define XGRAD_INSTANTIATE(T)                              \
  template Tensor<T> to_tensor(const Indices&, Location); \
  template Indices to_indices(const Tensor<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
