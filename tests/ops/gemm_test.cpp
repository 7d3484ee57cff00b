// Matrix products against triple loops, on every instruction set that the processor has.
#include <xgrad/ops/kernels/gemm.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/ops/kernels/small_gemm.hpp>
#include "catch.hpp"

namespace kernels = xgrad::kernels;

namespace {

using Int = std::int64_t;

/// A matrix as stored, `padding` sentinels after each row and after the last.
template <class T>
struct Stored {
  static constexpr T sentinel = T(-77.25);

  Stored(Int height, Int width, Int padding) : rows(height), columns(width), ld(width + padding) {
    values.assign(static_cast<std::size_t>(rows * ld + padding), sentinel);
  }

  T& operator()(Int i, Int j) { return values[static_cast<std::size_t>(i * ld + j)]; }
  T operator()(Int i, Int j) const { return values[static_cast<std::size_t>(i * ld + j)]; }

  template <class Make>
  void fill(Make make) {
    for (Int i = 0; i < rows; ++i)
      for (Int j = 0; j < columns; ++j) (*this)(i, j) = make();
  }

  bool padding_untouched() const {
    for (std::size_t at = 0; at < values.size(); ++at)
      if (static_cast<Int>(at) % ld >= columns || static_cast<Int>(at) >= rows * ld)
        if (values[at] != sentinel) return false;
    return true;
  }

  Int rows, columns, ld;
  std::vector<T> values;
};

/// One product to be computed, and what is expected of it.
template <class T>
struct Problem {
  Problem(bool flip_a, bool flip_b, Int rows, Int columns, Int depth, T scale, T keep, Int padding = 3)
      : transpose_a(flip_a),
        transpose_b(flip_b),
        m(rows),
        n(columns),
        k(depth),
        alpha(scale),
        beta(keep),
        a(flip_a ? k : m, flip_a ? m : k, padding),
        b(flip_b ? n : k, flip_b ? k : n, padding),
        c(m, n, padding) {}

  /// Small whole numbers: every sum is exact, in whatever order it is taken.
  void fill_whole(std::mt19937& random) {
    const auto make = [&] { return T(static_cast<int>(random() % 9) - 4); };
    a.fill(make);
    b.fill(make);
    c.fill(make);
    if (beta == T(0)) c.fill([] { return std::numeric_limits<T>::quiet_NaN(); });
  }

  void fill_real(std::mt19937& random) {
    std::normal_distribution<double> normal;
    const auto make = [&] { return static_cast<T>(normal(random)); };
    a.fill(make);
    b.fill(make);
    c.fill(make);
  }

  /// Element (i, j), and the sum of the absolute values of its terms.
  std::pair<double, double> expected(Int i, Int j) const {
    double sum = 0, size = 0;
    for (Int p = 0; p < k; ++p) {
      const double term = double{transpose_a ? a(p, i) : a(i, p)} * double{transpose_b ? b(j, p) : b(p, j)};
      sum += term;
      size += std::abs(term);
    }
    const double start = beta == T(0) ? 0 : double{beta} * c(i, j);
    return {alpha * sum + start, std::abs(alpha) * size + std::abs(start)};
  }

  /// Runs `multiply` on a copy of C; returns the largest error in units of epsilon times the size of the sum.
  template <class Multiply>
  double error_of(Multiply multiply) {
    CAPTURE(transpose_a, transpose_b, m, n, k, alpha, beta);
    Stored<T> result = c;
    multiply(result);
    REQUIRE(result.padding_untouched());
    double worst = 0;
    for (Int i = 0; i < m; ++i)
      for (Int j = 0; j < n; ++j) {
        const auto [value, size] = expected(i, j);
        const double difference = std::abs(result(i, j) - value);
        if (!(difference == 0))
          worst = std::max(worst, difference / (size * std::numeric_limits<T>::epsilon()));
        if (std::isnan(result(i, j))) worst = std::numeric_limits<double>::infinity();
      }
    return worst;
  }

  kernels::Gemm<T> gemm(Stored<T>& to) const {
    return {transpose_a, transpose_b,      m,    n, k, alpha, a.values.data(), a.ld, b.values.data(), b.ld,
            beta,        to.values.data(), to.ld};
  }

  double error_of_gemm() {
    return error_of([&](Stored<T>& to) { kernels::gemm(gemm(to)); });
  }

