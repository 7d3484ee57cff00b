// solve, inv, det, slogdet and cholesky against their definitions; stacks, gradients, and what has no result.
#include <xgrad/autograd/core/pool.hpp>
#include <xgrad/ops/distance.hpp>
#include <xgrad/ops/linalg.hpp>

#include <cmath>
#include <functional>
#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"
#include "near.hpp"

using namespace xgrad;
using Catch::Matchers::Contains;
using xgrad::testing::off;

namespace {

const Tensor<double> a3{{4, -2, 1}, {3, 6, -4}, {2, 1, 8}};

template <Real T>
void check_close(const Tensor<T>& got, const Tensor<T>& want, double limit) {
  REQUIRE(got.shape() == want.shape());
  CHECK(allclose(got, want, limit, limit));
}

// Far from singular.
template <Real T = double>
Tensor<T> matrices(Shape lead, std::int64_t n, Generator& random) {
  lead.push_back(n);
  lead.push_back(n);
  return randn<T>(lead, random) + eye<T>(n) * (2.0 * std::sqrt(static_cast<double>(n)));
}

}  // namespace

TEST_CASE("known results") {
  check_close(solve(a3, Tensor<double>{12, -25, 32}), Tensor<double>{1, -2, 4}, 1e-14);
  CHECK(det(a3).item() == Approx(263).epsilon(1e-14));
  const auto [sign, logabsdet] = slogdet(-a3);
  CHECK(sign.item() == -1);
  CHECK(logabsdet.item() == Approx(std::log(263)).epsilon(1e-14));
  check_close(cholesky(Tensor<double>{{4, 12, -16}, {12, 37, -43}, {-16, -43, 98}}),
              Tensor<double>{{2, 0, 0}, {6, 1, 0}, {-8, 5, 3}}, 1e-14);
  check_close(inv(Tensor<double>{{1, 2}, {3, 4}}), Tensor<double>{{-2, 1}, {1.5, -0.5}}, 1e-14);
}

TEMPLATE_TEST_CASE("what defines the results holds", "", float, double) {
  using T = TestType;
  const double limit = std::same_as<T, float> ? 2e-5 : 1e-13;
  Generator random(1);
  for (const std::int64_t n : {1, 2, 3, 8, 40})
    for (const Shape& lead : {Shape{}, Shape{3}, Shape{2, 1, 2}}) {
      INFO(n << " rows, in front: " << to_string(lead));
      const auto a = matrices<T>(lead, n, random);
      Shape shape = lead;
      shape.push_back(n);
      const auto v = randn<T>(shape, random);
      shape.push_back(5);
      const auto b = randn<T>(shape, random);
      check_close(matmul(a, solve(a, b)), b, limit);
      check_close(matmul(a, unsqueeze(solve(a, v), -1)), unsqueeze(v, -1), limit);
      check_close(matmul(a, inv(a)), zeros<T>(a.shape()) + eye<T>(n), limit);
      const auto [sign, logabsdet] = slogdet(a);
      if (n <= 8)
        check_close(sign * exp(logabsdet) / det(a), ones<T>(lead), 10 * limit);  // more overflows in float
      const auto positive = matmul(a, a, {.transpose_b = true}) / static_cast<double>(n);
      const auto l = cholesky(positive);
      check_close(matmul(l, l, {.transpose_b = true}), positive, limit);
      const auto index = arange<T>(static_cast<double>(n));
      CHECK(sum(abs(l * (reshape(index, {n, 1}) < index))).item() == 0);
      CHECK(amin(sum(l * eye<T>(n), -1)).item() > 0);
    }
}

TEST_CASE("right sides and matrices broadcast") {
  Generator random(2);
  const auto a = matrices({4, 1}, 3, random), b = randn<double>({5, 3, 2}, random);
  const auto x = solve(a, b);
  CHECK(x.shape() == Shape{4, 5, 3, 2});
  check_close(matmul(a, x), expand(b, {4, 5, 3, 2}), 1e-13);
  const auto one = matrices({}, 3, random);
  check_close(matmul(one, solve(one, b)), b, 1e-13);
  const auto v = randn<double>({3}, random);
  CHECK(solve(a, v).shape() == Shape{4, 1, 3});
  check_close(matmul(a, unsqueeze(solve(a, v), -1)), expand(unsqueeze(v, -1), {4, 1, 3, 1}), 1e-13);
}

