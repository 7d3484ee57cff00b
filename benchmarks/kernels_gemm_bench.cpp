// Matrix products and transpositions beside BLAS, memcpy and xtensor.
#include <benchmark/benchmark.h>
#include <cblas.h>

#include <cstring>
#include <random>
#include <vector>

#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/autograd/array/xtensor.hpp>
#include <xgrad/ops/kernels/gemm.hpp>
#include <xgrad/ops/kernels/transpose.hpp>

namespace {

using namespace xgrad;

template <class T>
std::vector<T> random_values(std::int64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<T> normal;
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = normal(random);
  return values;
}

/// C = A · op(B), the sizes m, n, k from the benchmark's arguments.
template <class T>
struct Operands {
  explicit Operands(const benchmark::State& state)
      : m(state.range(0)),
        n(state.range(1)),
        k(state.range(2)),
        a(random_values<T>(m * k)),
        b(random_values<T>(k * n)),
        c(random_values<T>(m * n)) {}

  void report(benchmark::State& state) const {
    state.counters["GF/s"] = benchmark::Counter(2e-9 * static_cast<double>(m * n * k),
                                                benchmark::Counter::kIsIterationInvariantRate);
    state.SetLabel(kernels::simd_level_name(kernels::simd_level()));
  }

  std::int64_t m, n, k;
  std::vector<T> a, b, c;
};

void call_blas(CBLAS_TRANSPOSE op_b, int m, int n, int k, const float* a, const float* b, float* c) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, op_b, m, n, k, 1, a, k, b, op_b == CblasTrans ? k : n, 0, c, n);
}
void call_blas(CBLAS_TRANSPOSE op_b, int m, int n, int k, const double* a, const double* b, double* c) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, op_b, m, n, k, 1, a, k, b, op_b == CblasTrans ? k : n, 0, c, n);
}

template <class T, bool transpose_b>
void blas(benchmark::State& state) {
  Operands<T> of(state);
  for (auto _ : state) {
    call_blas(transpose_b ? CblasTrans : CblasNoTrans, static_cast<int>(of.m), static_cast<int>(of.n),
              static_cast<int>(of.k), of.a.data(), of.b.data(), of.c.data());
    benchmark::ClobberMemory();
  }
  of.report(state);
}

template <class T, bool transpose_b>
void gemm(benchmark::State& state) {
  Operands<T> of(state);
  for (auto _ : state) {
    kernels::gemm(kernels::Gemm<T>{false, transpose_b, of.m, of.n, of.k, T(1), of.a.data(), of.k, of.b.data(),
                                   transpose_b ? of.k : of.n, T(0), of.c.data(), of.n});
    benchmark::ClobberMemory();
  }
  of.report(state);
}

template <class T>
void gemm_packed(benchmark::State& state) {
  Operands<T> of(state);
  std::vector<T> packed(kernels::packed_size<T>(of.k, of.n));
  kernels::pack_b(true, of.k, of.n, of.b.data(), of.k, packed.data());
  for (auto _ : state) {
    kernels::gemm_packed(of.m, of.n, of.k, T(1), of.a.data(), of.k, packed.data(), T(0), of.c.data(), of.n);
    benchmark::ClobberMemory();
  }
  of.report(state);
}

template <class T>
void pack_b(benchmark::State& state) {
  Operands<T> of(state);
  std::vector<T> packed(kernels::packed_size<T>(of.k, of.n));
  for (auto _ : state) {
    kernels::pack_b(true, of.k, of.n, of.b.data(), of.k, packed.data());
    benchmark::ClobberMemory();
  }
}

/// m, n, k: the steps of small and large recurrent networks, a batch of one, and products hardly worth a
/// call.
void shapes(benchmark::internal::Benchmark* benchmark) {
  for (std::vector<std::int64_t> shape : {std::vector<std::int64_t>{1, 16, 16},
                                          {3, 12, 12},
                                          {16, 16, 16},
                                          {32, 65, 128},
                                          {32, 128, 128},
                                          {32, 512, 128},
                                          {64, 512, 512},
                                          {64, 2048, 512},
                                          {1, 512, 512}})
    benchmark->Args(shape);
  benchmark->ArgNames({"m", "n", "k"});
}

BENCHMARK_TEMPLATE(blas, float, true)->Apply(shapes);
BENCHMARK_TEMPLATE(gemm, float, true)->Apply(shapes);
BENCHMARK_TEMPLATE(gemm_packed, float)->Apply(shapes);
BENCHMARK_TEMPLATE(pack_b, float)->Apply(shapes);
BENCHMARK_TEMPLATE(blas, float, false)->Apply(shapes);
BENCHMARK_TEMPLATE(gemm, float, false)->Apply(shapes);
BENCHMARK_TEMPLATE(blas, double, true)->Apply(shapes);
BENCHMARK_TEMPLATE(gemm, double, true)->Apply(shapes);
BENCHMARK_TEMPLATE(gemm_packed, double)->Apply(shapes);

template <class T>
void copy(benchmark::State& state) {
  const auto in = random_values<T>(state.range(0) * state.range(0));
  std::vector<T> out(in.size());
  for (auto _ : state) {
    std::memcpy(out.data(), in.data(), in.size() * sizeof(T));
    benchmark::ClobberMemory();
  }
}

template <class T>
void transpose(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const auto in = random_values<T>(n * n);
  std::vector<T> out(in.size());
  for (auto _ : state) {
    kernels::transpose(n, n, in.data(), n, out.data(), n);
    benchmark::ClobberMemory();
  }
}

template <class T>
void transpose_by_xtensor(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  xt::xarray<T> in = xt::ones<T>({n, n}), out = in;
  for (auto _ : state) {
    out = xt::transpose(in);
    benchmark::ClobberMemory();
  }
}

BENCHMARK_TEMPLATE(copy, float)->Arg(128)->Arg(512)->Arg(2048);
BENCHMARK_TEMPLATE(transpose, float)->Arg(128)->Arg(512)->Arg(2048);
BENCHMARK_TEMPLATE(transpose_by_xtensor, float)->Arg(128)->Arg(512);
BENCHMARK_TEMPLATE(copy, double)->Arg(512);
BENCHMARK_TEMPLATE(transpose, double)->Arg(512);

}  // namespace
