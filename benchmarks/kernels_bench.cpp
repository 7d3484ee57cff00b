// Formulas, reductions, the softmax loss and transposition beside memcpy, reading the data once, and xtensor.
//
// Names are kernel/WHAT/SHAPE/PROGRAM. GB/s counts each array that has to be read or written once, so that
// the figures compare with memcpy's. Formulas written here have the instruction set that this file is
// compiled for.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/array/xtensor.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/loss.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>

namespace {

using namespace xgrad;

constexpr auto swish = formula("swish", [](auto x) { return x * sigmoid(x); });
constexpr auto multiply_add = formula("multiply_add", [](auto x, auto y, auto z) { return x * y + z; });

using Array = xt::xarray<float>;

Tensor<> random(const Shape& shape) {
  Generator generator(1);
  return randn(shape, generator);
}
Array random_array(const Shape& shape) {
  const auto values = random(shape);
  Array result(std::vector<std::size_t>(shape.begin(), shape.end()));
  std::ranges::copy(values.values(), result.begin());
  return result;
}

std::string extents_of(const Shape& shape) {
  return std::to_string(shape[0]) + "x" + std::to_string(shape[1]);
}

/// A benchmark that runs `make()()` again and again, and touches `elements` floats each time.
template <class Make>
void add(const std::string& what, const Shape& shape, const char* program, std::int64_t elements, Make make) {
  const auto run = [make, elements](benchmark::State& state) {
    auto work = make();
    for (auto _ : state) {
      work();
      benchmark::ClobberMemory();
    }
    state.counters["GB/s"] = benchmark::Counter(4e-9 * static_cast<double>(elements),
                                                benchmark::Counter::kIsIterationInvariantRate);
  };
  benchmark::RegisterBenchmark(("kernel/" + what + "/" + extents_of(shape) + "/" + program).c_str(), run);
}

void add_memcpy(const std::string& what, const Shape& shape) {
  add(what, shape, "memcpy", 2 * shape.elements(), [shape] {
    return [from = random(shape), to = empty(shape)]() mutable {
      std::memcpy(to.mutable_values().data(), from.data(), from.values().size_bytes());
    };
  });
}

/// memchr that finds nothing: whatever the C library reads memory fastest with.
void add_read(const std::string& what, const Shape& shape) {
  add(what, shape, "read", shape.elements(), [shape] {
    return
        [x = zeros(shape)] { benchmark::DoNotOptimize(std::memchr(x.data(), 1, x.values().size_bytes())); };
  });
}

/// What `f` makes of `operands`, and its gradient by all of them. `touched` counts the arrays of forward and
/// backward.
template <class F, std::size_t n>
void add_formula(const std::string& what, const Shape& shape, F f, const Shape (&operands)[n],
                 std::array<std::int64_t, 2> touched) {
  const std::vector<Shape> shapes(std::begin(operands), std::end(operands));
  const auto apply = [f](const std::vector<Tensor<>>& x) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return f(x[I]...); }
    (std::make_index_sequence<n>());
  };
  const auto make_operands = [shapes] {
    std::vector<Tensor<>> x;
    for (const Shape& s : shapes) x.push_back(random(s).set_requires_grad());
    return x;
  };
  add(what + "_forward", shape, "xgrad", touched[0] * shape.elements(), [=] {
    return [=, x = make_operands()] {
      const no_grad scope;
      benchmark::DoNotOptimize(apply(x));
    };
  });
  add(what + "_backward", shape, "xgrad", touched[1] * shape.elements(), [=] {
    const auto x = make_operands();
    return [x, y = apply(x), g = random(shape)] {
      benchmark::DoNotOptimize(grad(std::vector{y}, x, {.grad_outputs = {g}, .retain_graph = true}));
    };
  });
}