TEST_CASE("gradients of linear algebra, and theirs") {
  Generator random(3);
  for (const std::int64_t n : {1, 2, 4})
    for (const Shape& lead : {Shape{}, Shape{2}}) {
      INFO(n << " rows, in front: " << to_string(lead));
      const auto a = matrices(lead, n, random), b = randn<double>({n, 3}, random),
                 v = randn<double>({n}, random);
      const auto check = [](const auto& f, const auto&... x) {
        CHECK(gradcheck(f, {x...}));
        CHECK(gradgradcheck(f, {x...}));
      };
      check([](const Tensor<double>& m, const Tensor<double>& r) { return solve(m, r); }, a, b);
      check([](const Tensor<double>& m, const Tensor<double>& r) { return solve(m, r); }, a, v);
      check([](const Tensor<double>& m) { return inv(m); }, a);
      check([](const Tensor<double>& m) { return det(m); }, a);
      check([](const Tensor<double>& m) { return slogdet(m).logabsdet; }, a);
      check([](const Tensor<double>& m) { return slogdet(m).sign * 2 + slogdet(m).logabsdet; }, a);
      check([](const Tensor<double>& m) { return cholesky(m); }, matmul(a, a, {.transpose_b = true}));
    }
}

TEST_CASE("a stack of one right side for many matrices, differentiated") {
  Generator random(4);
  const auto f = [](const Tensor<double>& m, const Tensor<double>& r) { return solve(m, r); };
  for (const auto& [a, b] : {std::pair{Shape{3, 1}, Shape{2, 2, 2}}, std::pair{Shape{}, Shape{3, 2, 1}},
                             std::pair{Shape{3}, Shape{1, 2, 1}}}) {
    CHECK(gradcheck(f, {matrices(a, 2, random), randn<double>(b, random)}));
    CHECK(gradgradcheck(f, {matrices(a, 2, random), randn<double>(b, random)}));
  }
}

TEST_CASE("cholesky takes the symmetric part") {
  check_close(cholesky(Tensor<double>{{4, 3}, {1, 5}}), cholesky(Tensor<double>{{4, 2}, {2, 5}}), 1e-15);
}

TEST_CASE("the determinant of a singular matrix has a gradient: the cofactors") {
  auto ones2 = ones<double>({2, 2}).set_requires_grad();
  det(ones2).backward();
  check_close(ones2.grad(), Tensor<double>{{1, -1}, {-1, 1}}, 1e-15);
  auto rank2 = Tensor<double>{{1, 2, 3}, {4, 5, 6}, {5, 7, 9}}.set_requires_grad();
  CHECK(off(det(rank2), {}, {0}, 1e-15, 378) == "");  // 378: the sizes of the six products that it adds up
  det(rank2).backward();
  check_close(rank2.grad(), Tensor<double>{{3, -6, 3}, {3, -6, 3}, {-3, 6, -3}}, 1e-13);
  const auto f = [](const Tensor<double>& m) { return det(m); };
  for (const auto& a : {ones<double>({2, 2}), zeros<double>({2, 2}), zeros<double>({1, 1}),
                        zeros<double>({3, 3}), stack({a3, ones<double>({3, 3})})}) {
    CHECK(gradcheck(f, {a}));
    CHECK(gradgradcheck(f, {a}));
  }
}

TEST_CASE("a determinant too small to represent is not taken for that of a singular matrix") {
  auto a = (eye<double>(200) * 1e-3).detach().set_requires_grad();
  CHECK(det(a).item() == 0);
  det(a).backward();
  CHECK(sum(abs(a.grad())).item() == 0);
  CHECK(slogdet(a).logabsdet.item() == Approx(200 * std::log(1e-3)));
}

TEST_CASE("slogdet of a singular matrix") {
  auto a = ones<double>({2, 2}).set_requires_grad();
  const auto [sign, logabsdet] = slogdet(a);
  CHECK(sign.item() == 0);
  CHECK(logabsdet.item() == -std::numeric_limits<double>::infinity());
  CHECK_THROWS_WITH(logabsdet.backward(),
                    Catch::Matchers::StartsWith(
                        "backward of 'slogdet': the matrix of shape [2, 2] is singular; the logarithm has no "
                        "gradient there"));
  sign.backward();
  CHECK_FALSE(a.grad().defined());
}