  bool transpose_a, transpose_b;
  Int m, n, k;
  T alpha, beta;
  Stored<T> a, b, c;
};

template <class T>
struct Level {
  const char* name;
  const kernels::SmallGemm<T>* table;
};

/// The kernels of the instruction sets up to the one in use.
template <class T>
std::vector<Level<T>> levels() {
  std::vector<Level<T>> found;
  constexpr bool single = std::is_same_v<T, float>;
#define ADD(level)                                                   \
  if (kernels::SimdLevel::level <= kernels::simd_level()) {          \
    if constexpr (single)                                            \
      found.push_back({#level, &kernels::level::small_gemm_float});  \
    else                                                             \
      found.push_back({#level, &kernels::level::small_gemm_double}); \
  }
#if defined(__x86_64__)
  ADD(sse2)
  ADD(avx2)
  ADD(avx512)
#else
  ADD(native)
#endif
#undef ADD
  return found;
}

const Int sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 19, 23, 24, 25, 31, 32, 33, 37, 40};
const double factors[] = {1, 0, -1, 0.5, 3};

Int any_size(std::mt19937& random) { return sizes[random() % std::size(sizes)]; }
double any_factor(std::mt19937& random) { return factors[random() % std::size(factors)]; }

}  // namespace

TEMPLATE_TEST_CASE("gemm is exact on whole numbers, for all flags and sizes", "", float, double) {
  std::mt19937 random(1);
  for (int flags = 0; flags < 4; ++flags)
    for (Int m : sizes)
      for (Int n : sizes)
        for (int some = 0; some < 3; ++some) {
          Problem<TestType> problem(flags & 1, flags & 2, m, n, any_size(random),
                                    TestType(any_factor(random)), TestType(any_factor(random)), some);
          problem.fill_whole(random);
          REQUIRE(problem.error_of_gemm() == 0);
        }
}

TEMPLATE_TEST_CASE("gemm rounds no worse than a plain sum", "", float, double) {
  std::mt19937 random(2);
  for (int flags = 0; flags < 4; ++flags)
    for (int some = 0; some < 100; ++some) {
      const Int k = any_size(random);
      Problem<TestType> problem(flags & 1, flags & 2, any_size(random), any_size(random), k, TestType(0.7),
                                TestType(-1.3));
      problem.fill_real(random);
      REQUIRE(problem.error_of_gemm() <= 2 + 0.25 * static_cast<double>(k));
    }
}

TEMPLATE_TEST_CASE("gemm is right where BLAS computes it", "", float, double) {
  std::mt19937 random(3);
  const std::array<Int, 3> shapes[] = {{171, 163, 155}, {1, 70, 211},  {1, 1200, 900},
                                       {900, 1, 1300},  {210, 2, 310}, {19, 700, 330}};
  for (int flags = 0; flags < 4; ++flags)
    for (auto [m, n, k] : shapes)
      for (double beta : {0.0, 0.5}) {
        Problem<TestType> problem(flags & 1, flags & 2, m, n, k, TestType(-2), TestType(beta));
        problem.fill_whole(random);
        REQUIRE(problem.error_of_gemm() == 0);
      }
}

TEMPLATE_TEST_CASE("gemm takes vectors of any stride", "", float, double) {
  std::mt19937 random(4);
  for (int flags = 0; flags < 4; ++flags)
    for (Int length : {1, 2, 9, 33, 130, 2500})
      for (Int k : {1, 2, 17, 40, 700})
        for (Int padding : {0, 1, 5})
          for (bool row : {true, false}) {
            Problem<TestType> problem(flags & 1, flags & 2, row ? 1 : length, row ? length : 1, k, 2, 0,
                                      padding);
            problem.fill_whole(random);
            REQUIRE(problem.error_of_gemm() == 0);
          }
}

TEMPLATE_TEST_CASE("Products without elements or without terms", "", float, double) {
  using T = TestType;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  std::vector<T> c{nan, nan, 5, nan, nan, 5};
  const T* nothing = nullptr;
  kernels::gemm(kernels::Gemm<T>{false, false, 2, 2, 0, T(1), nothing, 1, nothing, 2, T(0), c.data(), 3});
  CHECK(c == std::vector<T>{0, 0, 5, 0, 0, 5});
  c = {1, 2, 5, 3, 4, 5};
  kernels::gemm(kernels::Gemm<T>{false, true, 2, 2, 0, T(1), nothing, 1, nothing, 2, T(0.5), c.data(), 3});
  CHECK(c == std::vector<T>{0.5, 1, 5, 1.5, 2, 5});
  kernels::gemm_packed(2, 2, 0, T(1), nothing, 1, nothing, T(2), c.data(), 3);
  CHECK(c == std::vector<T>{1, 2, 5, 3, 4, 5});
  kernels::gemm(kernels::Gemm<T>{true, false, 0, 2, 3, T(1), nothing, 1, nothing, 2, T(0), c.data(), 3});
  kernels::gemm(kernels::Gemm<T>{true, false, 2, 0, 3, T(1), nothing, 2, nothing, 1, T(0), c.data(), 3});
  kernels::gemm_packed(0, 2, 3, T(1), nothing, 3, nothing, T(0), c.data(), 3);
  kernels::gemm_packed(2, 0, 3, T(1), nothing, 3, nothing, T(0), c.data(), 3);
  CHECK(c == std::vector<T>{1, 2, 5, 3, 4, 5});
  CHECK(kernels::packed_size<T>(0, 5) == 0);
  CHECK(kernels::packed_size<T>(5, 0) == 0);
}

TEST_CASE("A size that BLAS cannot count is an error") {
  const Int huge = Int(1) << 31;
  float x = 1;
  CHECK_THROWS_AS(
      kernels::gemm(kernels::Gemm<float>{false, false, huge, 2, 2, 1.0f, &x, 2, &x, 2, 0.0f, &x, 2}),
      xgrad::Error);
  CHECK_THROWS_AS(
      kernels::gemm(kernels::Gemm<float>{false, false, 2, huge, 2, 1.0f, &x, 2, &x, huge, 0.0f, &x, huge}),
      xgrad::Error);
  CHECK_THROWS_AS(
      kernels::gemm(kernels::Gemm<float>{false, false, 2, 2, huge, 1.0f, &x, huge, &x, 2, 0.0f, &x, 2}),
      xgrad::Error);
}

TEMPLATE_TEST_CASE("Every instruction set multiplies exactly, from B as it is", "", float, double) {
  std::mt19937 random(5);
  for (const auto& level : levels<TestType>()) {
    CAPTURE(level.name);
    int computed = 0;
    for (int flags = 0; flags < 4; ++flags)
      for (int some = 0; some < 1500; ++some) {
        // Deeper than a panel at times.
        const Int k = some % 20 == 0 ? 250 + static_cast<Int>(random() % 300) : any_size(random);
        Problem<TestType> problem(flags & 1, flags & 2, any_size(random), any_size(random), k,
                                  TestType(any_factor(random)), TestType(any_factor(random)), some % 3);
        problem.fill_whole(random);
        bool done = true;
        const double error =
            problem.error_of([&](Stored<TestType>& to) { done = level.table->product(problem.gemm(to)); });
        computed += done;
        if (done) REQUIRE(error == 0);
      }
    CHECK(computed > 1500);
  }
}

TEMPLATE_TEST_CASE("Every instruction set multiplies exactly, with B packed", "", float, double) {
  std::mt19937 random(6);
  for (const auto& level : levels<TestType>())
    for (int transpose_b = 0; transpose_b < 2; ++transpose_b)
      for (Int n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 65, 130})
        for (Int k : {1, 2, 3, 4, 5, 6, 7, 16, 33, 255, 256, 257, 600}) {
          CAPTURE(level.name, transpose_b, n, k);
          const Int panels = (n + level.table->panel - 1) / level.table->panel;
          // From an odd address, and with a sentinel after it.
          std::vector<TestType> packed(static_cast<std::size_t>(panels * level.table->panel * k + 2),
                                       TestType(99));
          Problem<TestType> problem(false, transpose_b, 1 + static_cast<Int>(random() % 40), n, k,
                                    TestType(any_factor(random)), TestType(any_factor(random)));
          problem.fill_whole(random);
          level.table->pack(transpose_b, k, n, problem.b.values.data(), problem.b.ld, packed.data() + 1);
          REQUIRE((packed.front() == 99 && packed.back() == 99));
          REQUIRE(problem.error_of([&](Stored<TestType>& to) {
            level.table->packed_product(problem.m, n, k, problem.alpha, problem.a.values.data(), problem.a.ld,
                                        packed.data() + 1, problem.beta, to.values.data(), to.ld);
          }) == 0);
        }
}

TEMPLATE_TEST_CASE("gemm_packed agrees with gemm", "", float, double) {
  std::mt19937 random(7);
  for (int some = 0; some < 200; ++some) {
    const Int n = any_size(random), k = any_size(random);
    Problem<TestType> problem(false, some % 2, any_size(random), n, k, TestType(0.7),
                              TestType(some % 3 ? -1.3 : 0));
    problem.fill_real(random);
    std::vector<TestType> packed(kernels::packed_size<TestType>(k, n));
    kernels::pack_b(problem.transpose_b, k, n, problem.b.values.data(), problem.b.ld, packed.data());
    REQUIRE(problem.error_of([&](Stored<TestType>& to) {
      kernels::gemm_packed(problem.m, n, k, problem.alpha, problem.a.values.data(), problem.a.ld,
                           packed.data(), problem.beta, to.values.data(), to.ld);
    }) <= 2 + 0.25 * static_cast<double>(k));
  }
}

TEST_CASE("The threads of BLAS are counted and set, and products stay right") {
  const int before = kernels::blas_threads();
  CHECK(before >= 1);
  CHECK_FALSE(kernels::set_blas_threads(0));
  CHECK(kernels::blas_threads() == before);
  std::mt19937 random(8);
  Problem<float> problem(false, true, 150, 140, 160, 1, 0);
  problem.fill_whole(random);
  for (int count : {1, 2})
    if (kernels::set_blas_threads(count)) {
      CHECK(kernels::blas_threads() == count);
      CHECK(problem.error_of_gemm() == 0);
    }
  kernels::set_blas_threads(before);
}