void add_formulas(const Shape& shape) {
  const std::int64_t rows = shape[0], columns = shape[1];
  const struct {
    const char* name;
    Shape of_y;
  } layouts[] = {{"contiguous", shape}, {"row", {columns}}, {"column", {rows, 1}}};

  add_memcpy("formula", shape);
  add_formula("swish", shape, swish, {shape}, {2, 3});
  add("swish_forward", shape, "xtensor", 2 * shape.elements(), [shape] {
    return
        [x = random_array(shape), y = Array(random_array(shape))]() mutable { y = x / (1.0f + xt::exp(-x)); };
  });
  for (const auto& [name, of_y] : layouts) {
    const bool whole = of_y == shape;
    const std::string what = std::string("multiply_add_") + name;
    add_formula(what, shape, multiply_add, {shape, of_y, shape}, {whole ? 4 : 3, whole ? 5 : 4});
    add(what + "_forward", shape, "xtensor", (whole ? 4 : 3) * shape.elements(), [shape, of_y = of_y] {
      return [x = random_array(shape), y = random_array(of_y), z = random_array(shape),
              result = random_array(shape)]() mutable { result = x * y + z; };
    });
    add_formula(std::string("mul_") + name, shape, [](const auto& x, const auto& y) { return x * y; },
                {shape, of_y}, {whole ? 3 : 2, whole ? 5 : 3});
  }
}

template <class F, class X>
void add_reduction(const std::string& what, const Shape& shape, F reduce, X by_xtensor) {
  const struct {
    const char* name;
    Axes axes;
    std::vector<std::size_t> list;
  } choices[] = {{"_axis0", 0, {0}}, {"_axis1", 1, {1}}, {"_all", {}, {0, 1}}};
  for (const auto& [name, axes, list] : choices) {
    add(what + name, shape, "xgrad", shape.elements(),
        [=, axes = axes] { return [=, x = random(shape)] { benchmark::DoNotOptimize(reduce(x, axes)); }; });
    add(what + name, shape, "xtensor", shape.elements(), [=, list = list] {
      return [=, x = random_array(shape)] { benchmark::DoNotOptimize(by_xtensor(x, list)); };
    });
  }
}

void add_reductions(const Shape& shape) {
  add_read("reduction", shape);
  add_reduction(
      "sum", shape, [](const Tensor<>& x, const Axes& axes) { return sum(x, axes); },
      [](const Array& x, const std::vector<std::size_t>& axes) { return Array(xt::sum(x, axes)); });
  add_reduction(
      "amax", shape, [](const Tensor<>& x, const Axes& axes) { return amax(x, axes); },
      [](const Array& x, const std::vector<std::size_t>& axes) { return Array(xt::amax(x, axes)); });
}

void add_cross_entropy(const Shape& shape) {
  add_memcpy("cross_entropy", shape);
  const auto targets = [shape] {
    std::mt19937 random_bits(1);
    std::vector<std::int64_t> classes(static_cast<std::size_t>(shape[0]));
    for (auto& c : classes)
      c = static_cast<std::int64_t>(random_bits() % static_cast<std::uint64_t>(shape[1]));
    return Indices(classes);
  };
  add("cross_entropy_forward", shape, "xgrad", 2 * shape.elements(),
      [=] { return [x = random(shape), t = targets()] { benchmark::DoNotOptimize(cross_entropy(x, t)); }; });
  add("cross_entropy_forward_backward", shape, "xgrad", 4 * shape.elements(), [=] {
    return [x = random(shape).set_requires_grad(), t = targets()] {
      benchmark::DoNotOptimize(grad(cross_entropy(x, t), x));
    };
  });
}

void add_transpose(const Shape& shape) {
  add_memcpy("transpose", shape);
  add("transpose", shape, "xgrad", 2 * shape.elements(),
      [shape] { return [x = random(shape)] { benchmark::DoNotOptimize(transpose(x, 0, 1)); }; });
  add("transpose", shape, "xtensor", 2 * shape.elements(), [shape] {
    return
        [x = random_array(shape), y = random_array({shape[1], shape[0]})]() mutable { y = xt::transpose(x); };
  });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (const Shape& shape : {Shape{64, 512}, Shape{1024, 1024}}) add_formulas(shape);
  for (const Shape& shape : {Shape{64, 512}, Shape{512, 512}, Shape{4096, 16}, Shape{16, 4096}})
    add_reductions(shape);
  for (const Shape& shape : {Shape{2048, 65}, Shape{512, 10000}}) add_cross_entropy(shape);
  for (const Shape& shape : {Shape{512, 512}, Shape{1000, 333}}) add_transpose(shape);
  benchmark::RunSpecifiedBenchmarks();
}