TEST_CASE("backward through a determinant that is not finite names it") {
  auto a = stack({eye<double>(2), full<double>({2, 2}, std::numeric_limits<double>::quiet_NaN())})
               .detach()
               .set_requires_grad();
  CHECK(std::isnan(det(a).values()[1]));
  CHECK_THROWS_AS(sum(det(a)).backward(), ValueError);
  CHECK_THROWS_WITH(
      sum(det(a)).backward(),
      Catch::Matchers::StartsWith("backward of 'det': matrix 1 of the stack of shape [2, 2, 2] is "
                                  "singular (or not finite)"));
  CHECK_THROWS_WITH(sum(slogdet(a).logabsdet).backward(),
                    Contains("backward of 'slogdet': matrix 1 of the stack"));
}

TEST_CASE("empty matrices and empty stacks") {
  CHECK(inv(zeros<double>({0, 0})).shape() == Shape{0, 0});
  CHECK(det(zeros<double>({0, 0})).item() == 1);
  CHECK(det(zeros<double>({3, 0, 0})).shape() == Shape{3});
  CHECK(slogdet(zeros<double>({0, 0})).sign.item() == 1);
  CHECK(slogdet(zeros<double>({0, 0})).logabsdet.item() == 0);
  CHECK(cholesky(zeros<double>({2, 0, 0})).shape() == Shape{2, 0, 0});
  CHECK(inv(zeros<double>({0, 2, 2})).shape() == Shape{0, 2, 2});
  CHECK(solve(zeros<double>({0, 2, 2}), zeros<double>({2, 3})).shape() == Shape{0, 2, 3});
  CHECK(solve(zeros<double>({0, 0}), zeros<double>({0, 3})).shape() == Shape{0, 3});
  CHECK(solve(eye<double>(2), zeros<double>({2, 0})).shape() == Shape{2, 0});
  const auto f = [](const Tensor<double>& m) { return stack({det(m), sum(inv(m), {-2, -1})}); };
  CHECK(gradcheck(f, {zeros<double>({0, 0})}));
  CHECK(gradgradcheck(f, {zeros<double>({0, 2, 2})}));
}

TEST_CASE("what has no result says so") {
  const auto singular = Tensor<double>{{1, 2}, {2, 4}};
  CHECK_THROWS_AS(inv(singular), ValueError);
  CHECK_THROWS_WITH(inv(singular), Catch::Matchers::StartsWith(
                                       "inv: the matrix of shape [2, 2] is singular (or not finite)"));
  CHECK_THROWS_WITH(
      solve(singular, Tensor<double>{1, 2}),
      Catch::Matchers::StartsWith("solve: the matrix of shape [2, 2] is singular (or not finite)"));
  const auto third = stack({eye<double>(2), eye<double>(2), singular});
  CHECK_THROWS_WITH(inv(third),
                    Catch::Matchers::StartsWith(
                        "inv: matrix 2 of the stack of shape [3, 2, 2] is singular (or not finite)"));
  CHECK_THROWS_WITH(solve(third, Tensor<double>{1, 2}), Contains("solve: matrix 2 of the stack"));
  CHECK_THROWS_AS(cholesky(-eye<double>(2)), ValueError);
  CHECK_THROWS_WITH(
      cholesky(-eye<double>(2)),
      Catch::Matchers::StartsWith("cholesky: the matrix of shape [2, 2] is not positive definite"));
  CHECK_THROWS_WITH(cholesky(stack({eye<double>(2), singular})),
                    Contains("cholesky: matrix 1 of the stack of shape [2, 2, 2]"));
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    for (const auto& spoilt : {Tensor<double>{{bad, 0}, {0, 1}}, {{1, 0}, {bad, 1}}, {{1, 0}, {0, bad}}}) {
      CHECK_THROWS_WITH(inv(spoilt), Catch::Matchers::StartsWith(
                                         "inv: the matrix of shape [2, 2] is singular (or not finite)"));
      CHECK_THROWS_WITH(solve(spoilt, Tensor<double>{1, 2}), Contains("is singular (or not finite)"));
      CHECK_THROWS_WITH(cholesky(spoilt), Contains("is not positive definite"));
      CHECK_THROWS_WITH(inv(stack({eye<float>(2), spoilt.to<float>()})),
                        Contains("inv: matrix 1 of the stack"));
    }
  CHECK_THROWS_AS(inv(zeros<double>({2, 3})), ShapeError);
  for (const auto& f : {std::function<void(const Tensor<double>&)>([](const auto& a) { inv(a); }),
                        {[](const auto& a) { det(a); }},
                        {[](const auto& a) { slogdet(a); }},
                        {[](const auto& a) { cholesky(a); }},
                        {[](const auto& a) { solve(a, a); }}}) {
    CHECK_THROWS_WITH(f(zeros<double>({2, 3})),
                      Contains(": shape [2, 3] is of no square matrix; its last two axes must be equal"));
    CHECK_THROWS_AS(f(zeros<double>({3})), ShapeError);
    CHECK_THROWS_WITH(f(Tensor<double>()), Contains("is undefined"));
  }
  CHECK_THROWS_WITH(solve(a3, Tensor<double>{1, 2}),
                    Catch::Matchers::StartsWith(
                        "solve: [3, 3] and [2]: the matrix has 3 rows and the right side 2; give it 3"));
  CHECK_THROWS_WITH(solve(a3, zeros<double>({})), Contains("the right side is a scalar"));
  CHECK_THROWS_WITH(solve(a3, Tensor<double>()), Contains("solve: operand 1 is undefined"));
  CHECK_THROWS_WITH(
      solve(zeros<double>({2, 3, 3}), zeros<double>({4, 3, 1})),
      Contains("solve: [2, 3, 3] and [4, 3, 1]: the axes in front of the matrices do not broadcast"));
}

using D = Tensor<double>;

TEST_CASE("decompositions name what they cannot decompose") {
  using Catch::Matchers::StartsWith;
  const D row{1, 2}, bad{{1, NAN}, {2, 3}}, singular{{1, 2}, {2, 4}};
  CHECK_THROWS_WITH(qr(row), StartsWith("qr: shape [2] is of no matrix; give two axes or more"));
  CHECK_THROWS_WITH(svd(bad), StartsWith("svd: the matrix of shape [2, 2] is not finite"));
  CHECK_THROWS_WITH(eigh(bad), StartsWith("eigh: the matrix of shape [2, 2] is not finite"));
  CHECK_THROWS_WITH(lstsq(D{{1, 2}}, D{{1}, {2}}),
                    StartsWith("lstsq: [1, 2] and [2, 1]: the right side needs 1 rows"));
  CHECK_THROWS_WITH(
      lstsq(singular, D{{1}, {2}}),
      StartsWith("lstsq: the matrix of shape [2, 2] has not full rank; use matmul(pinv(a), b)"));
  CHECK_THROWS_WITH(solve_triangular(D{{0, 1}, {1, 1}}, D{{1}, {2}}, true), StartsWith("solve: the matrix"));
  CHECK_THROWS_WITH(matrix_exp(bad), StartsWith("matrix_exp: a matrix is not finite"));
  CHECK_THROWS_WITH(matrix_power(D{{1, 2}}, 2),
                    StartsWith("matrix_power: shape [1, 2] is of no square matrix"));
}

TEST_CASE("cdist holds few differences, and has the gradients of the plain form") {
  const D a = randn<double>({600, 8}).set_requires_grad(), b = randn<double>({500, 8}).set_requires_grad();
  const std::int64_t before = live_counts().bytes;
  reset_peak_bytes();
  const D y = cdist(a, b);
  CHECK(y.shape() == Shape{600, 500});
  const D g = randn<double>({600, 500});
  auto [ga, gb] = grad(y, {a, b}, {.grad_outputs = {g}});
  CHECK(live_counts().peak_bytes - before < 600 * 500 * 8 * 8);  // the differences alone are that many
  const D plain = norm(unsqueeze(a, 1) - unsqueeze(b, 0), 2, -1);
  auto [wa, wb] = grad(plain, {a, b}, {.grad_outputs = {g}});
  CHECK(allclose(y, plain, 1e-14));
  CHECK(allclose(ga, wa, 1e-10, 1e-12));
  CHECK(allclose(gb, wb, 1e-10, 1e-12));
  CHECK_THROWS_WITH(cdist(a, D{{1, 2}}),
                    Catch::Matchers::StartsWith("cdist: [600, 8] and [1, 2]; give matrices"));
}
